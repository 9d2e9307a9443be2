package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// rewriteRules writes the policy of an instance anew, as an editor does.
func (i *instance) rewriteRules(rules string) {
	i.t.Helper()
	name := filepath.Join(i.dir, "rules.yaml")
	write(i.t, name+".new", rules)
	if err := os.Rename(name+".new", name); err != nil {
		i.t.Fatal(err)
	}
}

// ask asks the admin listener.
func (i *instance) ask(path string) string {
	i.t.Helper()
	resp, err := http.Get(i.admin + path)
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return string(b)
}

// planOf gives the hash of the policy in force.
func planOf(i *instance) string {
	for line := range strings.Lines(i.ask("/metrics")) {
		if rest, ok := strings.CutPrefix(line, `chaperone_plan_info{hash="`); ok {
			hash, _, _ := strings.Cut(rest, `"`)
			return hash
		}
	}
	return ""
}

// TestReloadUnderLoad changes the policy again and again while sales go through:
// none is dropped, and each is served by one policy to its end. With one the
// processor reads one description and the ledger is called at one path, with the
// other at another. No sale mixes them.
func TestReloadUnderLoad(t *testing.T) {
	r := newReceivers(t)
	first := r.rules()
	second := strings.Replace(first, "        items: retail\n", "        items: retail\n        path: /v2/sales\n", 1)
	second = strings.Replace(second, `set: {description: "Store purchase"}`, `set: {description: "Another purchase"}`, 1)
	if first == second || strings.Count(second, "Another purchase") != 1 {
		t.Fatal("the sample is not what this test thinks")
	}
	c := install(t, first, redisState(t))
	c.start()
	hashes := map[string]bool{planOf(c): true}
	var sold atomic.Int32
	stop := make(chan struct{})
	var load sync.WaitGroup
	for n := range 6 {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				a, err := c.post("/v1/checkout", frontDesk, basket(fmt.Sprintf("sale-%d-%d", n, i), visa))
				if err != nil || a.status != http.StatusOK {
					t.Errorf("a sale was dropped: %v, status %d %s", err, a.status, a.body)
					return
				}
				sold.Add(1)
			}
		})
	}
	for i := range 6 {
		c.rewriteRules([]string{second, first}[i%2])
		want := sold.Load() + 20
		before := planOf(c)
		eventually(t, "another policy is in force", func() error {
			if now := planOf(c); now == before && len(hashes) < 2 || sold.Load() < want || i > 0 && c.metric(`chaperone_policy_reloads_total{result="taken"}`) < fmt.Sprint(i+1) {
				return fmt.Errorf("%s after %s, %d sold", now, before, sold.Load())
			}
			return nil
		})
		hashes[planOf(c)] = true
	}
	close(stop)
	load.Wait()
	if len(hashes) != 2 {
		t.Errorf("%d policies were in force", len(hashes))
	}
	both := onePolicyEach(t, r, int(sold.Load()))
	t.Logf("%d sales, %v by policy", sold.Load(), both)
	for hash := range hashes {
		if _, err := os.Stat(filepath.Join(c.dir, "data", "policies", hash, "rules.yaml")); err != nil {
			t.Error(err)
		}
	}
	out, err := c.command("log", "export", "--kind", "reload")
	if err != nil || strings.Count(out, `"kind":"reload"`) != 6 || !strings.Contains(out, "leg checkout/ledger: path is new: /v2/sales") {
		t.Errorf("%v: what was changed is not on record:\n%s", err, out)
	}
	if out, err := c.command("log", "verify"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// onePolicyEach counts the sales of each policy, as the processor and the ledger
// saw them.
func onePolicyEach(t *testing.T, r receivers, sales int) map[string]int {
	t.Helper()
	r.delivered(t, sales, sales)
	count := map[string]int{}
	for _, call := range r.processor.got() {
		var body struct{ Description string }
		if err := json.Unmarshal(call.Body, &body); err != nil {
			t.Fatal(err)
		}
		count[body.Description]++
	}
	ledger := map[string]int{}
	for _, call := range r.ledger.got() {
		ledger[call.URL]++
	}
	if count["Store purchase"] == 0 || count["Another purchase"] == 0 {
		t.Errorf("one of the policies served nobody: %v", count)
	}
	if ledger["/v1/checkout"] != count["Store purchase"] || ledger["/v2/sales"] != count["Another purchase"] {
		t.Errorf("processor %v, ledger %v: some sales mix the two policies", count, ledger)
	}
	return count
}

// TestReloadIsAllOrNothing: a policy with mistakes leaves the one before in
// force, and everybody is told.
func TestReloadIsAllOrNothing(t *testing.T) {
	r := newReceivers(t)
	good := r.rules()
	c := install(t, good, redisState(t))
	c.start()
	before := planOf(c)
	c.rewriteRules(strings.Replace(good, "basket:", "baskt:", 1))
	eventually(t, "the mistake is noticed", func() error {
		if c.metric("chaperone_policy_stale") != "1" {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if planOf(c) != before {
		t.Error("a policy with mistakes is in force")
	}
	if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
	if ready := c.ask("/readyz"); !strings.Contains(ready, "has mistakes") || !strings.Contains(ready, `"ready":true`) {
		t.Errorf("readyz: %s", ready)
	}
	if out := c.output.String(); !strings.Contains(out, "the policy was not taken") || !strings.Contains(out, "unknown_key") {
		t.Errorf("the log does not say what is wrong:\n%s", out)
	}
	// Whoever asks is told with line, column and hint.
	out, err := c.command("reload")
	if err == nil || !strings.Contains(out, "rules.yaml:") || !strings.Contains(out, "did you mean") && !strings.Contains(out, "hint:") || !strings.Contains(out, "the policy before stays in force") {
		t.Errorf("%v\n%s", err, out)
	}
	// Mended, it is taken, at SIGHUP as well.
	c.rewriteRules(strings.Replace(good, "Store purchase", "Purchase", 1))
	if err := c.run.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mended policy is in force", func() error {
		if planOf(c) == before || c.metric("chaperone_policy_stale") != "0" {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if ready := c.ask("/readyz"); strings.Contains(ready, "has mistakes") {
		t.Errorf("readyz: %s", ready)
	}
	if out, err := c.command("reload"); err != nil || !strings.Contains(out, "the same policy is in force") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = c.command("log", "export", "--kind", "reload")
	if err != nil || !strings.Contains(out, `"result":"failed"`) || !strings.Contains(out, `"result":"ok"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReloadNewDestination: a destination that comes with another policy is
// delivered to at once, and one that is gone leaves its legs parked.
func TestReloadNewDestination(t *testing.T) {
	r := newReceivers(t)
	archive := newReceiver(t, respond(200, `{}`))
	c := install(t, r.rules(), redisState(t))
	c.start()
	more := strings.Replace(r.rules(), "\ncallers:\n", fmt.Sprintf("\n  archive:\n    url: %s\ncallers:\n", archive.URL), 1)
	more = strings.Replace(more, "      - to: ledger\n", "      - {to: archive, items: none, keep: [transaction_id, currency]}\n      - to: ledger\n", 1)
	c.rewriteRules(more)
	if out, err := c.command("reload"); err != nil || !strings.Contains(out, "destination archive is new") && !strings.Contains(out, "the same policy") {
		t.Fatalf("%v\n%s", err, out)
	}
	if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != http.StatusOK {
		t.Fatalf("status %d %s", a.status, a.body)
	}
	eventually(t, "the new destination has its leg", func() error {
		if len(archive.got()) == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}
