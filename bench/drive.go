package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
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
	turn        int // distinguishes the ids of this turn from those of all others
}

// sent is what came of a load.
type sent struct {
	requests  int
	failed    int
	failure   string // the first one's status, for the report
	took      time.Duration
	latencies []time.Duration // of the requests that did not fail
}

// drive sends requests on every connection, one after the other, until the
// duration is over or the context ends. Every request has an id of its own.
func drive(ctx context.Context, l load) (sent, error) {
	ctx, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	workers := make([]*worker, l.connections)
	for i := range workers {
		c, err := net.DialTimeout("tcp", l.address, 5*time.Second)
		if err != nil {
			return sent{}, fmt.Errorf("connecting: %w", err)
		}
		defer c.Close()
		workers[i] = newWorker(c, l, i)
	}
	start := time.Now()
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.run(ctx) })
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
	return all, nil
}

// worker is one connection.
type worker struct {
	conn      net.Conn
	reader    *bufio.Reader
	request   []byte // head and body; the id in it is overwritten each time
	id        []byte // the place of the id in request
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

// run sends until the context ends, but at least once. An answer that is late
// by far ends it with an error.
func (w *worker) run(ctx context.Context) {
	response := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(response)
	for n := 0; n == 0 || ctx.Err() == nil; n++ {
		letters(w.id[6:], n)
		start := time.Now()
		if w.err = w.conn.SetDeadline(start.Add(30 * time.Second)); w.err != nil {
			return
		}
		if _, err := w.conn.Write(w.request); err != nil {
			w.err = fmt.Errorf("sending: %w", err)
			return
		}
		if err := response.Read(w.reader); err != nil {
			w.err = fmt.Errorf("reading an answer: %w", err)
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
