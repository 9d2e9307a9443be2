package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"chaperone/audit"
)

// progress says on a terminal how far a long work is: what it is, for how long
// or how much, and how fast. A zero progress says nothing.
type progress struct {
	w     io.Writer
	what  string // "verifying the log"
	noun  string // what is counted, in the plural
	began time.Time
	count atomic.Int64
	stop  chan struct{} // closed by done
	ended chan struct{} // closed when nothing is written any more
}

// progressEvery is how often the line is drawn anew.
const progressEvery = time.Second / 4

// progress begins to say how far a work is, on stderr and only on a terminal.
// Where the work prints as it goes, lines says so: then stdout must not be the
// same terminal. The caller ends it with done.
func (a *app) progress(what, noun string, lines bool) *progress {
	if !isTerminal(a.err) || lines && isTerminal(a.out) {
		return &progress{}
	}
	p := &progress{w: a.err, what: what, noun: noun, began: time.Now(), stop: make(chan struct{}), ended: make(chan struct{})}
	go p.run()
	return p
}

func (p *progress) run() {
	defer close(p.ended)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	shown := false
	for {
		select {
		case now := <-tick.C:
			shown = true
			_, _ = fmt.Fprintf(p.w, "\r%s\x1b[K", p.line(now.Sub(p.began)))
		case <-p.stop:
			if shown {
				_, _ = io.WriteString(p.w, "\r\x1b[K")
			}
			return
		}
	}
}

// line is what is shown after some time.
func (p *progress) line(took time.Duration) string {
	n := p.count.Load()
	if n == 0 || took <= 0 {
		return fmt.Sprintf("%s: %s", p.what, took.Truncate(time.Second))
	}
	return fmt.Sprintf("%s: %d %s, %.0f a second", p.what, n, p.noun, float64(n)/took.Seconds())
}

// add counts; safe for concurrent use.
func (p *progress) add(n int) { p.count.Add(int64(n)) }

// done takes the line off the terminal. Nothing is written afterwards.
func (p *progress) done() {
	if p.stop != nil {
		close(p.stop)
		<-p.ended
	}
}

// counted is a log whose records are counted as they are read.
type counted struct {
	audit.Source
	seen *progress
}

// Records implements audit.Source.
func (c counted) Records(ctx context.Context, chain string, from uint64, limit int) ([]audit.Record, error) {
	records, err := c.Source.Records(ctx, chain, from, limit)
	c.seen.add(len(records))
	return records, err
}

// countReads lets a reading of files count what it reads; a running proxy does
// not say how far it is.
func countReads(r reading, p *progress) {
	if f, ok := r.(*files); ok {
		f.log.Source = counted{f.log.Source, p}
	}
}
