package store

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"chaperone/store/socket"
)

// wire is one connection to one server, on which programs go as they are, and
// whose replies are read without an object for each. go-redis makes the
// connection (it finds the master, does TLS, authenticates, has it met) and
// holds it out of its pool; while it does, nobody else reads or writes it.
type wire struct {
	options redis.Options // of the client that finds the server
	timeout time.Duration // of the way out, and of the way back
	wait    string        // for a replica, in milliseconds

	mu sync.Mutex // held during an exchange
	in replies

	state  sync.Mutex
	conn   net.Conn // nil: none yet
	client *redis.Client
	closed bool
}

// newWire makes a wire to where a client would go. meet judges each new
// connection.
func newWire(like *redis.Client, wait time.Duration, meet func(context.Context, *redis.Conn) error) *wire {
	w := &wire{options: *like.Options(), wait: strconv.FormatInt(wait.Milliseconds(), 10)}
	w.timeout = w.options.ReadTimeout
	w.options.OnConnect = meet
	w.options.PoolSize, w.options.MaxActiveConns, w.options.PipelinePoolSize = 1, 1, -1
	w.options.MaxRetries = -1 // what was set is written as 0 there, which means 3 here
	// Its own buffers see the handshake alone.
	w.options.ReadBufferSize, w.options.WriteBufferSize = 4<<10, 4<<10
	return w
}

var errSecondDial = errors.New("store: a wire has one connection")

// dial makes the connection.
func (w *wire) dial(ctx context.Context) error {
	var conn net.Conn
	var once sync.Mutex
	o := w.options
	dialer := o.Dialer
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		once.Lock()
		defer once.Unlock()
		if conn != nil {
			return nil, errSecondDial
		}
		c, err := dialer(ctx, network, addr)
		if err == nil {
			c = socket.Direct(c)
			conn = c
		}
		return c, err
	}
	client := redis.NewClient(&o)
	// It stays with this Conn until the client is closed.
	if err := client.Conn().Ping(ctx).Err(); err != nil {
		return errors.Join(err, client.Close())
	}
	w.state.Lock()
	defer w.state.Unlock()
	if w.closed {
		return errors.Join(redis.ErrClosed, client.Close())
	}
	once.Lock()
	defer once.Unlock()
	w.conn, w.client = conn, client
	w.in = replies{src: conn, buf: w.in.buf}
	return nil
}

// drop ends the connection, of which nobody knows any more what comes next.
func (w *wire) drop() {
	w.state.Lock()
	defer w.state.Unlock()
	if w.client != nil {
		_ = errors.Join(w.conn.Close(), w.client.Close()) // nothing is lost with them
	}
	w.conn, w.client = nil, nil
}

func (w *wire) close() error {
	w.state.Lock()
	defer w.state.Unlock()
	w.closed = true
	if w.client == nil {
		return nil
	}
	err := w.client.Close()
	_ = w.conn.Close() // most likely closed with the client
	return err
}

// exchange is that of carrier. One at a time has the wire.
func (w *wire) exchange(ctx context.Context, p *program) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	w.state.Lock()
	conn, closed := w.conn, w.closed
	w.state.Unlock()
	if closed {
		return redis.ErrClosed
	}
	if conn == nil {
		if err := w.dial(ctx); err != nil {
			return err
		}
		conn = w.conn
	}
	waits := p.replicated && p.last != ""
	if waits {
		w.mark(p)
	}
	err := w.send(ctx, conn, p)
	if err == nil {
		err = w.receive(p, waits)
	}
	if err != nil && !errors.Is(err, errNotReplicated) {
		w.drop()
	}
	return err
}

func (w *wire) deadline(ctx context.Context) time.Time { return w.before(ctx, time.Now()) }

// before is the end of an exchange that begins now.
func (w *wire) before(ctx context.Context, now time.Time) time.Time {
	at := now.Add(w.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(at) {
		return d
	}
	return at
}

func (w *wire) send(ctx context.Context, conn net.Conn, p *program) error {
	if err := conn.SetDeadline(w.deadline(ctx)); err != nil {
		return err
	}
	at := 0
	for _, c := range p.cuts {
		if _, err := conn.Write(p.buf[at:c.at]); err != nil {
			return err
		}
		if _, err := conn.Write(c.text); err != nil {
			return err
		}
		at = c.at
	}
	if _, err := conn.Write(p.buf[at:]); err != nil {
		return err
	}
	return conn.SetReadDeadline(w.deadline(ctx))
}

// receive reads the replies. Once one of them is missing the others are too.
func (w *wire) receive(p *program, waits bool) error {
	for i := range p.sinks {
		r, err := w.in.next()
		if err != nil {
			return err
		}
		p.take(i, r)
	}
	if waits {
		mark, err := w.in.next()
		if err != nil {
			return err
		}
		marked := mark.err == nil
		got, err := w.in.next()
		if err != nil {
			return err
		}
		if got.err != nil || got.n < 1 || !marked {
			return errNotReplicated
		}
	}
	if !w.in.idle() {
		return errReply
	}
	return nil
}

// mark appends to a program what waitHook adds to a pipeline.
func (w *wire) mark(p *program) {
	p.call(5, "set")
	arg(p, "{"+tagOf(p.last)+"}:w")
	arg(p, "")
	arg(p, "px")
	arg(p, markLife)
	p.call(3, "wait")
	arg(p, "1")
	arg(p, w.wait)
}
