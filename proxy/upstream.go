package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/rules"
)

// The bounds of connections to a destination.
const (
	dialTimeout      = 3 * time.Second
	idleConnections  = 30 * time.Second
	defaultConns     = 512
	maxAnswerHead    = 16 << 10
	maxStaleAttempts = 64
)

// upstream is one destination as it is reached: a pool of connections, and
// what every call to it carries. It is safe for concurrent use.
type upstream struct {
	dest    *rules.Destination
	index   int // in Plan.Destinations
	client  *fasthttp.HostClient
	host    string // for the Host field
	prefix  string // of the path
	fields  []byte // the policy's own header fields, as they are sent
	own     map[string]bool
	timeout time.Duration
	sees    bool        // card numbers as they are
	hasty   atomic.Bool // it closes connections early, without saying so
	shown   shownCertificate
}

// newUpstream prepares a destination. It reads the files of its secrets and
// its CA, unless it is only there to be shown.
func newUpstream(p *rules.Plan, index int, fallback time.Duration, maxBody int, show bool) (*upstream, error) {
	d := &p.Destinations[index]
	at, err := url.Parse(d.URL)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("destination %s: the URL has no host", d.Name)
	}
	u := &upstream{dest: d, index: index, host: at.Host, prefix: strings.TrimSuffix(at.EscapedPath(), "/"), timeout: d.Timeout, own: map[string]bool{}}
	if u.timeout <= 0 {
		u.timeout = fallback
	}
	if pan := p.Label("pan"); pan != rules.NoLabel {
		u.sees = d.Sees.Of(pan) == rules.Plain
	}
	for _, h := range d.Headers {
		value, err := h.Prefix+"[secret]", error(nil)
		if !show || h.File == "" {
			value, err = headerValue(h)
		}
		if err != nil {
			return nil, fmt.Errorf("destination %s: header %s: %w", d.Name, h.Name, err)
		}
		u.own[h.Name] = true
		u.fields = appendField(u.fields, h.Name, value)
	}
	var secure *tls.Config
	if at.Scheme == "https" {
		secure = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: at.Hostname(), ClientSessionCache: tls.NewLRUClientSessionCache(64)}
		secure.VerifyConnection = u.shown.note
		if d.CAFile != "" && !show {
			pem, err := os.ReadFile(d.CAFile)
			if err != nil {
				return nil, fmt.Errorf("destination %s: ca: %w", d.Name, err)
			}
			secure.RootCAs = x509.NewCertPool()
			if !secure.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("destination %s: ca: the file holds no certificate", d.Name)
			}
		}
	}
	conns := d.MaxConns
	if conns <= 0 {
		conns = defaultConns
	}
	u.client = &fasthttp.HostClient{
		Addr: fasthttp.AddMissingPort(at.Host, at.Scheme == "https"),
		DialTimeout: func(addr string, t time.Duration) (net.Conn, error) {
			c, err := dial(addr, t, secure)
			u.shown.refused(err)
			return c, err
		},
		MaxConns:            conns,
		MaxConnWaitTimeout:  u.timeout,
		MaxIdleConnDuration: idleConnections,
		ReadBufferSize:      maxAnswerHead,
		MaxResponseBodySize: maxBody,
		ConnPoolStrategy:    fasthttp.LIFO,
	}
	return u, nil
}

// headerValue gives the value of a fixed header, read from its file where it
// is a secret.
func headerValue(h rules.HeaderValue) (string, error) {
	value := h.Value
	if h.File != "" {
		b, err := os.ReadFile(h.File)
		if err != nil {
			return "", err
		}
		value = strings.TrimSpace(string(b))
		if value == "" {
			return "", errors.New("the file is empty")
		}
	}
	value = h.Prefix + value
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return "", errors.New("the value holds a control character")
		}
	}
	return value, nil
}

// errNotOurs says that the process may not send: its lease is too old.
var errNotOurs = errors.New("proxy: the lease of this process is too old to send")

// sending says how far a call got. Only "nothing" proves that the destination
// cannot have acted on it.
type sending uint8

const (
	sentNothing sending = iota
	sentSome
	answered
)

// call is one request to a destination, and its answer.
type call struct {
	began    time.Time // a moment ago
	deadline time.Time
	method   string
	message  []byte // the head and, where tail is nil, the body as well
	tail     []byte
	resp     *fasthttp.Response // what the answer is read into
	may      func() bool        // is asked right before the first byte of every try
	end      *cutter            // the end of the process, which may cut the connection; nil: it may not

	ended time.Time // when the answer was there, if it was
}

// call sends a request as do does, from now on.
func (u *upstream) call(deadline time.Time, method string, message, tail []byte, resp *fasthttp.Response, may func() bool) (sending, error) {
	return u.callUnder(nil, deadline, method, message, tail, resp, may)
}

// callUnder is call, of which the end of the process may cut the connection;
// nil: it does not.
func (u *upstream) callUnder(end *cutter, deadline time.Time, method string, message, tail []byte, resp *fasthttp.Response, may func() bool) (sending, error) {
	return u.do(&call{began: time.Now(), deadline: deadline, method: method, message: message, tail: tail, resp: resp, may: may, end: end})
}

// do sends one request and reads the answer.
//
// A call is tried again only while no byte of it was written: on a pooled
// connection that the destination has closed meanwhile (seen by a peek, or by
// a write that took nothing). From the first byte on there is one try.
func (u *upstream) do(k *call) (sending, error) {
	now := k.began
	for range maxStaleAttempts {
		left := k.deadline.Sub(now)
		if left <= 0 {
			return sentNothing, fasthttp.ErrTimeout
		}
		pooled, err := u.client.AcquireConn(left, false)
		if err != nil {
			return sentNothing, err
		}
		c, ok := pooled.Conn().(*upConn)
		if !ok {
			u.client.CloseConn(pooled)
			return sentNothing, errors.New("proxy: connection of no known kind")
		}
		reused := c.answers > 0
		if reused && u.closed(c, now) {
			u.client.CloseConn(pooled)
			now = time.Now()
			continue
		}
		how, again, err := u.try(k, c, now)
		switch {
		case how == answered && !c.ending:
			u.client.ReleaseConn(pooled)
		case how == sentNothing && !c.ending:
			u.client.ReleaseConn(pooled) // it was not used
		default:
			u.client.CloseConn(pooled)
		}
		if !again || !reused {
			return how, err
		}
		now = time.Now()
	}
	return sentNothing, errors.New("proxy: no connection that is still open")
}

// try sends a call on a connection, which it marks as ending if it cannot be
// used any more. again says that another one may be tried: no byte was written.
func (u *upstream) try(k *call, c *upConn, now time.Time) (how sending, again bool, err error) {
	if !k.may() {
		return sentNothing, false, errNotOurs
	}
	if k.end != nil {
		if !k.end.hold(c) {
			return sentNothing, false, errCut
		}
		defer k.end.release(c)
	}
	c.ending = true // unless all goes well
	if err := c.until(k.deadline, now); err != nil {
		return sentNothing, true, err
	}
	c.raw.written = 0
	if err := c.send(k.message, k.tail); err != nil {
		if c.raw.written == 0 {
			return sentNothing, true, err
		}
		return sentSome, false, err
	}
	k.resp.SkipBody = k.method == "HEAD"
	r := u.client.AcquireReader(c)
	err = k.resp.ReadLimitBody(r, u.client.MaxResponseBodySize)
	extra := r.Buffered() > 0
	u.client.ReleaseReader(r)
	if err != nil {
		return sentSome, false, err
	}
	k.ended = time.Now()
	c.answers, c.idle = c.answers+1, k.ended
	c.ending = k.resp.ConnectionClose() || extra
	return answered, false, nil
}

// youngIdle is how long a connection may have been idle, and provenAnswers how
// many calls it must have carried, to be written to without a look whether its
// other end has closed it.
//
// A look is a system call for each request, and it sees what happened since
// the answer before and has arrived: a close that is under way is never seen.
// Within a millisecond that is about what a network's own delay hides in any
// case, as far as a destination goes that closes because it ends. One that
// closes after an answer without having said so (RFC 9112, 9.6) closes at
// once, though, and every sale would be in doubt. It is known by its first
// answers, and by what is found closed early: from then on each connection is
// looked at.
const (
	youngIdle     = time.Millisecond
	provenAnswers = 2
	earlyClose    = time.Second
)

// closed reports whether the other end has closed a pooled connection, as far
// as is worth finding out.
func (u *upstream) closed(c *upConn, now time.Time) bool {
	idle := now.Sub(c.idle)
	if idle < youngIdle && c.answers >= provenAnswers && !u.hasty.Load() {
		return false
	}
	if !c.stale(now) {
		return false
	}
	if idle < earlyClose {
		u.hasty.Store(true)
	}
	return true
}

// close ends the idle connections.
func (u *upstream) close() { u.client.CloseIdleConnections() }

// timedOut reports whether an error is one of time.
func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, fasthttp.ErrTimeout) || (errors.As(err, &t) && t.Timeout())
}

// causeOf says in words of ours why a call failed. The error itself may quote
// bytes of the answer.
func causeOf(err error) string {
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, errNotOurs):
		return "lease too old"
	case errors.Is(err, errCut):
		return "the process ends"
	case timedOut(err):
		return "timeout"
	case errors.Is(err, fasthttp.ErrNoFreeConns):
		return "no free connection"
	case errors.As(err, &cert):
		return "certificate not trusted"
	case errors.As(err, &op) && op.Op == "dial":
		return "cannot connect"
	case errors.As(err, &op):
		return "connection broken"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return "answer unreadable"
}
