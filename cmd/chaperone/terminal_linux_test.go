package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo-terminal: what is written to the one end as a
// program does comes out of the other as a screen gets it.
func openTerminal(t *testing.T) (screen, program *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}); err != nil {
		t.Fatal(err)
	}
	return screen, program
}

// onTerminal runs the program on a terminal of 60 columns, and returns what the
// screen gets.
func onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	screen, program := openTerminal(t)
	run(args, strings.NewReader(""), program, program)
	const end = "\x04end\n"
	if _, err := program.WriteString(end); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for part := make([]byte, 4096); !strings.Contains(all.String(), "\x04end"); {
		n, err := screen.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(part[:n])
	}
	text, _, _ := strings.Cut(all.String(), "\x04end")
	return strings.ReplaceAll(text, "\r\n", "\n")
}

func TestOnATerminal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	src := "destinations: {shop: {url: http://127.0.0.1:8081, timeot: 3s, idempotent: true, max_connections: 7}}\nroutes: []\n"
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TERM", "xterm")
	t.Run("colours", func(t *testing.T) {
		t.Setenv("NO_COLOR", "")
		got := onTerminal(t, "check", file)
		for _, want := range []string{"\x1b[31m^~~~~~\x1b[0m\n", "\x1b[36mhint:\x1b[0m did you mean \"timeout\"?\n", "\x1b[2m[unknown_key]\x1b[0m\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%q", want, got)
			}
		}
		if got := onTerminal(t, "chekc"); !strings.HasPrefix(got, "\x1b[31merror:\x1b[0m there is no command") {
			t.Errorf("got %q", got)
		}
	})
	for name, set := range map[string][2]string{"NO_COLOR": {"NO_COLOR", "1"}, "a terminal that has none": {"TERM", "dumb"}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(set[0], set[1])
			for _, args := range [][]string{{"check", file}, {"chekc"}, {"check", "--explain", "unknown_key"}} {
				if got := onTerminal(t, args...); strings.Contains(got, "\x1b") || got == "" {
					t.Errorf("%q: %q", args, got)
				}
			}
		})
	}
	t.Run("lines fit", func(t *testing.T) {
		t.Setenv("NO_COLOR", "1")
		for line := range strings.Lines(onTerminal(t, "check", file)) {
			if strings.Contains(line, " | ") && len([]rune(line)) > 61 {
				t.Errorf("%d characters: %s", len([]rune(line)), line)
			}
		}
	})
}
