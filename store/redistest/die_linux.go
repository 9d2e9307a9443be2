package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithUs ends a server when the test's process is killed and cannot.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
