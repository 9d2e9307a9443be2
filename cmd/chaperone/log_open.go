package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"chaperone/audit"
	"chaperone/proxy"
	"chaperone/proxy/admin"
	"chaperone/proxy/admin/control"
	"chaperone/store"
	"chaperone/vault/keys"
)

// reading is what the verbs of log and outbox read: a running proxy
// (*control.Client), or its files (*files). Each call puts on record that it
// was made before it yields anything.
type reading interface {
	Tail(ctx context.Context, n int, follow bool, yield func(control.LogLine) error) error
	Verify(ctx context.Context, archive []string) (audit.Report, error)
	Archive(ctx context.Context, ask control.LogArchive, yield func(audit.Archived) error) error
	Export(ctx context.Context, ask control.LogExport, yield func(control.LogLine) error) (audit.Scanned, error)
	Disclosures(ctx context.Context, ask control.LogSubject, yield func(control.Disclosure) error) (audit.Scanned, error)
	Breach(ctx context.Context, ask control.LogBreach, yield func(audit.Exposure) error) (audit.Scanned, error)
	Legs(ctx context.Context, state control.LegState, yield func(control.Leg) error) error
	Doubts(ctx context.Context, yield func(control.Doubt) error) error
	Breakers(ctx context.Context) ([]control.Breaker, error)
	Close()
}

// dial reads the configuration and reaches the proxy that runs on its data
// folder; the client is nil where none runs. The error is ready to be shown.
func (a *app) dial(ctx context.Context, file string) (*config, *control.Client, error) {
	cfg, err := a.openConfig(file)
	if err != nil {
		return nil, nil, err
	}
	c, err := dialProxy(ctx, cfg)
	return cfg, c, err
}

// dialProxy reaches the proxy that runs on the data folder. It gives nil, and no
// error, where none runs: the files may be opened then. The error is ready to be
// shown.
func dialProxy(ctx context.Context, cfg *config) (*control.Client, error) {
	c, err := control.Dial(ctx, cfg.data)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, failed("run this as the user that runs the proxy", "the proxy's control socket does not open: %w", err)
	case errors.Is(err, control.ErrNotRunning):
		return nil, nil
	}
	return nil, failed("", "the proxy does not answer: %w", err)
}

// openReading asks the proxy that runs on the data folder, and opens the store
// and the keyring where none runs. The context ends with a signal; done closes
// what was opened. The error is ready to be shown.
func (a *app) openReading(cmd *cobra.Command, file string) (ctx context.Context, r reading, done func(), err error) {
	ctx, stop := stoppable(cmd.Context())
	cfg, c, err := a.dial(ctx, file)
	if r = c; err == nil && c == nil {
		r, err = a.openFiles(ctx, cfg)
	}
	if err != nil {
		stop()
		return nil, nil, nil, err
	}
	return ctx, r, func() { r.Close(); stop() }, nil
}

// readingError says what went wrong while reading.
func readingError(err error) error {
	var known *failure
	switch {
	case errors.Is(err, control.ErrCut):
		return deskError(err, "what was shown is not all; try again")
	case refusedWith(err) != 0 && !errors.As(err, &known):
		err = fmt.Errorf("the proxy says: %w", err)
	}
	return deskError(err, "")
}

// deskError says what a running proxy, or its files, could not do. Errors that
// are ready to be shown stay as they are; who ended the work himself is told
// nothing.
func deskError(err error, hint string) error {
	var known *failure
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled):
		return &failure{code: exitFailed}
	}
	return failed(hint, "%w", err)
}

// refusedWith returns the HTTP status with which the proxy, or the desk on its
// files, refused; 0 where the error is another one.
func refusedWith(err error) int {
	var refused *control.Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// files reads the store of a proxy that does not run.
type files struct {
	driver store.Driver
	ring   *keys.Ring
	log    audit.Reader
	outbox *proxy.Outbox
	file   string // of checkpoints
	logger *slog.Logger
	cfg    *config
	own    *ownChain // what is recorded goes there; nil: nothing was yet
}

// openFiles opens the store and the keyring. It makes neither: a log that was
// never written is not there to be read.
func (a *app) openFiles(ctx context.Context, cfg *config) (*files, error) {
	if cfg.state.redis == nil {
		if _, err := os.Stat(cfg.storeFile()); errors.Is(err, fs.ErrNotExist) {
			return nil, failed("is `data` in the configuration the folder that the proxy runs on?", "there is no store in the data folder %s", cfg.data)
		}
	}
	// For the checkpoints; with Redis and Vault there may be no folder yet.
	if err := cfg.makeData(); err != nil {
		return nil, err
	}
	logger := a.logger(slog.LevelWarn, cfg.log.json)
	d, err := cfg.openDriver(ctx, logger)
	if err != nil {
		return nil, err
	}
	ring, err := cfg.openRing(ctx, logger)
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	owner, err := keyringOf(ctx, d)
	if err == nil && owner != "" && owner != ring.ID() {
		err = failed("bring the old keyring back: with another one nothing stored can be read",
			"the store belongs to keyring %s, and this is keyring %s", owner, ring.ID())
	}
	if err != nil {
		ring.Close()
		_ = d.Close()
		return nil, err
	}
	file := audit.CheckpointFile(cfg.data)
	return &files{
		driver: d, ring: ring, file: file, logger: logger, cfg: cfg,
		log: audit.Reader{
			Source: audit.FromStore(d), Sealer: ring, File: file,
			Key: audit.NewSigner(ring.MAC).Public(),
		},
		outbox: proxy.NewOutbox(d, ring),
	}, nil
}

// Close closes the keyring and the store.
func (f *files) Close() {
	f.closeOwn()
	f.ring.Close()
	if err := f.driver.Close(); err != nil {
		f.logger.Warn("the store does not close", "error", err)
	}
}

// Tail is control.Client's.
func (f *files) Tail(ctx context.Context, n int, follow bool, yield func(control.LogLine) error) error {
	action := audit.ActionLogTail
	if follow {
		action = audit.ActionLogFollow
	}
	if err := f.record(ctx, action); err != nil {
		return err
	}
	return f.log.Tail(ctx, audit.TailOptions{Last: n, Follow: follow}, func(l audit.Line) error { return yield(admin.LogLine(l)) })
}

// Legs is control.Client's.
func (f *files) Legs(ctx context.Context, state control.LegState, yield func(control.Leg) error) error {
	if err := f.record(ctx, audit.ActionOutboxList); err != nil {
		return err
	}
	return f.outbox.Legs(ctx, state, yield)
}

// Doubts is control.Client's.
func (f *files) Doubts(ctx context.Context, yield func(control.Doubt) error) error {
	if err := f.record(ctx, audit.ActionOutboxDoubts); err != nil {
		return err
	}
	return f.outbox.Doubts(ctx, yield)
}

// Breakers is control.Client's. Only a proxy holds back legs.
func (f *files) Breakers(context.Context) ([]control.Breaker, error) { return nil, nil }

// recordTime bounds the wait for the store's acknowledgement.
const recordTime = 10 * time.Second

// record puts on record who reads what.
func (f *files) record(ctx context.Context, action audit.Action) error {
	err := f.recordEntry(ctx, &audit.Entry{
		Time: time.Now(), Kind: audit.KindLogRead, Action: action, Result: audit.ResultOK, Caller: audit.Name(localUser()),
	})
	if err != nil {
		return recordError(err)
	}
	return nil
}

// localUser is who runs this, in the words of the log.
func localUser() string { return fmt.Sprintf("local:%d", os.Getuid()) }

func recordError(err error) error {
	return failed("reading the log is itself recorded, so that without a record there is nothing to read",
		"this reading cannot be put on record: %w", err)
}
