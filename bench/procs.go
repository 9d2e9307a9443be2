package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is a child. Its output goes to a file, the end of which is part of
// the error when it dies.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

// start starts a program that ends, at the latest, with this one.
func start(dir, name, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, dir
	dieWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		// How it ended is told by its log and by whoever misses it.
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// ready waits until check succeeds.
func (p *process) ready(ctx context.Context, check func() error) error {
	return p.readyWithin(ctx, 20*time.Millisecond, check)
}

// readyWithin is ready that checks as often as it is told to.
func (p *process) readyWithin(ctx context.Context, every time.Duration, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended: %s", p.name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.name, err, p.tail())
		case <-tick.C:
		}
	}
}

// tail is the end of what the process wrote.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(b[max(0, len(b)-2000):]))
}

// cpu returns the CPU time of the process and its workers. They are looked for each
// time: nginx answers before the last of them is there.
func (p *process) cpu() (sum time.Duration, err error) {
	pids, err := family(p.cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.name, err)
	}
	for _, pid := range pids {
		d, err := cpuTime(pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		sum += d
	}
	return sum, nil
}

// stop asks the process to end, and makes it after a while.
func (p *process) stop() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		// Nothing more can be done about one that cannot be killed.
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// processes are ended in the reverse order of their start.
type processes struct {
	mu  sync.Mutex
	all []*process
}

func (ps *processes) add(p *process) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.all = append(ps.all, p)
}

func (ps *processes) stop() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i := len(ps.all) - 1; i >= 0; i-- {
		ps.all[i].stop()
	}
	ps.all = nil
}

// freeAddress returns a loopback address that nobody listens on right now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// dials returns a check that somebody listens.
func dials(address string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	}
}
