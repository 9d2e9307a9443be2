package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"chaperone/cmd/chaperone/e2e/rig"
)

// TestTheFirstHour does what docs/first-hour.md says, in its order, in an empty
// folder and with nothing but the program; only addresses are put in. What the
// page shows is what is printed: … stands for anything.
func TestTheFirstHour(t *testing.T) {
	page, err := os.ReadFile("../../../docs/first-hour.md")
	if err != nil {
		t.Fatal(err)
	}
	h := newHour(t)
	blocks := regexp.MustCompile("(?ms)^```(\\w+)(?: ([\\w.]+))?\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	ran := 0
	for _, b := range blocks {
		switch b[1] + " " + b[2] {
		case "json sale.json":
			write(t, filepath.Join(h.dir, b[2]), b[3])
		case "sh ":
			h.enter(b[3])
			ran++
		case "sh terminal":
			h.terminal(strings.TrimSpace(b[3]))
			ran++
		case "text ":
			h.shows(b[3], h.said)
		case "text receivers":
			eventually(t, "the stand-ins show it", func() error { return shown(b[3], h.receivers.String()) })
		default:
			t.Errorf("a block that nothing tries: %s %s", b[1], b[2])
		}
	}
	if ran < 10 {
		t.Errorf("only %d blocks were tried", ran)
	}
}

// hour is a user at three terminals, the first of which is a shell.
type hour struct {
	t         *testing.T
	dir       string
	in        io.Writer
	out       *bufio.Reader
	said      string // by the last block
	key       string
	proxy     string
	admin     string
	standIns  int // the first of three ports
	receivers *rig.Output
}

func newHour(t *testing.T) *hour {
	h := &hour{t: t, dir: t.TempDir(), proxy: freePort(t), admin: freePort(t), standIns: threePorts(t), receivers: &rig.Output{}}
	path := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(path, "chaperone")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "--norc", "--noprofile")
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"), "COLUMNS=80", "NO_COLOR=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends the shell
		_ = cmd.Wait()
	})
	h.in, h.out = in, bufio.NewReader(out)
	return h
}

// threePorts finds three free ports in a row.
func threePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		_, text, _ := net.SplitHostPort(freePort(t))
		first, err := strconv.Atoi(text)
		if err != nil || first > 65000 {
			continue
		}
		free := true
		for i := range 3 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
			if free = free && err == nil; err == nil {
				_ = l.Close()
			}
		}
		if free {
			return first
		}
	}
	t.Fatal("no three free ports in a row")
	return 0
}

// own puts this test's addresses into what the page says.
func (h *hour) own(text string) string {
	pairs := []string{"127.0.0.1:8080", h.proxy, "127.0.0.1:9090", h.admin, "chp_…", h.key,
		"demo --receivers", fmt.Sprintf("demo --receivers=127.0.0.1:%d", h.standIns)}
	for i := range 3 {
		pairs = append(pairs, fmt.Sprintf("127.0.0.1:%d", 9101+i), fmt.Sprintf("127.0.0.1:%d", h.standIns+i))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// enter types a block into the shell as it stands: each command has to succeed.
func (h *hour) enter(block string) {
	h.t.Helper()
	// That something changes is a finding of diff: exit code 3.
	run := regexp.MustCompile(`(?m)^chaperone diff .*$`).ReplaceAllString(h.own(block), "$0 || [ $$? -eq 3 ]")
	if _, err := fmt.Fprintf(h.in, "set -e -o pipefail; trap 's=$?; echo; echo \"==end $s\"' EXIT\n{\n%s\n} </dev/null\ntrap - EXIT; set +e; echo; echo '==end 0'\n", run); err != nil {
		h.t.Fatal(err)
	}
	h.said = ""
	for {
		line, err := h.out.ReadString('\n')
		if status, end := strings.CutPrefix(line, "==end "); end || err != nil {
			if strings.TrimSpace(status) != "0" || err != nil {
				h.t.Fatalf("%s\nended with %s %v\n%s", block, strings.TrimSpace(status), err, h.said)
			}
			break
		}
		h.said += line
	}
	if key := regexp.MustCompile(`(?m)^key: (chp_\w+)$`).FindStringSubmatch(h.said); key != nil {
		h.key = key[1]
	}
	// What was written has the addresses of the page.
	files, err := filepath.Glob(filepath.Join(h.dir, "clinic", "*.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			h.t.Fatal(err)
		}
		if own := h.own(string(text)); own != string(text) {
			write(h.t, name, own)
		}
	}
}

// terminal starts a command that stays, in the folder of the policy, and waits
// until it is up.
func (h *hour) terminal(command string) {
	h.t.Helper()
	out := &rig.Output{}
	if strings.Contains(command, "demo") {
		out = h.receivers
	}
	args := strings.Fields(h.own(command))[1:]
	p, err := rig.Run(out, "env", append([]string{"-C", filepath.Join(h.dir, "clinic"), "NO_COLOR=1", binary}, args...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.Kill)
	i := &instance{t: h.t, admin: "http://" + h.admin, run: p, output: out}
	if out != h.receivers {
		i.waitReady()
		return
	}
	eventually(h.t, "the stand-ins are up", func() error { return shown("What each of them gets is shown below.…", out.String()) })
}

func (h *hour) shows(want, said string) {
	h.t.Helper()
	if err := shown(h.own(want), said); err != nil {
		h.t.Error(err)
	}
}

// shown reports whether every line of a block of the page is in what was
// printed.
func shown(want, said string) error {
	for line := range strings.Lines(want) {
		line = strings.TrimRight(line, "\r\n")
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = strings.ReplaceAll(regexp.QuoteMeta(parts[i]), " ", " *")
		}
		if line == "" || regexp.MustCompile(`(?m)^`+strings.Join(parts, ".*")+`\r?$`).MatchString(said) {
			continue
		}
		return fmt.Errorf("the page says %q, and what is printed is\n%s", line, said)
	}
	return nil
}
