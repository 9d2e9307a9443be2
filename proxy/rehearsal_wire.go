package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// maxRehearsedCalls bounds the calls of one request: its legs, and those that
// waited before them in their order.
const maxRehearsedCalls = 1 << 12

// dial opens a connection to the stand-in of a destination.
func (r *Rehearsal) dial(destination int) (net.Conn, error) {
	sc := r.scene
	if to := sc.plan.Destinations[destination].Name; sc.refuses != nil && sc.refuses(to) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	raw := &countingConn{Conn: &standInConn{scene: sc, destination: destination}}
	return &upConn{Conn: raw, raw: raw}, nil
}

// note learns by which key each leg of the request is called.
func (sc *scene) note(x *exchange) {
	sc.route = x.route
	for i := range x.legs {
		if x.legs[i].key != "" {
			sc.legs[x.legs[i].key] = i
		}
	}
}

// legOf names the leg of a call: by its key, else the first of the route that
// goes to the destination.
func (sc *scene) legOf(destination int, key string) string {
	if x := sc.x; x != nil {
		for i := range x.legs {
			if x.legs[i].key != "" && x.legs[i].key == key {
				return sc.plan.Routes[x.route].Legs[i].Name
			}
		}
		return sc.firstLeg(x.route, destination)
	}
	if i, ok := sc.legs[key]; ok {
		return sc.plan.Routes[sc.route].Legs[i].Name
	}
	return sc.firstLeg(sc.route, destination)
}

func (sc *scene) firstLeg(route, destination int) string {
	if route >= 0 {
		for _, l := range sc.plan.Routes[route].Legs {
			if l.Destination == destination {
				return l.Name
			}
		}
	}
	return sc.plan.Destinations[destination].Name
}

// standInConn is a connection to a stand-in: what is written is taken for a
// request, and read is its answer.
type standInConn struct {
	scene       *scene
	destination int
	request     bytes.Buffer
	answer      *bytes.Reader // nil: not yet
	fault       error
}

func (c *standInConn) Write(p []byte) (int, error) { return c.request.Write(p) }

// Read answers, once all of the request was written.
func (c *standInConn) Read(p []byte) (int, error) {
	if c.answer == nil && c.fault == nil {
		c.serve()
	}
	if c.fault != nil {
		return 0, c.fault
	}
	return c.answer.Read(p)
}

func (c *standInConn) serve() {
	var req fasthttp.Request
	if err := req.ReadLimitBody(bufio.NewReader(&c.request), 0); err != nil {
		c.fault = io.ErrUnexpectedEOF
		return
	}
	sc := c.scene
	call := Call{To: sc.plan.Destinations[c.destination].Name, Method: string(req.Header.Method()), Target: string(req.Header.RequestURI())}
	for name, value := range req.Header.All() {
		call.Headers = append(call.Headers, [2]string{string(name), string(value)})
	}
	if req.Header.ContentLength() >= 0 {
		call.Body = append([]byte{}, req.Body()...)
	}
	call.Leg = sc.legOf(c.destination, string(req.Header.Peek("Idempotency-Key")))
	answer := sc.answer(&call)
	select {
	case sc.calls <- call:
	default: // more than anybody looks at
	}
	switch answer.Fault {
	case Timeout:
		c.fault = os.ErrDeadlineExceeded
	case Broken:
		c.fault = io.ErrUnexpectedEOF
	default:
		c.answer = bytes.NewReader(answer.wire())
	}
}

// wire is the answer as it is sent; the connection ends with it.
func (a *StandIn) wire() []byte {
	b := []byte("HTTP/1.1 " + strconv.Itoa(a.Status) + " \r\nConnection: close\r\n")
	typed := false
	for _, f := range a.Headers {
		b = appendField(b, f[0], f[1])
		typed = typed || f[0] == "Content-Type"
	}
	if len(a.Body) > 0 && !typed {
		b = appendField(b, "Content-Type", jsonMedia)
	}
	b = appendField(b, "Content-Length", strconv.Itoa(len(a.Body)))
	return append(append(b, '\r', '\n'), a.Body...)
}

// Close ends the connection.
func (c *standInConn) Close() error { return nil }

// LocalAddr and RemoteAddr are of no network.
func (c *standInConn) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (c *standInConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// Nobody waits here, so deadlines are for nothing.
func (c *standInConn) SetDeadline(time.Time) error      { return nil }
func (c *standInConn) SetReadDeadline(time.Time) error  { return nil }
func (c *standInConn) SetWriteDeadline(time.Time) error { return nil }
