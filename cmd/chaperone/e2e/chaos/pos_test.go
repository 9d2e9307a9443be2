package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pos makes sales as tills do: it takes any proxy that answers, repeats the same
// body under the same key after a timeout, a fault, a lost connection or a 409,
// and never gives up.
type pos struct {
	proxies []string // URLs
	client  *http.Client
	gate    chan struct{} // bounds the requests on their way
	over    chan struct{} // closed: an operator is at work, and the tills ask each second
	tills   sync.WaitGroup
	counts  counts
	books   *books
}

// posTimeout is how long a till waits for an answer.
const posTimeout = 8 * time.Second

func newPOS(proxies []string, b *books) *pos {
	return &pos{
		proxies: proxies, books: b, gate: make(chan struct{}, 256), over: make(chan struct{}),
		client: &http.Client{Timeout: posTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}},
	}
}

// sell makes a sale and returns at once.
func (p *pos) sell(s *sale) {
	p.tills.Add(1)
	go func() {
		defer p.tills.Done()
		if s.double && !s.route.sticky {
			var twice sync.WaitGroup
			twice.Go(func() { p.try(s, 0) })
			p.try(s, 1)
			twice.Wait()
		}
		for n := s.n; ; n++ {
			wait := p.try(s, n)
			if wait == 0 {
				return
			}
			select {
			case <-p.over:
				time.Sleep(min(wait, time.Second))
			case <-time.After(wait):
			}
		}
	}()
}

// try sends a sale once. It returns how long the till waits until the next
// time, 0 where the sale is decided.
func (p *pos) try(s *sale, n int) (wait time.Duration) {
	p.gate <- struct{}{}
	defer func() { <-p.gate }()
	s.mu.Lock()
	card, patience := s.card, s.impatient
	s.impatient = 0
	s.tries++
	told := s.told
	s.mu.Unlock()
	if told != "" {
		return 0
	}
	ctx := context.Background()
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	if s.route.sticky {
		n = s.n
	}
	a, err := p.post(ctx, p.proxies[n%len(p.proxies)]+s.route.path, s.body(card))
	if err != nil {
		p.counts.add("no answer")
		s.note("no answer", "")
		return 100*time.Millisecond + rand.N(900*time.Millisecond)
	}
	return p.told(s, card, a)
}

type reply struct {
	status                 int
	outcome, code, request string
	retryAfter             time.Duration
	replayed               bool
	body                   string
}

func (p *pos) post(ctx context.Context, url, body string) (a reply, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+frontDesk)
	resp, err := p.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	a = reply{status: resp.StatusCode, outcome: resp.Header.Get("Chaperone-Outcome"), request: resp.Header.Get("Chaperone-Request-Id"),
		code: resp.Header.Get("Chaperone-Reason"), replayed: resp.Header.Get("Chaperone-Replayed") != "", body: string(b)}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		a.retryAfter = time.Duration(seconds) * time.Second
	}
	var problem struct{ Code string }
	if resp.Header.Get("Content-Type") == "application/problem+json" && json.Unmarshal(b, &problem) == nil {
		a.code = problem.Code
	}
	return a, nil
}

// told does what a till does with an answer.
func (p *pos) told(s *sale, card int, a reply) (wait time.Duration) {
	what := fmt.Sprint(a.status)
	if a.code != "" {
		what += " " + a.code
	} else if a.outcome != "" {
		what += " " + a.outcome
	}
	if a.replayed {
		what += " (repeat)"
	}
	p.counts.add(what)
	s.note(what, a.request)
	soon := 100*time.Millisecond + rand.N(900*time.Millisecond)
	switch {
	case a.outcome == "released":
		p.released(s, a)
		return 0
	case a.outcome == "cancelled" && a.status == 402:
		return s.declined(card)
	case a.status == 409 && a.code == "answer_forgotten":
		// An operator has resolved it as charged.
		p.released(s, a)
		return 0
	case a.status == 409 && a.code == "in_doubt":
		return a.retryAfter + rand.N(5*time.Second)
	case a.status == 409:
		return a.retryAfter + soon
	case a.status/100 == 5, a.status == 200 && a.outcome == "unknown":
		return soon
	case a.status == 422 && a.code == "body_differs" && card > 0:
		// The outcome of the first card is not stored yet.
		return soon
	case a.status == 429:
		return soon
	}
	s.blame("the POS got %s: %s", what, a.body)
	return 0
}

// note keeps what a till was answered.
func (s *sale) note(what, request string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubted = what == "409 in_doubt"
	s.codes = append(s.codes, time.Now().Format("15:04:05.000 ")+what)
	if request != "" {
		s.requests = append(s.requests, request)
	}
}

// released notes that the till was told so. Some of what was sold comes back.
func (p *pos) released(s *sale, a reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == "" && s.route.refunds != nil && s.n%3 == 0 {
		back := s.refund()
		p.books.open(back)
		p.sell(back)
	}
	if s.told == "cancelled" {
		s.wrong = append(s.wrong, "the POS was told cancelled, and then released")
	}
	s.told = "released"
	if a.status != 200 || a.code != "" {
		return // without a body, or with one that is withheld
	}
	if s.answer == "" {
		s.answer = a.body
	}
	if s.answer != a.body {
		s.wrong = append(s.wrong, "the POS got two answers for one sale")
	}
}

// declined takes the next card, if the patient has one.
func (s *sale) declined(card int) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told != "" {
		return 0
	}
	if card+1 < len(s.pans) {
		s.card = max(s.card, card+1)
		return time.Millisecond
	}
	s.told = "cancelled"
	return 0
}

// counts counts by name. It is safe for concurrent use.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[name]++
}

func (c *counts) get(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[name]
}
