package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps what is in memory (keys, card numbers in flight) out of core
// dumps and away from other processes of the same user: no core file, no
// ptrace, no /proc/PID/mem.
func harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps cannot be switched off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("the process cannot be made undumpable: %w", err)
	}
	return nil
}
