package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// clockTick is the unit of /proc/PID/stat, USER_HZ: 1/100 s on every Linux
// that Go runs on.
const clockTick = 10 * time.Millisecond

func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// pause sleeps on the thread that it is called on.
func pause(d time.Duration) {
	left := syscall.NsecToTimespec(d.Nanoseconds())
	// A signal that wakes it early makes a ticket early by as much.
	_ = syscall.Nanosleep(&left, nil)
}

// ownTime returns the CPU time of this process, to the nanosecond.
func ownTime() time.Duration {
	var t unix.Timespec
	// The clock is always there; were it not, nothing would end.
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// cpuTime returns the time that all threads of a process, ended ones too, have
// run so far, in user and system mode: fields 14 and 15 of proc(5)'s stat.
func cpuTime(pid int) (time.Duration, error) {
	fields, err := procStat(pid)
	if err != nil {
		return 0, err
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, errors.Join(err1, err2)
}

// procStat returns the fields of /proc/PID/stat from the third one on.
func procStat(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// The name, which may hold anything, ends with the last parenthesis.
	i := bytes.LastIndexByte(b, ')')
	fields := strings.Fields(string(b[i+1:]))
	if i < 0 || len(fields) < 13 {
		return nil, errors.New("/proc/PID/stat is not what it should be")
	}
	return fields, nil
}

// family returns a process and its children.
func family(pid int) ([]int, error) {
	list := []int{pid}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// One that has just ended is nobody's child.
		if fields, err := procStat(child); err == nil && fields[1] == strconv.Itoa(pid) {
			list = append(list, child)
		}
	}
	return list, nil
}

// memory returns what a process has in memory, and the most it had since the
// peak was last forgotten, in bytes.
func memory(pid int) (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 3 && (f[0] == "VmRSS:" || f[0] == "VmHWM:") {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0, 0, err
			}
			if f[0] == "VmRSS:" {
				now = n << 10
			} else {
				peak = n << 10
			}
		}
	}
	return now, peak, nil
}

// forgetPeak makes the peak of a process's memory what it has now.
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
