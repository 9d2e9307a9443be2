package chaos

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// relay carries TCP between a client and a server, and can be told to do it
// badly. It is safe for concurrent use.
type relay struct {
	addr   string // where clients dial
	target string

	mu       sync.Mutex
	listener net.Listener
	pairs    map[*pair]struct{}
	gate     chan struct{} // closed: bytes pass
	delay    time.Duration // before each piece
	cutAfter int           // bytes after which a connection is cut; 0: none is
}

// pair is one connection and its continuation.
type pair struct {
	in, out net.Conn
	left    int // bytes until it is cut; below 0: it is not. Guarded by mu
	mu      sync.Mutex
}

func newRelay(addr, target string) (*relay, error) {
	open := make(chan struct{})
	close(open)
	r := &relay{addr: addr, target: target, pairs: map[*pair]struct{}{}, gate: open}
	return r, r.listen()
}

func (r *relay) listen() error {
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	go r.accept(l)
	return nil
}

func (r *relay) accept(l net.Listener) {
	for {
		in, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go r.carry(in)
	}
}

// carry dials on and carries both directions until one ends. A client of a
// server that is not there is reset.
func (r *relay) carry(in net.Conn) {
	<-r.open()
	out, err := net.DialTimeout("tcp", r.target, 2*time.Second)
	if err != nil {
		reset(in)
		return
	}
	p := &pair{in: in, out: out, left: -1}
	r.mu.Lock()
	if r.cutAfter > 0 {
		p.left = 1 + rand.N(r.cutAfter)
	}
	r.pairs[p] = struct{}{}
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.pump(p, in, out) })
	both.Go(func() { r.pump(p, out, in) })
	both.Wait()
	r.mu.Lock()
	delete(r.pairs, p)
	r.mu.Unlock()
}

// pump carries one direction, piece by piece.
func (r *relay) pump(p *pair, from, to net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			<-r.open()
			r.mu.Lock()
			delay := r.delay
			r.mu.Unlock()
			time.Sleep(delay)
			take, cut := p.take(n)
			_, werr := to.Write(buf[:take])
			if cut {
				p.cut()
				return
			}
			if err == nil {
				err = werr
			}
		}
		if err != nil {
			// The end of one direction ends both: neither side of ours closes
			// by halves.
			_ = p.in.Close()
			_ = p.out.Close()
			return
		}
	}
}

// take says how many of n bytes still pass, and whether that was the last.
func (p *pair) take(n int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < 0 {
		return n, false
	}
	if n < p.left {
		p.left -= n
		return n, false
	}
	n, p.left = p.left, 0
	return n, true
}

// cut resets both sides.
func (p *pair) cut() {
	reset(p.in)
	reset(p.out)
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (r *relay) open() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gate
}

// cut resets every connection, in the middle of whatever it carries.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		p.cut()
	}
}

// cutting cuts each connection after at most n bytes more; 0 ends it.
func (r *relay) cutting(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutAfter = n
	for p := range r.pairs {
		p.mu.Lock()
		p.left = -1
		if n > 0 {
			p.left = 1 + rand.N(n)
		}
		p.mu.Unlock()
	}
}

// hold stops carrying: connections stay, bytes do not move. pass goes on.
func (r *relay) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = make(chan struct{})
}

func (r *relay) pass() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.gate)
}

// slow delays each piece.
func (r *relay) slow(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = d
}

// refuse closes the port and every connection; listen opens it again.
func (r *relay) refuse() {
	r.mu.Lock()
	l := r.listener
	r.mu.Unlock()
	_ = l.Close()
	r.cut()
}

// close ends the relay.
func (r *relay) close() { r.refuse() }
