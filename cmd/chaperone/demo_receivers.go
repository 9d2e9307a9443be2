package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// receiver is a stand-in for a downstream system of the demo, on loopback. It answers as such a system would, honours Idempotency-Key,
// and remembers what it was sent. Safe for concurrent use.
type receiver struct {
	name   string
	answer func(body []byte) (status int, answer any)
	server *http.Server
	ended  chan struct{}
	url    string

	mu       sync.Mutex
	received []delivery
	answers  map[string]answered // by Idempotency-Key
	changed  chan struct{}       // closed and replaced at each arrival
	notify   func(delivery)      // called outside the lock
}

// delivery is one call that a receiver got.
type delivery struct {
	path string
	body []byte
}

type answered struct {
	status int
	body   []byte
}

// maxReceived bounds a body that a receiver reads: far more than the demo
// sends, and no way to fill the machine's memory.
const maxReceived = 8 << 20

// anyPort is an address for a receiver that whoever started it asks for.
const anyPort = "127.0.0.1:0"

// startReceiver serves at a loopback address until close is called.
func startReceiver(name, address string, answer func([]byte) (int, any)) (*receiver, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the stand-in %s cannot listen: %w", name, err)
	}
	r := &receiver{
		name: name, answer: answer, url: "http://" + l.Addr().String(),
		notify: func(delivery) {}, answers: map[string]answered{}, changed: make(chan struct{}), ended: make(chan struct{}),
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() {
		defer close(r.ended)
		// Serve always returns an error: here it is that the server was closed.
		_ = r.server.Serve(l)
	}()
	return r, nil
}

// close ends the receiver and waits for it.
func (r *receiver) close() {
	_ = r.server.Close()
	<-r.ended
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxReceived))
	if err != nil || !json.Valid(body) {
		writeAnswer(w, http.StatusBadRequest, []byte(`{"status":"rejected","reason":"not JSON"}`))
		return
	}
	d := delivery{path: req.URL.Path, body: body}
	a, notify := r.take(req.Header.Get("Idempotency-Key"), d)
	notify(d)
	writeAnswer(w, a.status, a.body)
}

// take notes a delivery and gives its answer: a key that was seen before gets
// the first answer again, which is what makes at least once good enough.
func (r *receiver) take(key string, d delivery) (answered, func(delivery)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, seen := r.answers[key]; seen && key != "" {
		return a, func(delivery) {}
	}
	status, v := r.answer(d.body)
	// The answers are strings and numbers: they always marshal.
	body, _ := json.Marshal(v)
	a := answered{status, body}
	r.answers[key] = a
	r.received = append(r.received, d)
	close(r.changed)
	r.changed = make(chan struct{})
	return a, r.notify
}

// watch has every further distinct call shown.
func (r *receiver) watch(notify func(delivery)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notify = notify
}

func writeAnswer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// count returns how many distinct calls have arrived.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.received)
}

// errNotDelivered says that a call was waited for in vain.
var errNotDelivered = errors.New("not delivered in time")

// wait returns the call number n, counted from 0, as soon as it is there.
func (r *receiver) wait(ctx context.Context, n int) (delivery, error) {
	for {
		r.mu.Lock()
		received, changed := r.received, r.changed
		r.mu.Unlock()
		if n < len(received) {
			return received[n], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return delivery{}, errNotDelivered
		}
	}
}

// answerProcessor answers as a card processor: it needs a card number and an
// amount, declines the usual test card, and names the sale by the reference
// that it was given.
func answerProcessor(body []byte) (int, any) {
	card := gjson.GetBytes(body, "payment.card.number").String()
	total := gjson.GetBytes(body, "totals.total")
	if len(card) < 12 || !total.Exists() {
		return http.StatusUnprocessableEntity, map[string]any{"status": "error", "reason": "card and amount are required"}
	}
	a := charge{
		ID: "pay_" + receipt(), Status: "approved",
		TransactionID: gjson.GetBytes(body, "transaction_id").String(),
		Amount:        json.RawMessage(total.Raw), Currency: gjson.GetBytes(body, "currency").String(),
		AuthCode: receipt()[:6],
	}
	a.Card.Number, a.Card.Last4, a.Card.Brand = card, card[len(card)-4:], brand(card)
	if card == declinedCard {
		a.Status, a.AuthCode, a.Reason = "declined", "", "insufficient_funds"
		return http.StatusPaymentRequired, a
	}
	return http.StatusOK, a
}

// charge is what a processor says of a sale, the card number included: many
// do, and the proxy has to see to it.
type charge struct {
	ID            string          `json:"id"`
	Status        string          `json:"status"`
	TransactionID string          `json:"transaction_id"`
	Amount        json.RawMessage `json:"amount"`
	Currency      string          `json:"currency"`
	AuthCode      string          `json:"auth_code,omitempty"`
	Reason        string          `json:"reason,omitempty"`
	Card          struct {
		Number string `json:"number"`
		Brand  string `json:"brand"`
		Last4  string `json:"last4"`
	} `json:"card"`
}

func answerEHR([]byte) (int, any) {
	return http.StatusCreated, map[string]any{"status": "filed", "encounter": "enc_" + receipt()}
}

func answerLedger([]byte) (int, any) {
	return http.StatusCreated, map[string]any{"status": "posted", "entry": "gl_" + receipt()}
}

// receipt is a random reference without digits: a run of digits could look
// like a card number.
func receipt() string {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	b := make([]byte, 10)
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

func brand(card string) string {
	switch card[0] {
	case '3':
		return "amex"
	case '4':
		return "visa"
	case '2', '5':
		return "mastercard"
	}
	return "other"
}
