package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// load is what one turn of one subject sends.
type load struct {
	address     string
	path        string
	key         string // of the caller; empty for none
	connections int
	duration    time.Duration
	rate        float64 // requests a second over all connections; 0: as many as are answered
	turn        int     // distinguishes the ids of this turn from those of all others
}

// sent is what came of a load.
type sent struct {
	requests  int
	failed    int
	failure   string // the first one's status, for the report
	took      time.Duration
	latencies []time.Duration // of the requests that did not fail, sorted
}

// drive sends requests on every connection, one after the other, until the
// duration is over, or at a rate until all that belong to it are answered. Every
// request has an id of its own.
func drive(ctx context.Context, l load) (sent, error) {
	var tickets chan time.Time
	if l.rate > 0 {
		tickets = make(chan time.Time, max(int(l.rate*l.duration.Seconds()), 1))
	}
	workers := make([]*worker, l.connections)
	for i := range workers {
		c, err := net.DialTimeout("tcp", l.address, 5*time.Second)
		if err != nil {
			return sent{}, fmt.Errorf("connecting: %w", err)
		}
		defer c.Close()
		workers[i] = newWorker(c, l, i)
		workers[i].tickets = tickets
	}
	start := time.Now()
	over, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	var wg sync.WaitGroup
	if tickets != nil {
		wg.Go(func() { pace(ctx, l.rate, tickets) })
	}
	for _, w := range workers {
		wg.Go(func() { w.run(over) })
	}
	wg.Wait()
	all := sent{took: time.Since(start)}
	for _, w := range workers {
		if w.err != nil {
			return sent{}, w.err
		}
		all.requests += len(w.latencies)
		all.failed += w.failed
		if all.failure == "" {
			all.failure = w.failure
		}
		all.latencies = append(all.latencies, w.latencies...)
	}
	slices.Sort(all.latencies)
	return all, nil
}

// quantile returns the latency below which percent of the requests are.
func (s *sent) quantile(percent int) time.Duration {
	if len(s.latencies) == 0 {
		return 0
	}
	return s.latencies[min(len(s.latencies)-1, len(s.latencies)*percent/100)]
}

// pace fills tickets at a steady rate, whether or not anybody is free to take
// them: a server that stalls makes requests wait, and their latency says so. Their
// number is settled by the room in tickets, not by the clock, and an overslept one
// is issued late.
// Each ticket bears the time at which it was issued, so that the driver's own
// oversleeping is not counted.
func pace(ctx context.Context, rate float64, tickets chan<- time.Time) {
	defer close(tickets)
	// The runtime's timers are as coarse as a millisecond; a thread's are not.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	interval := time.Duration(float64(time.Second) / rate)
	next := time.Now()
	for range cap(tickets) {
		if ctx.Err() != nil {
			return
		}
		if d := time.Until(next); d > 0 {
			pause(d)
		}
		tickets <- time.Now()
		next = next.Add(interval)
	}
}

// worker is one connection.
type worker struct {
	conn      net.Conn
	reader    *bufio.Reader
	request   []byte           // head and body; the id in it is overwritten each time
	id        []byte           // the place of the id in request
	tickets   <-chan time.Time // nil: send as soon as the last answer is there
	latencies []time.Duration
	failed    int
	failure   string
	err       error
}

func newWorker(c net.Conn, l load, n int) *worker {
	body := bytes.Clone(basket)
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", l.path, l.address, len(body))
	if l.key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", l.key)
	}
	b.WriteString("\r\n")
	at := b.Len() + bytes.Index(body, []byte(idPlace))
	b.Write(body)
	w := &worker{conn: c, reader: bufio.NewReaderSize(c, 8192), request: b.Bytes(), latencies: make([]time.Duration, 0, 1<<14)}
	w.id = w.request[at : at+len(idPlace)]
	// Letters: turn, connection, then a counter.
	letters(w.id[:3], l.turn)
	letters(w.id[3:6], n)
	return w
}

// letters writes n in base 26 into all of b.
func letters(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = 'A' + byte(n%26)
		n /= 26
	}
}

// run sends until the context ends, but at least once, or until there are no
// more tickets. An answer that is late by far ends it with an error.
func (w *worker) run(ctx context.Context) {
	response := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(response)
	for n := 0; ; n++ {
		start := time.Now()
		if w.tickets != nil {
			var more bool
			if start, more = <-w.tickets; !more {
				return
			}
		} else if n > 0 && ctx.Err() != nil {
			return
		}
		letters(w.id[6:], n)
		if w.err = w.exchange(response); w.err != nil {
			return
		}
		if status := response.StatusCode(); status != fasthttp.StatusOK {
			w.failed++
			if w.failure == "" {
				w.failure = fmt.Sprintf("status %d: %.200s", status, response.Body())
			}
			continue
		}
		w.latencies = append(w.latencies, time.Since(start))
	}
}

// exchange sends the request and reads its answer.
func (w *worker) exchange(response *fasthttp.Response) error {
	if err := w.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := w.conn.Write(w.request); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if err := response.Read(w.reader); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	return nil
}
