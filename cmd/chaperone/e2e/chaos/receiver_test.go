package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// mood says how a receiver treats its requests, each with a chance.
type mood struct {
	slow       time.Duration // at most, before it acts
	refuse     float64       // 503 without acting
	after5xx   float64       // 502 after acting
	hang       float64       // acts and does not answer
	drop       float64       // acts and closes
	truncate   float64       // acts and answers half
	unreadable float64       // acts and answers what is no JSON
}

// receiver stands in for one destination. It remembers every key and body.
type receiver struct {
	*httptest.Server
	name  string
	keyed bool // it knows a repeat by its key
	books *books

	busy atomic.Int64 // requests on which it has yet to act

	mu    sync.Mutex
	mood  mood
	rng   *rand.Rand
	byKey map[string]*delivery
	has   map[*sale]bool // those whose leg it has acted on
	torn  []part         // of requests that did not arrive whole
}

// part is what arrived of a request.
type part struct {
	key  string
	body []byte
}

// delivery is what a receiver saw under one key.
type delivery struct {
	sale  *sale
	body  []byte
	calls int
	acted int // times that it did what was asked; with a keyed receiver at most once
	log   []string
}

func newReceiver(name string, keyed bool, b *books, seed uint64) *receiver {
	r := &receiver{name: name, keyed: keyed, books: b, rng: rand.New(rand.NewPCG(seed, uint64(len(name)))),
		byKey: map[string]*delivery{}, has: map[*sale]bool{}}
	r.Server = httptest.NewServer(r)
	return r
}

func (r *receiver) feel(m mood) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mood = m
}

// ServeHTTP takes one request, acts on it or not, and answers or not.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.busy.Add(1)
	key := req.Header.Get("Idempotency-Key")
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.mu.Lock()
		r.torn = append(r.torn, part{key, body})
		r.mu.Unlock()
		r.busy.Add(-1)
		return
	}
	r.mu.Lock()
	m, dice := r.mood, r.rng.Float64()
	slow := time.Duration(0)
	if m.slow > 0 {
		slow = time.Duration(r.rng.Int64N(int64(m.slow)))
	}
	r.mu.Unlock()
	time.Sleep(slow)
	how := m.draw(dice)
	s, declined := r.take(key, body, how)
	r.busy.Add(-1)
	switch how {
	case "refuse":
		answer(w, 503, `{"error":"try again"}`)
		return
	case "after5xx":
		answer(w, 502, `{"error":"oops"}`)
		return
	case "hang":
		select {
		case <-req.Context().Done():
		case <-time.After(20 * time.Second):
		}
		panic(http.ErrAbortHandler)
	case "drop":
		panic(http.ErrAbortHandler)
	case "unreadable":
		answer(w, 200, `{"status": appr`)
		return
	}
	status, text := 201, `{"id":"ok"}`
	if r.charges() {
		status, text = 200, fmt.Sprintf(`{"status":"approved","id":"ch_%s","total":%d}`, spell(uint64(s.n), 9), s.total())
		if declined {
			status, text = 402, `{"status":"declined"}`
		}
	}
	if how == "truncate" {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text[:len(text)/2])
		panic(http.ErrAbortHandler)
	}
	answer(w, status, text)
}

func (m mood) draw(dice float64) string {
	for _, c := range []struct {
		chance float64
		how    string
	}{{m.refuse, "refuse"}, {m.after5xx, "after5xx"}, {m.hang, "hang"}, {m.drop, "drop"}, {m.truncate, "truncate"}, {m.unreadable, "unreadable"}} {
		if dice < c.chance {
			return c.how
		}
		dice -= c.chance
	}
	return "answer"
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// charges says whether it is a processor.
func (r *receiver) charges() bool { return r.name != "record" && r.name != "ledger" }

// take notes a request, judges what it holds, and acts on it.
func (r *receiver) take(key string, body []byte, how string) (s *sale, declined bool) {
	s, declined = r.judge(body)
	if key == "" {
		s.blame("%s got a request without a key", r.name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.byKey[key]
	if d == nil {
		d = &delivery{sale: s, body: body}
		r.byKey[key] = d
	}
	d.calls++
	d.log = append(d.log, time.Now().Format("15:04:05.000 ")+how)
	if !bytes.Equal(d.body, body) {
		s.blame("%s got two bodies under one key", r.name)
	}
	if how == "refuse" || declined {
		return s, declined
	}
	if s.of != nil && !r.charges() && !r.has[s.of] {
		s.blame("%s got the refund before its sale", r.name)
	}
	r.has[s] = true
	if d.acted == 0 || !r.keyed {
		d.acted++
		if r.charges() {
			r.books.charge(s)
		}
	}
	return s, declined
}

// judge finds the sale of a request and holds the body against what the
// receiver may see.
func (r *receiver) judge(body []byte) (s *sale, declined bool) {
	s, doc := r.books.find(r, body)
	text := string(body)
	if s.of != nil {
		r.judgeRefund(s, doc, text)
		return s, false
	}
	for what, secret := range map[string]string{"patient": s.patient, "treatment": s.treatment, "cream": s.cream, "security code": s.cvv} {
		allowed := r.charges() && r.name != "wallet" && what == "security code" || r.name == "record" && (what == "patient" || what == "treatment") || r.name == "ledger" && what == "cream"
		if !allowed && strings.Contains(text, secret) {
			s.blame("%s sees the %s", r.name, what)
		}
	}
	if strings.Contains(text, s.id) {
		s.blame("%s sees the transaction id itself", r.name)
	}
	card := ""
	for _, p := range s.pans {
		if strings.Contains(text, p) {
			card = p
		}
	}
	want := map[string]int{"total": s.total()}
	switch r.name {
	case "record":
		want = map[string]int{"subtotal": s.clinical, "tax": 0, "tip": s.tip, "discount": 0, "total": s.clinical + s.tip}
	case "ledger":
		want = map[string]int{"subtotal": s.retail, "tax": s.tax, "tip": 0, "discount": 0, "total": s.retail + s.tax}
	}
	got, _ := json.Marshal(doc.Totals)
	if expected, _ := json.Marshal(want); !bytes.Equal(got, expected) {
		s.blame("%s: totals %s, want %s", r.name, got, expected)
	}
	if r.charges() {
		if card == "" {
			s.blame("%s got no card number", r.name)
		}
		return s, strings.HasPrefix(card, "5")
	}
	if card != "" {
		s.blame("%s sees the card number", r.name)
	}
	if r.books.charged(s) == 0 {
		s.blame("%s got a leg of a sale that was not charged", r.name)
	}
	if (r.name == "record" && s.clinical == 0) || (r.name == "ledger" && s.retail == 0) {
		s.blame("%s got a leg without an item of its class", r.name)
	}
	return s, false
}

// judgeRefund holds what a receiver got of a refund against its share of the
// sale.
func (r *receiver) judgeRefund(s *sale, doc document, text string) {
	if strings.Contains(text, s.id) || strings.Contains(text, s.of.id) {
		s.blame("%s sees a transaction id itself", r.name)
	}
	class := map[string]int{"record": s.clinical, "ledger": s.retail}[r.name]
	least := s.part(class)
	most := least + 1
	if r.charges() {
		least, most = s.amount, s.amount
	} else if class == 0 {
		s.blame("%s got a leg of a refund that is none of its class", r.name)
	} else if r.books.charged(s) == 0 {
		s.blame("%s got a leg of a refund that was not made", r.name)
	}
	if doc.Amount < least || doc.Amount > most {
		s.blame("%s: %d of a refund of %d, want %d", r.name, doc.Amount, s.amount, least)
	}
	r.books.parts(s, r.name, doc.Amount)
}

// document is what all bodies have in common.
type document struct {
	Items []struct {
		Name string `json:"name"`
	} `json:"items"`
	Payment struct {
		Card struct {
			Number string `json:"number"`
		} `json:"card"`
	} `json:"payment"`
	Totals map[string]int `json:"totals"`
	Memo   string         `json:"memo"`
	Amount int            `json:"amount"`
}
