package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHarden looks at a process from inside after harden: no core dump, and no
// other process of the same user can attach to it or read its memory.
func TestHarden(t *testing.T) {
	const name = "CHAPERONE_TEST_HARDEN"
	if os.Getenv(name) != "" {
		if err := harden(); err != nil {
			t.Fatal(err)
		}
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil || dumpable != 0 {
			t.Errorf("dumpable %d, %v", dumpable, err)
		}
		limits, err := os.ReadFile("/proc/thread-self/limits")
		if err != nil {
			t.Skipf("the limits cannot be read: %v", err) // by anybody but root, that is
		}
		for line := range strings.Lines(string(limits)) {
			if core, ok := strings.CutPrefix(line, "Max core file size"); ok && !strings.HasPrefix(strings.Join(strings.Fields(core), " "), "0 0 ") {
				t.Errorf("core dumps: %s", line)
			}
		}
		return
	}
	// In a process of its own: it cannot be taken back.
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHarden$", "-test.v")
	cmd.Env = append(os.Environ(), name+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestHarden") {
		t.Errorf("%v: %s", err, out)
	}
}
