package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chaperone/store/redistest"
)

// elsewhere are the commands of runbooks that speak to what is not on a machine
// of tests: systemd, and Vault's own program.
var elsewhere = regexp.MustCompile(`^(systemctl|journalctl|vault) `)

// TestRunbookCommands runs every command of every runbook as it stands, against
// a proxy with a sale in doubt and legs that wait. Only the names of what is
// acted on are put in.
func TestRunbookCommands(t *testing.T) {
	r := newReceivers(t)
	server := redistest.Start(t, redistest.Options{})
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", server.Addr))
	c.start()
	book := newRunbook(t, c, server.Addr, r)
	pages, err := filepath.Glob("../../../docs/runbooks/*.md")
	if err != nil || len(pages) < 30 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	ran := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
			for command := range strings.Lines(block[1]) {
				if command = strings.TrimSpace(command); command == "" || elsewhere.MatchString(command) {
					continue
				}
				ran++
				if out, err := book.run(command); err != nil {
					t.Errorf("%s: %s: %v\n%s", filepath.Base(page), command, err, out)
				}
			}
		}
	}
	if ran < 40 {
		t.Errorf("only %d commands were tried", ran)
	}
}

// runbook runs commands as an operator would.
type runbook struct {
	t     *testing.T
	c     *instance
	r     receivers
	redis string // host:port
	made  int    // sales
	path  string // a folder with chaperone in it
}

func newRunbook(t *testing.T, c *instance, redis string, r receivers) *runbook {
	b := &runbook{t: t, c: c, r: r, redis: redis, path: t.TempDir()}
	if err := os.Symlink(binary, filepath.Join(b.path, "chaperone")); err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs a command line with bash, after it has put in the proxy's address and
// the names of what it acts on.
func (b *runbook) run(line string) (string, error) {
	switch {
	case strings.Contains(line, "outbox resolve KEY"):
		line = strings.Replace(line, "KEY", b.doubt(), 1)
	case strings.Contains(line, "KEY/ATTEMPT/LEG"):
		line = strings.Replace(line, "KEY/ATTEMPT/LEG", b.waiting(), 1)
	}
	line = strings.ReplaceAll(line, "http://127.0.0.1:9090", b.c.admin)
	host, port, _ := strings.Cut(b.redis, ":")
	line = strings.ReplaceAll(line, "redis-cli ", "redis-cli -h "+host+" -p "+port+" ")
	if strings.Contains(line, "--latency-history") {
		line = "timeout 2 " + line + " || [ $? -eq 124 ]"
	}
	// That there is nothing to see is what a healthy proxy shows.
	line = regexp.MustCompile(`\| grep (.*)$`).ReplaceAllString(line, "| { grep $1 || [ $$? -eq 1 ]; }")
	cmd := exec.Command("bash", "-o", "pipefail", "-c", line)
	cmd.Dir = b.c.dir
	cmd.Env = append(os.Environ(), "PATH="+b.path+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// doubt makes a sale in doubt, and gives its key.
func (b *runbook) doubt() string {
	b.t.Helper()
	b.r.processor.answering(respond(http.StatusServiceUnavailable, "{}"))
	b.made++
	b.c.mustPost("/v1/checkout", frontDesk, basket(fmt.Sprint("doubt-", b.made), visa))
	b.r.processor.answering(respond(http.StatusOK, `{"status":"approved"}`))
	return b.first("outbox", "doubts")
}

// waiting makes a sale whose legs are not accepted, and gives the name of one.
func (b *runbook) waiting() string {
	b.t.Helper()
	b.r.ehr.answering(respond(http.StatusServiceUnavailable, "{}"))
	b.made++
	if a := b.c.mustPost("/v1/checkout", frontDesk, basket(fmt.Sprint("waits-", b.made), visa)); a.status != http.StatusOK {
		b.t.Fatalf("status %d", a.status)
	}
	name := ""
	eventually(b.t, "a leg waits", func() error {
		out, err := b.c.command("outbox", "list", "--json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		name = legName(out)
		if name == "" {
			return fmt.Errorf("none: %s", out)
		}
		return nil
	})
	return name
}

// legName gives the name of the first leg that nobody has in hand.
func legName(out string) string {
	for line := range strings.Lines(out) {
		var leg struct{ Ref, State string }
		if json.Unmarshal([]byte(line), &leg) == nil && leg.Ref != "" && leg.State == "due" {
			return leg.Ref
		}
	}
	return ""
}

// first gives the key of the first that a verb lists.
func (b *runbook) first(verb ...string) string {
	b.t.Helper()
	out, err := b.c.command(append(verb, "--json")...)
	if err != nil {
		b.t.Fatalf("%v %s", err, out)
	}
	for line := range strings.Lines(out) {
		var item struct{ Key string }
		if json.Unmarshal([]byte(line), &item) == nil && item.Key != "" {
			return item.Key
		}
	}
	b.t.Fatalf("nothing is listed: %s", out)
	return ""
}
