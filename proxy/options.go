package proxy

import (
	"context"
	"log/slog"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/vault"
	"chaperone/vault/keys"
)

// Options set up a Server. Plan, Engine, Ring, Tokens, Driver and DataDir are
// required; they stay the caller's to close, after Serve has returned.
type Options struct {
	Plan   *rules.Plan
	Engine *rewrite.Engine // compiled from Plan
	Ring   *keys.Ring
	Tokens *vault.Tokens
	Driver store.Driver

	Listen     string        // host:port; port 0 takes a free one
	TLS        *Certificates // nil: plain HTTP
	Hosts      []string      // accepted in Host, besides the address and the local forms
	Admin      string        // host:port of metrics and health; empty: none
	AdminHosts []string
	AdminTLS   *Certificates // nil: plain HTTP
	DataDir    string        // an existing folder: journal, checkpoints, control socket
	Journal    string        // the committer's journal; empty: DataDir/journal

	// OnOutage says what becomes of requests while the store is away, on routes
	// that say nothing and whose primary is idempotent: OutageSpool, or else
	// they are refused.
	OnOutage rules.OnOutage
	// Spool bounds the bytes of what is recorded on local disk while the store
	// is away; 0 means that nothing is, whatever the routes say.
	Spool int64

	Limits  Limits
	Outbox  OutboxOptions
	Version string
	Rev     string // of the source, for the metrics

	// WitnessEvery is how often the heads of other proxies' chains are put into
	// this one's; 0 means every 30 s, give or take a fifth.
	WitnessEvery time.Duration

	// Reload reads the policy's files again and calls Server.Reload, for the
	// control socket; nil: it cannot.
	Reload func(ctx context.Context, by string) (control.Reloaded, error)

	Logger *slog.Logger     // nil: none. Nothing of a message is ever logged
	Clock  func() time.Time // wall-clock time; nil: time.Now
}

// Limits bound what a request may take. Zero values mean the defaults in
// parentheses.
type Limits struct {
	Body            int           // bytes of a body, and of an answer (4 MiB)
	Memory          int           // bytes of large bodies and what is made of them, at once (256 MiB)
	Depth           int           // nesting of a body (128)
	ReadTimeout     time.Duration // for a whole request (10s)
	UpstreamTimeout time.Duration // where a destination says nothing (15s)
	DrainTimeout    time.Duration // for what has begun when the proxy stops (20s)
}

func (l Limits) withDefaults() Limits {
	if l.Body <= 0 {
		l.Body = 4 << 20
	}
	if l.Memory <= 0 {
		l.Memory = 256 << 20
	}
	if l.Depth <= 0 {
		l.Depth = rewrite.DefaultDepth
	}
	if l.ReadTimeout <= 0 {
		l.ReadTimeout = 10 * time.Second
	}
	if l.UpstreamTimeout <= 0 {
		l.UpstreamTimeout = 15 * time.Second
	}
	if l.DrainTimeout <= 0 {
		l.DrainTimeout = 20 * time.Second
	}
	return l
}

// idLetters is the length of random ids: 100 bits.
const idLetters = 20
