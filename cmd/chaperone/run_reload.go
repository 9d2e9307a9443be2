package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"chaperone/proxy"
	"chaperone/proxy/admin/control"
	"chaperone/rules"

	"github.com/fsnotify/fsnotify"
)

// reloader brings a policy that was changed into force while the proxy runs, and
// takes the listeners' certificates when they were renewed: when the files
// change, at SIGHUP, and when `chaperone reload` asks.
type reloader struct {
	cfg    *config
	log    *slog.Logger
	server *proxy.Server

	mu   sync.Mutex
	seen [sha256.Size]byte // of the files as they were read last, with mistakes or without
}

// settle is how long the files must be quiet: editors write in several steps.
const settle = 200 * time.Millisecond

// lookAgain is how often the files are looked at where nobody tells of a change,
// as on a network drive.
const lookAgain = 15 * time.Second

// run watches until ctx ends.
func (r *reloader) run(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	events, faults, closeWatcher := r.watch()
	defer closeWatcher()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_, _ = r.reload(ctx, "SIGHUP") // it is logged
		case <-events:
			quiet.Reset(settle)
		case err := <-faults:
			r.log.Warn("changes of the policy's files may be noticed late", "error", err)
		case <-quiet.C:
			r.changed(ctx)
		case <-look.C:
			r.changed(ctx)
		}
	}
}

// watch watches the folders of the policy's files: a file that is replaced by a
// rename, and the links of a Kubernetes volume, are seen there.
func (r *reloader) watch() (<-chan fsnotify.Event, <-chan error, func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		r.log.Warn("the policy's files are looked at from time to time only", "error", err)
		return nil, nil, func() {}
	}
	folders := map[string]bool{}
	for _, name := range append(r.files(), r.certificates()...) {
		folders[filepath.Dir(name)] = true
	}
	for folder := range folders {
		if err := w.Add(folder); err != nil {
			r.log.Warn("changes in a folder of the policy may be noticed late", "folder", folder, "error", err)
		}
	}
	return w.Events, w.Errors, func() { _ = w.Close() }
}

// files are the policy's files: those of the one in force.
func (r *reloader) files() []string {
	names := []string{r.cfg.rules}
	for _, f := range r.server.Plan().Sources[1:] {
		name := f.Name
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(r.cfg.rules), name)
		}
		names = append(names, name)
	}
	return names
}

// certificates are the files of the listeners' certificates.
func (r *reloader) certificates() (names []string) {
	for _, t := range []*tlsConfig{r.cfg.listen.tls, r.cfg.admin.tls} {
		if t == nil {
			continue
		}
		if names = append(names, t.cert, t.key); t.clientCA != "" {
			names = append(names, t.clientCA)
		}
	}
	return names
}

// look says how the files are now. One that cannot be read counts as it is: that
// is a change too.
func (r *reloader) look() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range r.files() {
		b, err := os.ReadFile(name)
		fmt.Fprintf(h, "%q %d %t\n", name, len(b), err == nil)
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// changed reloads what is not as it was.
func (r *reloader) changed(ctx context.Context) {
	r.server.ReloadCertificates("file") // it looks for itself, and logs
	r.mu.Lock()
	same := r.look() == r.seen
	r.mu.Unlock()
	if !same {
		_, _ = r.reload(ctx, "file") // it is logged
	}
}

// reload reads the files and puts what they say in force, or says why not. The
// error is that of the process, not of the policy.
func (r *reloader) reload(ctx context.Context, by string) (control.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var read []control.Reading
	for _, c := range r.server.ReloadCertificates(by) {
		reading := control.Reading{Listener: c.Listener}
		if c.Err != nil {
			reading.Fault = c.Err.Error()
		}
		read = append(read, reading)
	}
	old := r.server.Plan()
	r.seen = r.look()
	plan, engine, ds := loadPolicy(r.cfg.rules, r.cfg)
	result := control.Reloaded{Plan: old.Hash, Before: old.Hash, Certificates: read}
	if ds.HasErrors() {
		result.Mistakes = mistakes(ds)
		errs, _ := count(ds)
		first := ds[0]
		for _, d := range ds {
			if d.Severity == rules.Error {
				first = d
				break
			}
		}
		for _, d := range ds {
			r.log.Error("policy", "at", d.Position.String(), "severity", d.Severity.String(), "code", d.Code, "message", oneLine(d.Message))
		}
		r.server.ReloadFailed(by, fmt.Sprintf("%s, the first: %s", plural(errs, "mistake"), oneLine(first.String())))
		return result, nil
	}
	for _, c := range rules.Changes(old, plan) {
		result.Changes = append(result.Changes, c.String())
	}
	if err := r.server.Reload(ctx, proxy.Next{Plan: plan, Engine: engine, By: by, Changes: result.Changes}); err != nil {
		if errors.Is(err, ctx.Err()) {
			return result, err
		}
		result.Fault, result.Changes = err.Error(), nil
		return result, nil
	}
	result.Taken, result.Plan = true, plan.Hash
	result.Mistakes = mistakes(ds) // warnings
	return result, nil
}

func mistakes(ds rules.Diagnostics) []control.Mistake {
	list := make([]control.Mistake, 0, len(ds))
	for _, d := range diagnosticsJSON(ds) {
		list = append(list, control.Mistake(d))
	}
	return list
}
