// Command bench measures Chaperone beside raw forwarding, on one machine in
// one run: go run ./bench (or make bench).
//
// It starts an upstream stub, a proxy of a few lines of fasthttp that only
// forwards, a private Redis with AOF, and Chaperone, built from this tree, on
// that Redis. It drives them in turn over 64 connections with a mixed basket
// of 1.6 kB, in interleaved rounds, so that what the machine does besides
// falls on all of them alike. It prints throughput, latency and the CPU time
// of the proxy's process per request, and the ratios of DESIGN section 7.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// settings are what the command line says.
type settings struct {
	connections int
	rounds      int
	round       time.Duration // load on one subject in one round
	drain       time.Duration // how long queued legs may take after a round
	deadline    time.Duration // of everything
	only        string        // subjects to run, comma-separated; empty for all
	binary      string        // a built Chaperone; empty: build it
	asJSON      bool
}

func run(args []string, out, errs io.Writer) int {
	if len(args) > 0 {
		if role, ok := roles[args[0]]; ok {
			return report(errs, role(args[1:]))
		}
	}
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&s.connections, "connections", 64, "connections that send requests, one after the other on each")
	flags.IntVar(&s.rounds, "rounds", 5, "interleaved rounds")
	flags.DurationVar(&s.round, "round", 2*time.Second, "load on one subject in one round")
	flags.DurationVar(&s.drain, "drain", 20*time.Second, "how long queued legs may take to be delivered after a round")
	flags.DurationVar(&s.deadline, "deadline", 5*time.Minute, "end everything after this")
	flags.StringVar(&s.only, "only", "", "subjects to run, comma-separated: "+strings.Join(subjectNames(), ", "))
	flags.StringVar(&s.binary, "chaperone", "", "a built chaperone; default: go build ./cmd/chaperone")
	flags.BoolVar(&s.asJSON, "json", false, "print one JSON document")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if s.connections < 1 || s.rounds < 1 || s.round <= 0 || flags.NArg() > 0 {
		fmt.Fprintln(errs, "error: connections, rounds and round must be positive, and there are no arguments")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, s.deadline)
	defer cancel()
	results, err := measure(ctx, s, errs)
	if err != nil {
		return report(errs, err)
	}
	if s.asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return report(errs, e.Encode(results))
	}
	return report(errs, results.print(out))
}

func report(errs io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(errs, "error: %v\n", err)
	return 1
}

// roles are the servers that this program runs as its own children, so that
// their CPU time can be told from the driver's.
var roles = map[string]func(args []string) error{
	"serve-stub":    serveStub,
	"serve-forward": serveForward,
}
