//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"time"
)

var errNotLinux = errors.New("processes are measured by Linux's /proc")

func dieWithParent(*exec.Cmd) {}

func pause(d time.Duration) { time.Sleep(d) }

var began = time.Now()

func ownTime() time.Duration { return time.Since(began) }

func cpuTime(int) (time.Duration, error) { return 0, errNotLinux }

func family(int) ([]int, error) { return nil, errNotLinux }

func memory(int) (now, peak int64, err error) { return 0, 0, errNotLinux }

func forgetPeak(int) error { return errNotLinux }
