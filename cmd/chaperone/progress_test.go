package main

import (
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	p := &progress{what: "verifying the log", noun: "entries"}
	if got := p.line(2500 * time.Millisecond); got != "verifying the log: 2s" {
		t.Errorf("before anything is counted: %q", got)
	}
	p.add(1000)
	p.add(500)
	if got := p.line(3 * time.Second); got != "verifying the log: 1500 entries, 500 a second" {
		t.Errorf("got %q", got)
	}
}

func TestProgressSaysNothingIntoPipes(t *testing.T) {
	var out, said strings.Builder
	p := (&app{out: &out, err: &said}).progress("reading", "lines", false)
	p.add(1)
	if p.done(); out.Len()+said.Len() > 0 || p.stop != nil {
		t.Errorf("said %q", said.String())
	}
}

// TestProgressLeavesNoLine draws once, and takes the line off again.
func TestProgressLeavesNoLine(t *testing.T) {
	drawn := &onceDrawn{first: make(chan struct{})}
	p := &progress{w: drawn, what: "reading", noun: "lines", began: time.Now(), stop: make(chan struct{}), ended: make(chan struct{})}
	go p.run()
	<-drawn.first
	p.done()
	if got := drawn.text.String(); !strings.HasPrefix(got, "\rreading: ") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("wrote %q", got)
	}
}

// onceDrawn keeps what is written, and tells of the first time.
type onceDrawn struct {
	text  strings.Builder
	first chan struct{}
}

func (s *onceDrawn) Write(b []byte) (int, error) {
	if s.text.Len() == 0 {
		defer close(s.first)
	}
	return s.text.Write(b)
}
