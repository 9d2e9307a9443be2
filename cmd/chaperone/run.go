package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"chaperone/proxy"
	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/vault"
	"chaperone/vault/keys"

	"github.com/spf13/cobra"
)

func newRunCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the proxy",
		Long: `Checks the configuration and the policy that it names, opens keyring and
store, and takes requests until it is told to stop. SIGTERM and Ctrl-C let what
has begun end (limits.drain_timeout); the second one ends at once. The log goes
to stderr.

A policy that is changed comes into force while it runs, as a whole or not at
all: when its files change, at SIGHUP, or by 'chaperone reload'. One with mistakes
leaves the one before in force. The configuration itself is read at the start.`,
		Example: "  chaperone run --config /etc/chaperone/chaperone.yaml",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runProxy(cmd.Context(), a, file) },
	}
	configFlag(cmd, &file)
	return cmd
}

func runProxy(ctx context.Context, a *app, file string) error {
	if err := harden(); err != nil {
		return failed("", "%w", err)
	}
	settle := hurry()
	p, err := a.openPolicy(file)
	if err != nil {
		return err
	}
	ctx, stop := stoppable(ctx)
	defer stop()
	r, err := start(ctx, p, a.logger(p.cfg.log.slogLevel(), p.cfg.log.json))
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // told to stop while it waited
		}
		return err
	}
	settle()
	return r.wait(ctx)
}

// startGC is GOGC while the proxy starts: nearly all that a start allocates is
// small and soon garbage, and to look for it takes longer than to make it.
const startGC = 400

// hurry lets garbage lie while the proxy starts. settle ends that, and bounds
// the memory by what the process may have, where the environment says nothing
// else (GOMEMLIMIT).
func hurry() (settle func()) {
	usual := debug.SetGCPercent(startGC)
	if usual < 0 || usual > startGC {
		debug.SetGCPercent(usual)
	}
	return func() {
		debug.SetGCPercent(usual)
		if most := memoryAllowed(); most > 0 && os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(most - most/8)
		}
	}
}

// stoppable ends the context at the first SIGINT or SIGTERM. The second one is
// not caught any more, and ends the process: also one that comes as soon as
// anybody can see that the first was taken.
func stoppable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, cancel
}

// policy is a configuration with its compiled policy.
type policy struct {
	cfg    *config
	plan   *rules.Plan
	engine *rewrite.Engine
}

// openPolicy reads both files. What is to be said about either is printed;
// with a mistake there is no policy.
func (a *app) openPolicy(file string) (policy, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return policy{}, failed("name the configuration with --config", "%s: %s", file, unreadable(file, err).Message)
	}
	cfg, ds := parseConfig(file, src)
	p := policy{cfg: cfg}
	if cfg.rules != "" {
		var more rules.Diagnostics
		p.plan, p.engine, more = loadPolicy(cfg.rules, cfg)
		ds = append(ds, more...)
	}
	writeDiagnostics(a.err, ds)
	if ds.HasErrors() {
		return policy{}, configError(ds, file)
	}
	return p, nil
}

// running is a proxy in this process. It owns what it was opened on.
type running struct {
	server *proxy.Server
	driver store.Driver
	ring   *keys.Ring
	cancel context.CancelFunc
	ended  chan error // gets what Serve returned, once

	watching sync.WaitGroup // for changes of the policy
}

// start opens the store, the keyring and the proxy, and begins to take
// requests. The error is ready to be shown.
func start(ctx context.Context, p policy, log *slog.Logger) (_ *running, err error) {
	r := &running{ended: make(chan error, 1)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if err := p.cfg.makeData(); err != nil {
		return nil, err
	}
	secure, err := p.cfg.listen.tls.certificates("requests")
	if err != nil {
		return nil, err
	}
	adminSecure, err := p.cfg.admin.tls.certificates("admin")
	if err != nil {
		return nil, err
	}
	if r.driver, err = p.cfg.openDriver(ctx, log); err != nil {
		return nil, err
	}
	if r.ring, err = p.cfg.serveRing(ctx, r.driver, log); err != nil {
		return nil, err
	}
	again := &reloader{cfg: p.cfg, log: log}
	r.server, err = proxy.New(ctx, proxy.Options{
		Reload: again.reload,
		Plan:   p.plan, Engine: p.engine, Ring: r.ring, Tokens: vault.New(r.ring, tokenScope), Driver: r.driver,
		Listen: p.cfg.listen.address, TLS: secure, Hosts: p.cfg.listen.hosts,
		Admin: p.cfg.admin.address, AdminHosts: p.cfg.admin.hosts, AdminTLS: adminSecure,
		DataDir: p.cfg.data, Journal: p.cfg.journalFile(), OnOutage: p.cfg.state.outage, Spool: p.cfg.state.spool,
		Limits:  p.cfg.proxyLimits(),
		Version: buildVersion(), Rev: buildRevision(), Logger: log,
	})
	if err != nil {
		return nil, startError(err)
	}
	again.server = r.server
	again.seen = again.look()
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	r.watching.Go(func() { again.run(serving) })
	go func() { r.ended <- r.server.Serve(serving) }()
	return r, nil
}

func (c *config) proxyLimits() proxy.Limits {
	return proxy.Limits{
		Body: c.limits.body, Memory: c.limits.memory, Depth: c.limits.depth, ReadTimeout: c.limits.readTimeout,
		UpstreamTimeout: c.limits.upstreamTimeout, DrainTimeout: c.limits.drainTimeout,
	}
}

// tokenScope is the scope of every token: a token of another scope is unknown
// here. There is one as long as a proxy serves one clinic.
const tokenScope = "default"

// wait lets the proxy run until ctx ends or it fails, drains it and closes
// what it was opened on.
func (r *running) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return r.stop()
	case err := <-r.ended:
		r.ended <- err
		return r.stop()
	}
}

// stop drains the proxy, within its deadline, and closes everything.
func (r *running) stop() error {
	r.cancel()
	r.watching.Wait()
	err := <-r.ended
	r.close()
	if err != nil {
		return failed("", "%w", err)
	}
	return nil
}

// close closes what start opened, in the order in which each part may use the
// one after it.
func (r *running) close() {
	if r.driver != nil {
		// Everything acknowledged is stored: closing can lose nothing.
		_ = r.driver.Close()
	}
	if r.ring != nil {
		r.ring.Close()
	}
}

// certificates loads those of a listener, requests or admin; nil for plain HTTP.
func (t *tlsConfig) certificates(listener string) (*proxy.Certificates, error) {
	if t == nil {
		return nil, nil
	}
	c, err := proxy.LoadCertificates(listener, proxy.CertificateFiles{Cert: t.cert, Key: t.key, ClientCA: t.clientCA})
	if err != nil {
		where := map[string]string{"requests": "listen.tls", "admin": "admin.tls"}[listener]
		return nil, failed("see "+where+": the files are PEM, and the key belongs to the certificate", "the certificates cannot be loaded: %w", err)
	}
	return c, nil
}

// startError says what to do about an error of proxy.New.
func startError(err error) error {
	var op *net.OpError
	var file *fs.PathError
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && errors.As(err, &op) && op.Addr != nil:
		return failed("stop what listens there, or change the address in the configuration", "the address %s is taken", op.Addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL) && errors.As(err, &op) && op.Addr != nil:
		return failed("write an address of this machine, or 0.0.0.0 for all of them", "the address %s is not this machine's", op.Addr)
	case errors.Is(err, syscall.EACCES) && errors.As(err, &op) && op.Addr != nil:
		return failed("ports below 1024 need a privilege: take a higher one", "the address %s may not be listened on", op.Addr)
	case errors.As(err, &file):
		return failed("see the configuration for where this file is named", "%s: %w", file.Path, file.Err)
	}
	return failed("", "%w", err)
}

// The two addresses, which may have been a port 0 in the configuration.
func (r *running) address() string      { return r.server.Addr().String() }
func (r *running) adminAddress() string { return fmt.Sprint(r.server.AdminAddr()) }
