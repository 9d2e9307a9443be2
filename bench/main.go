// Command bench measures Chaperone beside others, on one machine in one run:
// go run ./bench (or make bench, which writes RESULTS.md).
//
// It starts an upstream stub, the peers (a proxy of a few lines of fasthttp
// that only forwards, nginx, HAProxy and others, those that the machine has),
// a private Redis with AOF, and Chaperone, built from this tree, on that Redis
// and on its embedded store. It drives them in turn over 64 connections with a
// mixed basket of 1.6 kB, in interleaved rounds, so that what the machine does
// besides falls on all of them alike. Then it measures the engine by itself,
// how cost grows, and what memory and a start take.
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
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// settings are what the command line says.
type settings struct {
	connections int
	rounds      int
	round       time.Duration // load to saturation on one subject in one round
	half        time.Duration // and at half of it
	drain       time.Duration // how long queued legs may take after a round
	soak        time.Duration // how long the soak takes
	deadline    time.Duration // of everything
	only        string        // subjects to run, comma-separated; empty for all
	parts       string        // of the bench, comma-separated
	binary      string        // a built Chaperone; empty: build it
	out         string        // folder of RESULTS.md and what belongs to it
	asJSON      bool
	short       bool
}

// parts are what a run is made of; soak is left out unless it is named.
var parts = []string{"proxies", "engine", "growth", "footprint", soakPart}

const soakPart = "soak"

func (s *settings) has(part string) bool {
	return slices.Contains(strings.Split(strings.ReplaceAll(s.parts, " ", ""), ","), part)
}

func parse(args []string, errs io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&s.connections, "connections", 64, "connections that send requests, one after the other on each")
	flags.IntVar(&s.rounds, "rounds", 5, "interleaved rounds, after one to warm up")
	flags.DurationVar(&s.round, "round", 2*time.Second, "load to saturation on one subject in one round")
	flags.DurationVar(&s.half, "half", 1500*time.Millisecond, "load at half of saturation, for latency, after each")
	flags.DurationVar(&s.drain, "drain", 20*time.Second, "how long queued legs may take to be delivered after a round")
	flags.DurationVar(&s.deadline, "deadline", 12*time.Minute, "end everything after this")
	flags.StringVar(&s.only, "only", "", "subjects to run, comma-separated: "+strings.Join(subjectNames(), ", "))
	flags.DurationVar(&s.soak, "soak", 10*time.Minute, "how long the part soak sells")
	flags.StringVar(&s.parts, "parts", strings.Join(parts[:len(parts)-1], ","), "what to measure, comma-separated; there is also "+soakPart)
	flags.StringVar(&s.binary, "chaperone", "", "a built chaperone; default: go build ./cmd/chaperone")
	flags.StringVar(&s.out, "out", "", "write RESULTS.md, results.json and growth.svg into this folder, which is made if it is missing; default: print the report")
	flags.BoolVar(&s.asJSON, "json", false, "print one JSON document")
	flags.BoolVar(&s.short, "short", false, "a quick look: one round of 300 ms, small sizes; no figures to keep")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.short {
		s.rounds, s.round, s.half = 1, 300*time.Millisecond, 300*time.Millisecond
	}
	if s.connections < 1 || s.rounds < 1 || s.round <= 0 || s.half <= 0 || s.soak <= 0 || flags.NArg() > 0 {
		err = errors.New("connections, rounds, round, half and soak must be positive, and there are no arguments")
	}
	for part := range strings.SplitSeq(s.parts, ",") {
		if part = strings.TrimSpace(part); !slices.Contains(parts, part) {
			err = fmt.Errorf("there is no part %q; parts are %s", part, strings.Join(parts, ", "))
		}
	}
	if err != nil {
		fmt.Fprintf(errs, "error: %v\n", err)
	}
	return s, err
}

func run(args []string, out, errs io.Writer) int {
	if len(args) > 0 {
		if role, ok := roles[args[0]]; ok {
			return report(errs, role(args[1:]))
		}
	}
	s, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if s.out != "" && !s.asJSON {
		// Before minutes are spent on what could not be kept.
		if err := os.MkdirAll(s.out, 0o755); err != nil {
			return report(errs, err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, s.deadline)
	defer cancel()
	results, err := measure(ctx, s, errs)
	if err != nil {
		return report(errs, err)
	}
	return report(errs, results.give(s, out))
}

// measure runs the parts, one after the other.
func measure(ctx context.Context, s settings, progress io.Writer) (*results, error) {
	list := chosen(s.only)
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no such subject: %s", s.only)
	}
	r, err := newRig(ctx, s, progress)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	res := newResults(s, list)
	if s.has("engine") {
		fmt.Fprintln(progress, "the engine")
		if res.Engine, err = measureEngine(ctx, s); err != nil {
			return nil, fmt.Errorf("the engine: %w", err)
		}
	}
	if s.has("proxies") {
		if err := r.serve(ctx, list); err != nil {
			return nil, err
		}
		if err := r.rounds(ctx, list, res); err != nil {
			return nil, err
		}
		if r.recorded > 0 {
			if res.Rewriting, err = r.rewrite(ctx, r.recorded); err != nil {
				return nil, fmt.Errorf("redis: rewrite of its file: %w", err)
			}
		}
	}
	// These come last, and what has been measured is not lost with them.
	if s.has("growth") {
		fmt.Fprintln(progress, "growth")
		if res.Growth, err = r.growth(ctx); err != nil {
			r.leave("growth", err)
		}
	}
	if s.has("footprint") {
		fmt.Fprintln(progress, "memory and start")
		if res.Footprint, err = r.footprint(ctx); err != nil {
			r.leave("memory and start", err)
			res.Footprint = nil
		}
	}
	if s.has(soakPart) {
		fmt.Fprintln(progress, "soak")
		if res.Soak, err = r.soak(ctx, s.soak); err != nil {
			return nil, fmt.Errorf("soak: %w", err)
		}
	}
	res.LeftOut = r.left
	res.finish()
	return res, nil
}

// give prints the results, or writes them into the folder of -out.
func (r *results) give(s settings, out io.Writer) error {
	document, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	document = append(document, '\n')
	switch {
	case s.asJSON:
		_, err = out.Write(document)
		return err
	case s.out == "":
		_, err = io.WriteString(out, r.markdown())
		return err
	}
	files := map[string][]byte{"RESULTS.md": []byte(r.markdown()), "results.json": document}
	if len(r.Growth) > 0 {
		files["growth.svg"] = plot(r.Growth)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.out, name), content, 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "%s\nwritten to %s\n", r.budgets().text(), s.out)
	return err
}

func report(errs io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(errs, "error: %v\n", err)
	return 1
}

// roles are the servers that this program runs as its own children, so that
// their CPU time can be told from the driver's, and the engine at work on a
// fixed number of bodies, so that its instructions can be counted.
var roles = map[string]func(args []string) error{
	"serve-stub":     serveStub,
	"serve-forward":  serveForward,
	"serve-gjson":    serveGJSON,
	"serve-httputil": serveHTTPUtil,
	"count":          count,
}
