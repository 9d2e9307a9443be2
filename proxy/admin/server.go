package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options of the admin listener.
type Options struct {
	Address string   // host:port; port 0 takes a free one
	Hosts   []string // names by which it is reached, besides loopback and its own address
	Metrics *Metrics
	Ready   func(ctx context.Context) Readiness // answers within a second
	Tokens  *TokenDesk                          // nil: tokens are not served
	TLS     *tls.Config                         // nil: plain HTTP
	Logger  *slog.Logger
}

// Server is the admin listener: /metrics, /healthz and /readyz, which show no
// value and no secret, and to callers with the right the API of tokens, which
// /openapi.json describes.
type Server struct {
	listener net.Listener
	server   *http.Server
}

// Listen opens the admin listener. Serve answers on it.
func Listen(o Options) (*Server, error) {
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("admin: listen on %s: %w", o.Address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics.Handler())
	mux.HandleFunc("GET /healthz", healthy)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, o.Ready) })
	if o.Tokens != nil {
		(&tokenAPI{desk: o.Tokens}).register(mux)
	}
	if o.TLS != nil {
		l = tls.NewListener(l, o.TLS)
	}
	return &Server{listener: l, server: &http.Server{
		Handler:           secured(checkHost(o.Hosts, mux)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Minute, // a revocation waits for the store's files
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}}, nil
}

// Addr returns the address on which the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close gives the listener up without having served on it.
func (s *Server) Close() error { return s.listener.Close() }

// Serve answers until ctx ends, then lets what has begun end, for at most five
// seconds. It returns nil after the end of ctx.
func (s *Server) Serve(ctx context.Context) error {
	if err := serve(ctx, s.server, s.listener); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

// drainTime is how long what has begun may take after the end.
const drainTime = 5 * time.Second

// serve runs a server until ctx ends, and returns when its goroutines are
// done.
func serve(ctx context.Context, s *http.Server, l net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// ctx is over; the drain has a deadline of its own.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := s.Shutdown(drain); err != nil {
		_ = s.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// healthy says that the process lives.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// ready says whether requests are taken: 200 or 503, with the reasons.
func ready(w http.ResponseWriter, r *http.Request, ask func(context.Context) Readiness) {
	state := ask(r.Context())
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, state)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here is a client that went away.
	_ = json.NewEncoder(w).Encode(v)
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
