package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// alertFile is what an operator loads into Prometheus.
const alertFile = "../../../deploy/prometheus/alerts.yml"

// alertRules is the part of the file that is looked at here.
type alertRules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readAlerts(t *testing.T) alertRules {
	t.Helper()
	b, err := os.ReadFile(alertFile)
	if err != nil {
		t.Fatal(err)
	}
	var rules alertRules
	if err := yaml.Unmarshal(b, &rules); err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestAlertsFire runs promtool's own checks and the unit tests of the alerts.
func TestAlertsFire(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not there: Debian has it in the package prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml", "recording.yml"}, {"test", "rules", "alerts_test.yml"}} {
		c := exec.CommandContext(t.Context(), promtool, args...)
		c.Dir = filepath.Dir(alertFile)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests, err := os.ReadFile(filepath.Join(filepath.Dir(alertFile), "alerts_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range readAlerts(t).Groups {
		for _, r := range g.Rules {
			if !regexp.MustCompile(`alertname: ` + r.Alert + `\s+exp_alerts:\n`).Match(tests) {
				t.Errorf("no test of %s sees it fire", r.Alert)
			}
		}
	}
}

// TestAlertsSpeakOfWhatIsThere looks for the metrics of every alert in those of
// a proxy that works (on Vault, so that its metrics are there as well) and among
// what is recorded, and for the page that it points to.
func TestAlertsSpeakOfWhatIsThere(t *testing.T) {
	r := newReceivers(t)
	c := install(t, r.rules(), backends["Redis, Vault by AppRole"](t))
	c.start()
	if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != 200 {
		t.Fatalf("status %d %s", a.status, a.body)
	}
	r.delivered(t, 1, 1)
	there := map[string]bool{}
	eventually(t, "the first checkpoint is signed", func() error {
		there = metricNames(t, c)
		if !there["chaperone_log_checkpoint_timestamp_seconds"] {
			return errors.New("there is none")
		}
		return nil
	})
	there["up"] = true
	for _, of := range []string{"", "destination_", "vault_", "store_"} { // shown where TLS is spoken; the rooms test it
		there["chaperone_"+of+"certificate_expiry_timestamp_seconds"] = true
	}
	there["chaperone_client_ca_expiry_timestamp_seconds"] = true
	recorded, err := os.ReadFile(filepath.Join(filepath.Dir(alertFile), "recording.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`record: (\S+)`).FindAllStringSubmatch(string(recorded), -1) {
		there[m[1]] = true
	}
	metric := regexp.MustCompile(`\b(?:[a-z_]+:)?chaperone_[a-z0-9_:]+|\bup\b`)
	pages := map[string]bool{}
	for _, g := range readAlerts(t).Groups {
		for _, rule := range g.Rules {
			names := metric.FindAllString(rule.Expr, -1)
			if len(names) == 0 {
				t.Errorf("%s speaks of no metric", rule.Alert)
			}
			for _, name := range names {
				if !there[name] {
					t.Errorf("%s: a proxy at work has no %s", rule.Alert, name)
				}
			}
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s lacks its severity, summary or description", rule.Alert)
			}
			page := rule.Annotations["runbook_url"]
			if page != "docs/runbooks/"+rule.Alert+".md" {
				t.Errorf("%s points to %q", rule.Alert, page)
			}
			b, err := os.ReadFile(filepath.Join("../../..", page))
			if err != nil {
				t.Error(err)
			}
			if !strings.Contains(string(b), rule.Expr) {
				t.Errorf("%s does not say when %s fires now", page, rule.Alert)
			}
			pages[filepath.Base(page)] = true
		}
	}
	files, err := filepath.Glob("../../../docs/runbooks/Chaperone*.md")
	if err != nil || len(files) != len(pages) {
		t.Errorf("%d pages for %d alerts, %v", len(files), len(pages), err)
	}
}

// metricNames lists the metrics of a proxy.
func metricNames(t *testing.T, c *instance) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	for line := range strings.Lines(c.ask("/metrics")) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			there[strings.Fields(name)[0]] = true
		}
	}
	return there
}
