package proxy

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"time"

	"chaperone/audit"
	"chaperone/proxy/framing"
	"chaperone/rules/reason"
)

// inbound is a request as it came, and the answer to it.
type inbound struct {
	head     *framing.Head
	body     source
	conn     *framing.Conn // nil: it came over none
	origin   netip.Addr
	at       time.Time // the clock, as it was looked at when the answer was made; zero: it was not
	Response response
}

// local returns the address at which the request arrived.
func (in *inbound) local() net.Addr {
	if in.conn == nil {
		return &net.TCPAddr{}
	}
	return in.conn.LocalAddr()
}

// serve answers the requests of a connection, one after the other, until there
// are no more, or it cannot go on.
func (s *Server) serve(c *framing.Conn) {
	in, ok := s.inbounds.Get().(*inbound)
	if !ok {
		in = new(inbound)
	}
	in.conn, in.body, in.origin = c, c, c.Origin()
	for s.serveNext(in) {
	}
	in.conn, in.body = nil, nil
	s.inbounds.Put(in)
}

// serveNext answers the next request of a connection, and reports whether there
// may be another.
func (s *Server) serveNext(in *inbound) (more bool) {
	head, err := in.conn.Next()
	if err == io.EOF {
		return false
	}
	in.head = head
	switch {
	case err != nil:
		s.brokenHead(in, err)
	case !expects(in):
		s.handle(in)
	case s.expect(in):
		if _, err := in.conn.Write(goOn); err != nil {
			return false
		}
		s.handle(in)
	}
	more = in.conn.Taken() && err == nil && !head.Last() && !in.Response.ConnectionClose() && s.taking()
	if err := in.write(!more); err != nil {
		more = false
	}
	in.Response.Reset()
	in.head, in.at = nil, time.Time{}
	return more
}

// write sends the answer; last says that the connection ends with it.
func (in *inbound) write(last bool) error {
	says := saysNothing
	if last {
		says = saysClose
	} else if !in.head.Is11() {
		says = saysKeepAlive
	}
	if in.at.IsZero() {
		in.at = time.Now()
	}
	text, rest := in.Response.message(in.at, says, in.head != nil && string(in.head.Method()) == "HEAD")
	err := in.conn.Send(text, in.at)
	if err == nil && len(rest) > 0 {
		_, err = in.conn.Write(rest)
	}
	return err
}

var (
	hundred = []byte("100-continue")
	goOn    = []byte("HTTP/1.1 100 Continue\r\n\r\n")
)

// expects reports whether the caller waits to be told whether it may send the
// body.
func expects(in *inbound) bool {
	v := in.head.Get(framing.Expect)
	return len(v) > 0 && bytes.EqualFold(v, hundred) && in.head.Is11() && !in.conn.Taken()
}

// expect answers a head that asks whether it may send its body. What would be
// refused anyway is refused now, before the body: then it returns false, and the
// answer is the refusal.
func (s *Server) expect(in *inbound) bool {
	x := s.begin(in)
	defer s.end(x)
	e := x.judge()
	if e == nil && !s.taking() {
		e = refuse(reason.NotReady, "the proxy is shutting down")
	}
	if e == nil {
		return true
	}
	x.refused(e)
	x.measure()
	return false
}

// brokenHead answers bytes that never became a request. Nothing of them was
// acted on, and the connection ends.
func (s *Server) brokenHead(in *inbound, err error) {
	e := headFault(err)
	id := s.newID()
	writeProblem(in, e, e.Code.Status(), id)
	now := s.clock()
	repeats, record := s.refusals.take(in.origin, e.Code, now)
	if !record {
		return
	}
	entry := audit.Entry{Time: now, Kind: audit.KindRefusal, Request: audit.ID(id), Origin: in.origin, Plan: audit.ID(s.policy.Load().plan.Hash),
		Result: audit.ResultRefused, Reason: e.Code, Status: e.Code.Status(), Repeats: repeats}
	if err := s.recordLater(&entry); err != nil {
		s.logger.Warn("a refusal is not on record", "request", id, "code", string(e.Code), "error", err)
	}
}
