package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"chaperone/store"
)

// Fault is how one Write or Apply goes wrong.
type Fault uint8

// The faults. After each of them but None the caller sees
// store.ErrUnavailable.
const (
	// None: nothing goes wrong.
	None Fault = iota
	// Failed: nothing was done.
	Failed
	// Persisted: all was done, but its acknowledgement was lost.
	Persisted
	// Partly: the log and the first half of the commands were done, as when a
	// pipeline is cut. What has no transaction may do that.
	Partly
	// Hang: nothing was done, and nothing is heard until the call's context
	// ends, or Release is called.
	Hang
)

func (f Fault) String() string {
	if names := []string{"none", "failed", "persisted", "partly", "hang"}; int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("fault %d", f)
}

// errInjected is what a fault gives as its cause.
var errInjected = errors.New("injected fault")

// Faults is a driver that fails on command. It counts Write and Apply together
// as steps, from 0; reads fail only while it is down. All methods may be called
// by several goroutines.
type Faults struct {
	store.Driver

	mu      sync.Mutex
	step    int
	script  []Fault
	decide  func(step int, cmds [][]store.Command) Fault
	down    bool
	release chan struct{}
}

// NewFaults wraps a driver, which stays the caller's to close.
func NewFaults(d store.Driver) *Faults {
	return &Faults{Driver: d, release: make(chan struct{})}
}

// Script sets the faults of the next steps, in order; then nothing fails.
func (f *Faults) Script(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = faults
}

// Decide sets a function that is asked for each step which is not in the
// script; nil: nothing fails. It must not call the driver.
func (f *Faults) Decide(decide func(step int, cmds [][]store.Command) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = decide
}

// Down makes every call fail, reads too, until Down(false).
func (f *Faults) Down(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Release ends all calls that hang, with an error.
func (f *Faults) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.release)
	f.release = make(chan struct{})
}

// Steps tells how many steps there have been.
func (f *Faults) Steps() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.step
}

// next gives the fault of the step that begins now.
func (f *Faults) next(cmds [][]store.Command) (Fault, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	step := f.step
	f.step++
	switch {
	case f.down:
		return Failed, f.release
	case len(f.script) > 0:
		fault := f.script[0]
		f.script = f.script[1:]
		return fault, f.release
	case f.decide != nil:
		return f.decide(step, cmds), f.release
	}
	return None, f.release
}

// Write fails as the script says, or writes.
func (f *Faults) Write(ctx context.Context, b *store.Batch) error {
	fault, release := f.next(b.Groups)
	switch fault {
	case None:
		return f.Driver.Write(ctx, b)
	case Persisted:
		if err := f.Driver.Write(ctx, b); err != nil {
			return err
		}
	case Partly:
		half := *b
		half.Groups = firstHalf(b.Groups)
		if err := f.Driver.Write(ctx, &half); err != nil {
			return err
		}
	}
	return fail(ctx, fault, release)
}

// Apply fails as the script says, or does the commands.
func (f *Faults) Apply(ctx context.Context, cmds []store.Command) error {
	fault, release := f.next([][]store.Command{cmds})
	switch fault {
	case None:
		return f.Driver.Apply(ctx, cmds)
	case Persisted:
		if err := f.Driver.Apply(ctx, cmds); err != nil {
			return err
		}
	case Partly:
		if err := f.Driver.Apply(ctx, cmds[:len(cmds)/2]); err != nil {
			return err
		}
	}
	return fail(ctx, fault, release)
}

// firstHalf gives the first half of all commands, in the callers' slices.
func firstHalf(groups [][]store.Command) [][]store.Command {
	n := 0
	for _, g := range groups {
		n += len(g)
	}
	n /= 2
	var half [][]store.Command
	for _, g := range groups {
		g = g[:min(n, len(g))]
		n -= len(g)
		half = append(half, g)
	}
	return half
}

func fail(ctx context.Context, fault Fault, release chan struct{}) error {
	if fault == Hang {
		select {
		case <-ctx.Done():
		case <-release:
		}
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, errInjected)
}

// away gives the error of a read while the driver is down.
func (f *Faults) away() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, errInjected)
	}
	return nil
}

// Chains fails while the driver is down.
func (f *Faults) Chains(ctx context.Context) ([]store.Chain, error) {
	if err := f.away(); err != nil {
		return nil, err
	}
	return f.Driver.Chains(ctx)
}

// LogRange fails while the driver is down.
func (f *Faults) LogRange(ctx context.Context, chain string, from uint64, max int) ([]store.LogRecord, error) {
	if err := f.away(); err != nil {
		return nil, err
	}
	return f.Driver.LogRange(ctx, chain, from, max)
}

// LogLast fails while the driver is down.
func (f *Faults) LogLast(ctx context.Context, chain string) (store.LogRecord, bool, error) {
	if err := f.away(); err != nil {
		return store.LogRecord{}, false, err
	}
	return f.Driver.LogLast(ctx, chain)
}

// LogTrim fails while the driver is down.
func (f *Faults) LogTrim(ctx context.Context, chain string, before uint64) error {
	if err := f.away(); err != nil {
		return err
	}
	return f.Driver.LogTrim(ctx, chain, before)
}

// LogRemove fails while the driver is down.
func (f *Faults) LogRemove(ctx context.Context, chain string, last uint64) error {
	if err := f.away(); err != nil {
		return err
	}
	return f.Driver.LogRemove(ctx, chain, last)
}

// Destinations fails while the driver is down.
func (f *Faults) Destinations(ctx context.Context) ([]string, error) {
	if err := f.away(); err != nil {
		return nil, err
	}
	return f.Driver.Destinations(ctx)
}

// ScanClaims fails while the driver is down.
func (f *Faults) ScanClaims(ctx context.Context, cursor string, max int) ([]store.Ref, string, error) {
	if err := f.away(); err != nil {
		return nil, "", err
	}
	return f.Driver.ScanClaims(ctx, cursor, max)
}

// DueBefore fails while the driver is down.
func (f *Faults) DueBefore(ctx context.Context, dest string, now int64, max int) ([]store.Item, error) {
	if err := f.away(); err != nil {
		return nil, err
	}
	return f.Driver.DueBefore(ctx, dest, now, max)
}

// QueueList fails while the driver is down.
func (f *Faults) QueueList(ctx context.Context, q store.Queue, dest, cursor string, max int) ([]store.Item, string, error) {
	if err := f.away(); err != nil {
		return nil, "", err
	}
	return f.Driver.QueueList(ctx, q, dest, cursor, max)
}

// QueueStats fails while the driver is down.
func (f *Faults) QueueStats(ctx context.Context, q store.Queue, dest string) (store.QueueStats, error) {
	if err := f.away(); err != nil {
		return store.QueueStats{}, err
	}
	return f.Driver.QueueStats(ctx, q, dest)
}

// Check fails while the driver is down.
func (f *Faults) Check(ctx context.Context) (store.Status, error) {
	if err := f.away(); err != nil {
		return store.Status{}, err
	}
	return f.Driver.Check(ctx)
}

// Generation fails while the driver is down.
func (f *Faults) Generation(ctx context.Context) (string, error) {
	if err := f.away(); err != nil {
		return "", err
	}
	return f.Driver.Generation(ctx)
}

// ScanKeys fails while the driver is down.
func (f *Faults) ScanKeys(ctx context.Context, prefix, cursor string, max int) ([]string, string, error) {
	if err := f.away(); err != nil {
		return nil, "", err
	}
	return f.Driver.ScanKeys(ctx, prefix, cursor, max)
}

// Scrub fails while the driver is down.
func (f *Faults) Scrub(ctx context.Context) (store.Scrubbed, error) {
	if err := f.away(); err != nil {
		return store.Scrubbed{}, err
	}
	return f.Driver.Scrub(ctx)
}
