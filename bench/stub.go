package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// The stub's own paths, beside those that it takes payments and records on.
const (
	stubCounts = "/stub/counts"
	stubArm    = "/stub/arm"  // forget the kept bodies, keep the next ones
	stubLast   = "/stub/last" // ?of=DESTINATION: the body that was kept
)

// approved is the stub's answer to everything.
const approved = `{"id":"pay_QWERTYASDF","status":"approved","auth_code":"A1B2C3","amount":63612,"currency":"USD"}`

// stub is the upstream: it answers at once, counts the requests per
// destination (the first part of the path), and keeps the first body that each
// got since it was told to.
type stub struct {
	counts [len(destinations)]atomic.Int64
	armed  [len(destinations)]atomic.Bool
	kept   [len(destinations)]atomic.Pointer[[]byte]
}

// destinations are the first parts of the stub's paths.
var destinations = [...]string{"/processor", "/ehr", "/ledger"}

func (s *stub) handle(ctx *fasthttp.RequestCtx) {
	path := ctx.Path()
	for i, d := range destinations {
		if len(path) >= len(d) && string(path[:len(d)]) == d {
			s.counts[i].Add(1)
			if s.armed[i].Load() && s.armed[i].CompareAndSwap(true, false) {
				body := bytes.Clone(ctx.PostBody())
				s.kept[i].Store(&body)
			}
			ctx.SetContentType("application/json")
			ctx.SetBodyString(approved)
			return
		}
	}
	switch string(path) {
	case stubCounts:
		counts := map[string]int64{}
		for i, d := range destinations {
			counts[d] = s.counts[i].Load()
		}
		// A map of integers always encodes.
		b, _ := json.Marshal(counts)
		ctx.SetBody(b)
	case stubArm:
		for i := range destinations {
			s.kept[i].Store(nil)
			s.armed[i].Store(true)
		}
	case stubLast:
		for i, d := range destinations {
			if string(ctx.QueryArgs().Peek("of")) == d {
				if b := s.kept[i].Load(); b != nil {
					ctx.SetBody(*b)
				}
			}
		}
	default:
		ctx.SetStatusCode(fasthttp.StatusNotFound)
	}
}

func serveStub(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("serve-stub ADDRESS")
	}
	return serve(args[0], new(stub).handle)
}

// serve runs a handler on an address until the process is told to end.
func serve(address string, handler fasthttp.RequestHandler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := &fasthttp.Server{
		Handler:            handler,
		Logger:             silent{},
		NoDefaultDate:      true,
		MaxRequestBodySize: 64 << 20,
		ReadTimeout:        time.Minute,
		IdleTimeout:        time.Minute,
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-end
		if err := s.Shutdown(); err != nil {
			slog.Error("shutdown", "error", err)
		}
	}()
	return s.Serve(l)
}

// silent keeps fasthttp from printing requests.
type silent struct{}

func (silent) Printf(string, ...any) {}
