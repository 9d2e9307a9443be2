package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/audit"
	"chaperone/proxy/framing"
	"chaperone/rules/reason"
)

// The bounds of a connection.
const (
	readBuffer   = 16 << 10 // the head of a request is at most this long
	idleTimeout  = 2 * time.Minute
	writeTimeout = 30 * time.Second
	// A caller that sends a request in a tenth of a second keeps what its
	// connection holds; the others wait with next to nothing.
	restAfter = 100 * time.Millisecond
)

// silent swallows fasthttp's log, which quotes bytes of requests.
type silent struct{}

func (silent) Printf(string, ...any) {}

// listen opens the listener and sets up the server on it.
func (s *Server) listen() error {
	l, err := net.Listen("tcp", s.o.Listen)
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	s.listener = l
	if !s.o.Plan.HasCallers && !loopback(l.Addr()) {
		return fmt.Errorf("proxy: %s can be reached from outside, and the policy knows no callers", l.Addr())
	}
	s.hosts = newHosts(l.Addr(), s.o.Listen, s.o.Hosts)
	if s.o.TLS != nil {
		secure := s.o.TLS.Clone()
		secure.NextProtos = []string{"http/1.1"}
		if secure.MinVersion < tls.VersionTLS12 {
			secure.MinVersion = tls.VersionTLS12
		}
		l = tls.NewListener(l, secure)
	}
	s.listener = framing.NewListener(l, framing.Times{Read: s.limits.ReadTimeout, Idle: idleTimeout, Write: writeTimeout, Rest: restAfter})
	s.http = &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.brokenHead,
		ExpectHandler:                s.expect,
		Logger:                       silent{},
		StreamRequestBody:            true,
		ReadBufferSize:               readBuffer,
		MaxRequestBodySize:           s.limits.Body,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
	}
	return nil
}

// expect answers a head that asks whether it may send its body. What would be
// refused anyway is refused now, before the body.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	x := s.begin(ctx)
	defer s.end(x)
	e := x.judge()
	if e == nil && !s.taking() {
		e = refuse(reason.NotReady, "the proxy is shutting down")
	}
	if e == nil {
		return fasthttp.StatusContinue
	}
	x.refused(e)
	x.measure()
	return e.Code.Status()
}

// brokenHead answers bytes that never became a request. Nothing of them was
// acted on, and the connection ends.
func (s *Server) brokenHead(ctx *fasthttp.RequestCtx, err error) {
	e := headFault(err)
	var tooLong *fasthttp.ErrSmallBuffer
	if errors.As(err, &tooLong) {
		e = refuse(reason.HeadMalformed, "the head is larger than the limit")
	}
	id := s.newID()
	ctx.Response.Reset()
	writeProblem(ctx, e, e.Code.Status(), id)
	now := s.clock()
	origin := framing.Origin(ctx.RemoteAddr())
	repeats, record := s.refusals.take(origin, e.Code, now)
	if !record {
		return
	}
	entry := audit.Entry{Time: now, Kind: audit.KindRefusal, Request: audit.ID(id), Origin: origin, Plan: audit.ID(s.policy.Load().plan.Hash),
		Result: audit.ResultRefused, Reason: e.Code, Status: e.Code.Status(), Repeats: repeats}
	if err := s.recordLater(&entry); err != nil {
		s.logger.Warn("a refusal is not on record", "request", id, "code", string(e.Code), "error", err)
	}
}
