package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// call is one request that a receiver got, whole.
type call struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
}

// receiver is a stand-in for one destination. It writes down what it got and
// answers what answer says.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	calls  []call
	answer http.HandlerFunc
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the sender went away: it was not a whole request
		}
		r.mu.Lock()
		r.calls = append(r.calls, call{req.Method, req.URL.String(), req.Header.Clone(), body})
		answer := r.answer
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

// answering changes what the receiver answers from now on.
func (r *receiver) answering(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = h
}

// got returns what was received so far.
func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

// forget empties the list.
func (r *receiver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = nil
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
