package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/rules/reason"
	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/vault/keys"
)

func logEntry() audit.Entry {
	return audit.Entry{
		Time: time.Date(2026, 3, 1, 9, 30, 0, 120_000_000, time.UTC), Kind: audit.KindDecision, Chain: "node-a",
		Request: "rqbcd", Caller: "front-desk", Origin: netip.MustParseAddr("192.0.2.7"), Route: "checkout",
		Result: audit.ResultForwarded, Attempt: 2, Took: 412,
		Legs: []audit.Leg{{Name: "processor", State: audit.LegPrimary}, {Name: "ehr", State: audit.LegDelivered, Status: 204}},
		Decisions: []audit.Decision{
			{Rule: "labels.pan", Pattern: "payment.card.number", Label: "pan", Form: "token", To: "ehr", Count: 1},
			{Rule: "basket.classes.clinical", Pattern: "items.#", Label: "phi", Class: "clinical", Form: "drop", To: "ledger", Count: 3},
		},
	}
}

func TestLogLines(t *testing.T) {
	whole := logEntry()
	refusal := audit.Entry{
		Time: whole.Time, Kind: audit.KindRefusal, Result: audit.ResultRefused, Reason: reason.Blocked,
		Status: 422, Rule: "labels.phi", Pattern: "patient\x1b[31m", Repeats: 4,
	}
	read := audit.Entry{Time: whole.Time, Kind: audit.KindLogRead, Action: audit.ActionLogTail, Caller: "local:1000", Result: audit.ResultOK}
	for name, c := range map[string]struct {
		line control.LogLine
		want string
	}{
		"a decision": {control.LogLine{Entry: whole.Append(nil)}, `
2026-03-01T09:30:00.120Z  decision  forwarded  checkout      front-desk    rqbcd  processor=primary  ehr=delivered(204)  attempt=2  decisions=4  took=410µs
    pan → ehr: token ×1  payment.card.number  (labels.pan)
    phi clinical → ledger: drop ×3  items.#  (basket.classes.clinical)
`},
		"a refusal, with what would move a terminal": {control.LogLine{Entry: refusal.Append(nil)}, `
2026-03-01T09:30:00.120Z  refusal   refused    -             -             -  status=422  reason=blocked  rule=labels.phi  at=patient` + "\ufffd" + `[31m  repeats=4
`},
		"a reading": {control.LogLine{Entry: read.Append(nil)}, `
2026-03-01T09:30:00.120Z  log_read  ok         -             local:1000    -  action=log_tail
`},
		"a fault": {control.LogLine{Chain: "node-a", Seq: 7, Fault: "unreadable"}, "\nnode-a 7: unreadable; run `chaperone log verify`\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := writeLogLine(&b, palette{}, c.line, true); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + b.String(); got != c.want {
				t.Errorf("got%swant%s", got, c.want)
			}
		})
	}
}

func TestLogJSON(t *testing.T) {
	e := logEntry()
	for name, c := range map[string]struct {
		line control.LogLine
		want string
	}{
		"an entry": {control.LogLine{Chain: "node-b", Seq: 9, Entry: e.Append(nil)}, `{"log":"node-b","seq":9,` + string(e.Append(nil))[1:] + "\n"},
		"a fault":  {control.LogLine{Chain: "node-b", Seq: 9, Fault: "malformed"}, `{"log":"node-b","seq":9,"fault":"malformed"}` + "\n"},
	} {
		var b bytes.Buffer
		if err := writeLogJSON(&b, c.line); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want || !json.Valid(b.Bytes()) {
			t.Errorf("%s: got %s", name, b.String())
		}
	}
}

func TestReport(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	chains := []audit.ChainReport{
		{Chain: "node-a", Entries: 12, First: 1, Last: 12, From: at, To: at.Add(time.Hour), Signed: 10},
		{Chain: "node-b"},
	}
	damaged := []audit.ChainReport{chains[0]}
	damaged[0].Found = 5
	for name, c := range map[string]struct {
		report audit.Report
		want   string
	}{
		"whole": {audit.Report{Chains: chains}, `
CHAIN   ENTRIES  FROM                  TO                    SIGNED UP TO  FINDINGS
node-a  12       2026-03-01T09:30:00Z  2026-03-01T10:30:00Z  10            0
node-b  0        -                     -                     -             0

the log is whole: entries: 12, chains: 2
`},
		"empty": {audit.Report{}, "\nthe log is whole: entries: 0, chains: 0\n"},
		"damaged": {audit.Report{Chains: damaged, Findings: []audit.Finding{
			{Kind: audit.Forged, Note: "line 1 of the local checkpoints is not one"},
			{Kind: audit.Edited, Chain: "node-a", Seq: 3},
			{Kind: audit.Removed, Chain: "node-a", Seq: 5, To: 6},
			{Kind: audit.Swapped, Chain: "node-a", Seq: 7, To: 9},
			{Kind: audit.Duplicated, Chain: "node-a", Seq: 11, To: 2},
			{Kind: audit.Missing, Chain: "node-z", Seq: 1, To: 8, Note: "the store does not hold it"},
		}}, `
CHAIN   ENTRIES  FROM                  TO                    SIGNED UP TO  FINDINGS
node-a  12       2026-03-01T09:30:00Z  2026-03-01T10:30:00Z  10            5

checkpoints: forged checkpoint (line 1 of the local checkpoints is not one)
node-a 3: edited
node-a 5–6: removed
node-a 7: swapped with 9
node-a 11: duplicated, it is entry 2 again
node-z 1–8: missing chain (the store does not hold it)
… and 1 more
the log was changed: entries: 12, chains: 1
`},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := writeReport(&b, palette{}, c.report); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + b.String(); got != c.want {
				t.Errorf("got%swant%s", got, c.want)
			}
		})
	}
}

// stoppedProxy is a data folder as a proxy leaves it: a store with a log of
// some entries, and a keyring.
func stoppedProxy(t *testing.T, entries int, state string) (configFile string) {
	t.Helper()
	dir := t.TempDir()
	configFile = filepath.Join(dir, "chaperone.yaml")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("chaperone.yaml", "rules: rules.yaml\nlisten: {address: 127.0.0.1:0}\ndata: data\n"+state)
	write("rules.yaml", "")
	if entries == 0 {
		return configFile
	}
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	cfg, err := a.openConfig(configFile)
	if err != nil {
		t.Fatalf("%v\n%s", err, a.err)
	}
	logger := slog.New(slog.DiscardHandler)
	d, err := cfg.openDriver(t.Context(), logger)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.OpenLocal(t.Context(), keys.LocalOptions{Dir: cfg.data})
	if err != nil {
		t.Fatal(err)
	}
	c, err := store.NewCommitter(t.Context(), d, store.CommitterOptions{Chain: "node-abcd", Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	sealing := audit.NewSealing(ring, "node-abcd")
	for range entries {
		e := logEntry()
		if err := c.Commit(t.Context(), &store.Unit{Entries: [][]byte{sealing.Seal(nil, &e)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ring.Close()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return configFile
}

// runVerb runs the command line and returns its exit code and what it printed.
func runVerb(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// TestReadingTheFiles reads a stopped proxy's log. Each reading is on record,
// in a chain of its own, and is signed.
func TestReadingTheFiles(t *testing.T) {
	t.Run("file", func(t *testing.T) { testReading(t, "") })
	t.Run("redis", func(t *testing.T) {
		server := redistest.Start(t, redistest.Options{})
		testReading(t, fmt.Sprintf("state: {redis: {addresses: [%q]}}\n", server.Addr))
	})
}

func testReading(t *testing.T, state string) {
	config := stoppedProxy(t, 3, state)
	code, out, errs := runVerb("log", "tail", "--config", config, "--json")
	if code != exitOK || errs != "" {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], `"log":"node-abcd","seq":1`) {
		t.Fatalf("got\n%s", out)
	}
	me := `"kind":"log_read","action":"log_tail","chain":"cli-`
	if !strings.Contains(lines[3], me) || !strings.Contains(lines[3], fmt.Sprintf(`"caller":"local:%d"`, os.Getuid())) {
		t.Errorf("the reading is recorded as %s", lines[3])
	}
	for _, args := range [][]string{{"outbox", "list"}, {"outbox", "doubts"}, {"outbox", "list", "--json"}, {"log", "tail", "-n", "0"}} {
		code, out, errs := runVerb(append(args, "--config", config)...)
		if code != exitOK || errs != "" {
			t.Errorf("%v: exit code %d, %s%s", args, code, out, errs)
		}
	}
	code, out, errs = runVerb("log", "verify", "--config", config)
	if code != exitOK || errs != "" || !strings.HasSuffix(out, "the log is whole: entries: 9, chains: 7\n") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	code, out, _ = runVerb("log", "verify", "--config", config, "--json")
	var report struct {
		OK     bool
		Chains []audit.ChainReport
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitOK || !report.OK || len(report.Chains) != 8 {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	for _, c := range report.Chains {
		if strings.HasPrefix(c.Chain, "cli-") && c.Signed != c.Last {
			t.Errorf("chain %s is signed up to %d of %d", c.Chain, c.Signed, c.Last)
		}
	}
}

// TestVerifyFindsDamageInTheFiles takes the head of a chain away.
func TestVerifyFindsDamageInTheFiles(t *testing.T) {
	config := stoppedProxy(t, 5, "")
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	cfg, err := a.openConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cfg.openDriver(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.LogTrim(t.Context(), "node-abcd", 3); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runVerb("log", "verify", "--config", config)
	if code != exitFindings || errs != "" || !strings.Contains(out, "\nnode-abcd 1–2: removed (the beginning of the chain)\nthe log was changed: ") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestReadingNothing(t *testing.T) {
	config := stoppedProxy(t, 0, "")
	for _, args := range [][]string{{"log", "tail"}, {"log", "verify"}, {"outbox", "list"}, {"outbox", "doubts"}} {
		code, out, errs := runVerb(append(args, "--config", config)...)
		if code != exitFailed || out != "" || !strings.HasPrefix(errs, "error: there is no store in the data folder ") || strings.Count(errs, "\nhint: ") != 1 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(config), "data")); !os.IsNotExist(err) {
		t.Errorf("reading made the data folder: %v", err)
	}
}
