package rig

import (
	"io"
	"os/exec"
	"runtime"
	"syscall"
)

// Process is one running process. Its methods are safe for concurrent use.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// Run starts a process that prints to output. It dies with this one.
func Run(output io.Writer, name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = output, output
	dieWithUs(p.cmd)
	started := make(chan error)
	go func() {
		// The process dies with the thread that started it, which therefore
		// lives as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // its exit code is in ExitCode
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Signal sends a signal. A process that has ended takes none.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process at once, as a power cut would, and waits for its end.
// It may have ended before.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode is that of a process that has ended; -1 where a signal ended it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }
