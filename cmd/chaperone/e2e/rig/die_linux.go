package rig

import (
	"os/exec"
	"syscall"
)

// dieWithUs ends a process when the test's own is killed and cannot.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
