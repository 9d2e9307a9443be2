package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/deploy/medspa"
	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/vault"
	"chaperone/vault/keys"
)

// patience bounds every wait of a test for something that must happen. It is no
// measure of anything: a busy machine may need much of it.
const patience = time.Minute

// dialled holds the proxies' connections to receivers, by their own addresses.
var dialled sync.Map

// noteDialled has a proxy's connections found in dialled.
func noteDialled(s *Server) {
	for _, u := range s.policy.Load().upstreams {
		dial := u.client.DialTimeout
		u.client.DialTimeout = func(addr string, most time.Duration) (net.Conn, error) {
			c, err := dial(addr, most)
			if err == nil {
				dialled.Store(c.LocalAddr().String(), c)
			}
			return c, err
		}
	}
}

// receiver is a stand-in destination that keeps what it got.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	news   chan struct{} // one for each request
	answer func(n int, r received) reply
}

type received struct {
	method, path, key string
	header            http.Header
	body              string
}

type reply struct {
	status int
	header map[string]string
	body   string
	hang   <-chan struct{} // answer after this
	silent bool            // never answer; the time that the proxy waits for it is over
	drop   bool            // close the connection in place of an answer
	raw    string          // or after these bytes
}

func newReceiver(t *testing.T, answer func(n int, r received) reply) *receiver {
	t.Helper()
	r := &receiver{answer: answer, news: make(chan struct{}, 1<<16)}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	got := received{req.Method, req.URL.RequestURI(), req.Header.Get("Idempotency-Key"), req.Header.Clone(), string(body)}
	r.mu.Lock()
	n := len(r.got)
	r.got = append(r.got, got)
	answer := r.answer
	r.mu.Unlock()
	r.news <- struct{}{}
	a := answer(n, got)
	if a.hang != nil {
		<-a.hang
	}
	if a.silent {
		if c, ok := dialled.Load(req.RemoteAddr); ok {
			_ = c.(net.Conn).SetReadDeadline(time.Unix(1, 0))
		}
		<-req.Context().Done() // it hangs up
		return
	}
	if a.drop || a.raw != "" {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, a.raw)
			_ = c.Close()
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

// await waits until n requests have come in.
func (r *receiver) await(t *testing.T, n int) []received {
	t.Helper()
	deadline := time.After(patience)
	for {
		if got := r.all(); len(got) >= n {
			return got
		}
		select {
		case <-r.news:
		case <-deadline:
			t.Fatalf("%d of %d requests came in", len(r.all()), n)
		}
	}
}

func (r *receiver) setAnswer(f func(n int, r received) reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func always(status int, body string) func(int, received) reply {
	return func(int, received) reply { return reply{status: status, body: body} }
}

const approved = `{"id":"py_7","status":"approved","card":{"number":"4242424242424242"}}`

// bed is a proxy with its three destinations.
type bed struct {
	t                      *testing.T
	processor, ehr, ledger *receiver
	key                    string
	dir                    string
	policy                 string // rules.yaml, with the receivers' addresses
	ring                   *keys.Ring
	open                   func() store.Driver
	tune                   func(*Options)
	ready                  func(*Server) // before it serves

	driver store.Driver
	server *Server
	cancel context.CancelFunc
	served chan error
	logs   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newBed starts the med spa's proxy on an embedded store. The functions may
// change the bed before it starts.
func newBed(t *testing.T, change ...func(*bed)) *bed {
	t.Helper()
	b := &bed{t: t, key: "chp_till", dir: t.TempDir(), ring: keys.Ephemeral(), logs: new(lockedBuffer)}
	b.processor = newReceiver(t, always(200, approved))
	b.ehr = newReceiver(t, always(201, `{}`))
	b.ledger = newReceiver(t, always(201, `{}`))
	sum := sha256.Sum256([]byte(b.key))
	b.policy = strings.NewReplacer(medspa.ProcessorURL, b.processor.URL, medspa.EHRURL, b.ehr.URL, medspa.LedgerURL, b.ledger.URL,
		medspa.FrontDeskKeySHA256, hex.EncodeToString(sum[:])).Replace(sampleFile(t, "rules.yaml"))
	b.open = func() store.Driver {
		d, err := store.OpenFile(filepath.Join(b.dir, "store.db"), store.FileOptions{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, f := range change {
		f(b)
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func sampleFile(t testing.TB, name string) string {
	t.Helper()
	b, err := medspa.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// load compiles a policy; the files that it names are the sample's.
func load(t testing.TB, policy string) (*rules.Plan, *rewrite.Engine) {
	t.Helper()
	plan, diagnostics := rules.LoadBytes("rules.yaml", []byte(policy), medspa.Files.ReadFile)
	if plan == nil {
		t.Fatalf("the policy does not load: %v", diagnostics)
	}
	engine, diagnostics := rewrite.Compile(plan)
	if engine == nil {
		t.Fatalf("the policy does not compile: %v", diagnostics)
	}
	return plan, engine
}

// start opens and serves a proxy on the bed's data.
func (b *bed) start() {
	b.t.Helper()
	plan, engine := load(b.t, b.policy)
	b.driver = b.open()
	o := Options{Plan: plan, Engine: engine, Ring: b.ring, Tokens: vault.New(b.ring, TokenScope), Driver: b.driver,
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", DataDir: b.dir, Version: "test",
		Limits: Limits{ReadTimeout: patience, UpstreamTimeout: patience, DrainTimeout: patience},
		Outbox: OutboxOptions{Poll: 20 * time.Millisecond, FirstDelay: 10 * time.Millisecond, LongestWait: 50 * time.Millisecond, ParkedWait: 50 * time.Millisecond,
			FirstProbe: 10 * time.Millisecond, LongestProbe: 50 * time.Millisecond},
		Logger: slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if b.tune != nil {
		b.tune(&o)
	}
	s, err := New(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	noteDialled(s)
	if b.ready != nil {
		b.ready(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.server, b.cancel, b.served = s, cancel, make(chan error, 1)
	go func() { b.served <- s.Serve(ctx) }()
}

// stop drains the proxy and closes its store.
func (b *bed) stop() {
	if b.cancel == nil {
		return
	}
	b.cancel()
	select {
	case err := <-b.served:
		if err != nil {
			b.t.Errorf("Serve: %v", err)
		}
	case <-time.After(2 * patience):
		b.t.Error("Serve does not return")
	}
	b.cancel = nil
	if err := b.driver.Close(); err != nil {
		b.t.Errorf("closing the store: %v", err)
	}
}

// restart is a stop and a start on the same data.
func (b *bed) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

// answerOf is the proxy's answer as its caller sees it.
type answerOf struct {
	status int
	header http.Header
	body   string
}

// post sends a body to a path of the proxy, with the bed's key.
func (b *bed) post(path, body string, header ...string) answerOf {
	b.t.Helper()
	return b.do("POST", path, body, header...)
}

func (b *bed) do(method, path, body string, header ...string) answerOf {
	b.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, "http://"+b.server.Addr().String()+path, r)
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	return b.roundTrip(req)
}

func (b *bed) roundTrip(req *http.Request) answerOf {
	b.t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answerOf{resp.StatusCode, resp.Header, string(got)}
}

var client = &http.Client{Timeout: 2 * patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// checkout is a basket of the sample.
func checkout(t testing.TB) string { return sampleFile(t, "bodies/keyed-card.json") }

// sale is the basket with another transaction id.
func sale(t testing.TB, id string) string {
	return strings.Replace(checkout(t), "MS-2026-004411", id, 1)
}

// until waits for a condition.
func (b *bed) until(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain: %s\n%s", what, b.logs)
		}
		<-tick.C
	}
}

// legs lists the outbox.
func (b *bed) legs(state control.LegState) []control.Leg {
	b.t.Helper()
	var all []control.Leg
	err := (&Outbox{s: b.server, own: b.server.outbox}).Legs(b.t.Context(), state, func(l control.Leg) error {
		all = append(all, l)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func (b *bed) doubts() []control.Doubt {
	b.t.Helper()
	var all []control.Doubt
	err := (&Outbox{s: b.server, own: b.server.outbox}).Doubts(b.t.Context(), func(d control.Doubt) error {
		all = append(all, d)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// listenStub serves a fasthttp server on loopback and gives its URL.
func listenStub(b *testing.B, s *fasthttp.Server) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	b.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// benchBed serves a proxy with the sample's policy on Redis.
func benchBed(b *testing.B, r *redistest.Server, change func(policy string, urls [3]string) string) *Server {
	b.Helper()
	ring := keys.Ephemeral()
	sum := sha256.Sum256([]byte("chp_till"))
	policy := strings.Replace(sampleFile(b, "rules.yaml"), medspa.FrontDeskKeySHA256, hex.EncodeToString(sum[:]), 1)
	plan, engine := load(b, change(policy, [3]string{medspa.ProcessorURL, medspa.EHRURL, medspa.LedgerURL}))
	d, err := store.OpenRedis(b.Context(), store.RedisOptions{Addresses: []string{r.Addr}})
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(b.Context(), Options{Plan: plan, Engine: engine, Ring: ring, Tokens: vault.New(ring, TokenScope), Driver: d,
		Listen: "127.0.0.1:0", DataDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-served
		_ = d.Close()
	})
	return s
}
