package admin

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// referenceFile is what an SRE looks a metric up in.
const referenceFile = "../../docs/metrics.md"

// TestReference holds docs/metrics.md to what a process really shows: every
// metric with its type, labels and help.
func TestReference(t *testing.T) {
	text := scrape(t, exercised())
	kinds, labels := map[string]string{}, map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (chaperone_[a-z_]+) ([a-z]+)$`).FindAllStringSubmatch(text, -1) {
		kinds[m[1]] = m[2]
	}
	label := regexp.MustCompile(`([a-z]+)="`)
	for _, m := range regexp.MustCompile(`(?m)^(chaperone_[a-z_]+)\{([^}]*)\} `).FindAllStringSubmatch(text, -1) {
		metric := m[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			if kinds[metric] == "" {
				metric = strings.TrimSuffix(m[1], suffix)
			}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" && !slices.Contains(labels[metric], l[1]) {
				labels[metric] = append(labels[metric], l[1])
			}
		}
	}
	var b strings.Builder
	b.WriteString(`# Metrics

Written by ` + "`go test ./proxy/admin -run TestReference -update`" + `, and held to the program by the same test. Times are in seconds, sizes in bytes. Every value of a label comes from the policy or from a table of the code: nothing that a client sends can add a series. Besides these there are Go's own (` + "`go_*`" + `) and those of the process (` + "`process_*`" + `).

What to record, alert on and look at is in [monitoring.md](monitoring.md).

| metric | type | labels | meaning |
| --- | --- | --- | --- |
`)
	help := regexp.MustCompile(`(?m)^# HELP (chaperone_[a-z_]+) (.*)$`)
	for _, m := range help.FindAllStringSubmatch(text, -1) {
		slices.Sort(labels[m[1]])
		list := ""
		if len(labels[m[1]]) > 0 {
			list = "`" + strings.Join(labels[m[1]], "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m[1], kinds[m[1]], list, m[2])
	}
	if *update {
		if err := os.WriteFile(referenceFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	there, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(there) != b.String() {
		t.Errorf("%s is not what a process shows: go test ./proxy/admin -run TestReference -update", referenceFile)
	}
}

// TestEveryMetricIsShown: what is described is also collected, so that the
// reference and the linter see it.
func TestEveryMetricIsShown(t *testing.T) {
	text := scrape(t, exercised())
	ch := make(chan *prometheus.Desc, 200)
	new(stateCollector).Describe(ch)
	close(ch)
	names := regexp.MustCompile(`fqName: "([a-z_]+)"`)
	for d := range ch {
		if name := names.FindStringSubmatch(d.String())[1]; !strings.Contains(text, "# TYPE "+name+" ") {
			t.Errorf("%s is described, and no scrape shows it", name)
		}
	}
}
