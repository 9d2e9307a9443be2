//go:build !linux

package main

import (
	"fmt"
	"syscall"
)

// harden keeps what is in memory out of core dumps.
func harden() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("core dumps cannot be switched off: %w", err)
	}
	return nil
}
