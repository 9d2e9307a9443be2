package e2e

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chaperone/cmd/chaperone/e2e/rig"
)

const dashboardFolder = "../../../deploy/grafana"

// dashboard is the part of a Grafana dashboard that is looked at here.
type dashboard struct {
	UID        string
	Title      string
	Panels     []panel
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct{ Expr string }
	}
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct{ Expr string }
}

func readDashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dashboardFolder, "*.json"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	all := map[string]dashboard{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[filepath.Base(name)] = d
	}
	return all
}

// TestDashboardsAreWellFormed: ids are unique, panels do not lie on one another,
// and every variable of a query is one of the dashboard.
func TestDashboardsAreWellFormed(t *testing.T) {
	uids := map[string]string{}
	for name, d := range readDashboards(t) {
		if other := uids[d.UID]; other != "" || d.UID+".json" != name {
			t.Errorf("%s has the uid %s, as has %q", name, d.UID, other)
		}
		uids[d.UID] = name
		variables := map[string]bool{"__rate_interval": true}
		for _, v := range d.Templating.List {
			variables[v.Name] = true
		}
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have the id %d", name, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if under := taken[[2]int{x, y}]; under != "" || x >= 24 {
						t.Fatalf("%s: %q lies on %q", name, p.Title, under)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: %q asks nothing", name, p.Title)
			}
			for _, target := range p.Targets {
				for _, v := range regexp.MustCompile(`\$([a-z_]\w*)`).FindAllStringSubmatch(target.Expr, -1) {
					if !variables[v[1]] {
						t.Errorf("%s: %q speaks of %s, which is no variable", name, p.Title, v[0])
					}
				}
			}
		}
	}
}

// prometheus is a real one that scrapes a proxy.
type prometheus struct{ address string }

// startPrometheus starts one with the recording rules, all of it once a second.
func startPrometheus(t *testing.T, admin string) prometheus {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is not there: Debian has it in a package of that name")
	}
	dir := t.TempDir()
	rules, err := os.ReadFile("../../../deploy/prometheus/recording.yml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "recording.yml"), strings.ReplaceAll(string(rules), "interval: 30s", "interval: 1s"))
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [recording.yml]
scrape_configs:
  - job_name: chaperone
    static_configs: [{targets: [%q]}]
`, strings.TrimPrefix(admin, "http://")))
	p := prometheus{address: freePort(t)}
	var output rig.Output
	process, err := rig.Run(&output, program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.address, "--log.level=warn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	return p
}

// ask gives the values that a query has now.
func (p prometheus) ask(query string) ([]string, error) {
	resp, err := http.Get("http://" + p.address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, errors.New(answer.Error)
	}
	var values []string
	for _, r := range answer.Data.Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values, nil
}

// throughTLS has a policy reach a destination by TLS, so that it shows a
// certificate.
func throughTLS(t *testing.T, policy, address string) string {
	t.Helper()
	behind, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(behind))
	t.Cleanup(front.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
	with := strings.Replace(policy, "url: "+address, "url: "+front.URL+"\n    ca_file: "+ca, 1)
	if with == policy {
		t.Fatal("the policy has no such destination")
	}
	return with
}

// TestNoPanelWithoutData asks a real Prometheus every query of every dashboard,
// and what is recorded, while a proxy on Redis and Vault works.
func TestNoPanelWithoutData(t *testing.T) {
	r := newReceivers(t)
	c := install(t, throughTLS(t, r.rules(), r.processor.URL), backends["Redis, Vault by AppRole"](t))
	c.start()
	p := startPrometheus(t, c.admin)
	sales := 0
	sell := func() {
		sales++
		a := c.mustPost("/v1/checkout", frontDesk, basket(fmt.Sprint("sale-", sales), visa))
		token := checkAnswer(t, a)
		withToken := strings.Replace(basket(fmt.Sprint("again-", sales), visa), `"number": "`+visa+`"`, `"number": "`+token+`"`, 1)
		if a := c.mustPost("/v1/checkout", frontDesk, withToken); a.status != 200 {
			t.Fatalf("status %d %s", a.status, a.body)
		}
		if a := c.mustPost("/v1/checkout", frontDesk, "{"); a.status != 400 {
			t.Fatalf("status %d %s", a.status, a.body)
		}
	}
	variables := regexp.MustCompile(`\$(instance|route|destination)\b`)
	hasData := func(what, query string) {
		t.Helper()
		query = variables.ReplaceAllString(strings.ReplaceAll(query, "$__rate_interval", "30s"), ".*")
		eventually(t, what, func() error {
			values, err := p.ask(query)
			for _, v := range values {
				if v != "NaN" {
					return nil
				}
			}
			sell()
			return fmt.Errorf("%s: %d values %v, %v", query, len(values), values, err)
		})
	}
	for name, d := range readDashboards(t) {
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				hasData(name+": "+panel.Title, target.Expr)
			}
		}
		for _, v := range d.Templating.List {
			if of, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
				metric, label, _ := strings.Cut(strings.TrimSuffix(of, ")"), ", ")
				hasData(name+": $"+v.Name, fmt.Sprintf(`count by (%s) (%s{%s!=""})`, label, metric, label))
			}
		}
	}
	recorded, err := os.ReadFile("../../../deploy/prometheus/recording.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`record: (\S+)`).FindAllStringSubmatch(string(recorded), -1) {
		hasData("recorded", m[1])
	}
}
