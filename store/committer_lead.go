package store

import (
	"context"
	"time"
)

// Where no batch is in flight, the caller of Commit writes one itself, of its own
// unit and of what came in with it, and waits for the reply: two switches of
// goroutines less, which is a quarter of what a request costs a proxy that has
// little to do. It does so only where all goes well. Whatever takes long or goes
// wrong is left to the writing goroutine, for the caller has a deadline.

const (
	// What one caller writes for itself and for others, which is sure to fit into
	// a socket's buffer.
	leadUnits = 16
	leadBytes = 16 << 10
)

// beginner is a driver that can part the sending of a batch from the wait for
// its reply.
type beginner interface {
	// begin sends a small batch to the masters of its generation. It gives nil
	// where Write has to do that, and never waits. Until await of what it gives
	// has been true, or finish has returned, Write must not be called, nor begin.
	begin(ctx context.Context, b *Batch) begun
	// hurry ends an await of a batch that was begun before a time. It may be called
	// at any time.
	hurry(before time.Time)
}

// begun is a batch that was sent. One goroutine at a time has it.
type begun interface {
	// await waits for the reply, and reports whether the batch was acknowledged
	// with nothing left to ask. If not, finish has to be called: the reply was late,
	// the connection broke, or there is more to it.
	await() bool
	// finish waits for what is missing, and returns what Write would.
	finish(ctx context.Context) error
}

// lead writes a batch, if nobody else is about to. Something is in the queue.
func (c *Committer) lead() {
	if c.early == nil {
		c.poke()
		return
	}
	select {
	case c.turn <- struct{}{}:
	default:
		return // who has the turn looks at the queue when he passes it on
	}
	if k := &c.kept; k.recent == nil || k.generation == "" || k.stale || k.caught || c.moved() {
		c.poke()
		<-c.turn
		return
	}
	b := &c.out
	if c.next(b, leadUnits, leadBytes) {
		b.Generation = c.kept.generation
		p := c.early.begin(c.ctx, &b.Batch)
		if p == nil || !p.await() {
			c.handed <- p
			return
		}
		c.remember(b)
		c.acknowledged(b, true)
	}
	c.pass()
}

// awaitTurn waits until there is something to write, or another beat, and then
// for the turn, which may have been handed over with a batch; p is what was begun
// of that. It is not ok when the committer ends.
func (c *Committer) awaitTurn(beat <-chan time.Time) (p begun, handed, ok bool) {
	select {
	case <-c.wake:
	case <-beat:
	case p = <-c.handed:
		return p, true, true
	case <-c.ctx.Done():
		return nil, false, false
	}
	select {
	case c.turn <- struct{}{}:
		return nil, false, true
	case p = <-c.handed:
		return p, true, true
	case <-c.ctx.Done():
		return nil, false, false
	}
}

// pass gives the turn back. What came in meanwhile found it taken, and is for the
// writing goroutine.
func (c *Committer) pass() {
	<-c.turn
	c.mu.Lock()
	more := len(c.queue) > 0
	c.mu.Unlock()
	if more {
		c.poke()
	}
}

// hurry has a caller that leads since before a time leave the rest to the writing
// goroutine.
func (c *Committer) hurry(before time.Time) {
	if c.early != nil {
		c.early.hurry(before)
	}
}
