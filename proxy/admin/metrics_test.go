package admin

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
)

// testPlan has two routes, three destinations and the usual labels.
func testPlan() *rules.Plan {
	expires := time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC)
	return &rules.Plan{
		Hash: "mfrggzdfmztwq2lk",
		Labels: []rules.Label{
			{Name: "pan", Parent: rules.NoLabel}, {Name: "sad", Parent: rules.NoLabel}, {Name: "phi", Parent: rules.NoLabel},
		},
		Destinations: []rules.Destination{
			{Name: "processor", Agreement: &rules.Agreement{Kind: "DPA", Expires: expires}},
			{Name: "ehr", Agreement: &rules.Agreement{Kind: "BAA", Expires: expires}},
			{Name: "ledger"},
		},
		Callers: []rules.Caller{{Name: "front-desk"}},
		Routes:  []rules.Route{{Name: "checkout", Legs: []rules.Leg{{Name: "processor"}, {Name: "ehr", When: &rules.Expression{}}}}, {Name: "refund"}},
	}
}

// scrape returns what Prometheus would get.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("status %d, %v", w.Code, err)
	}
	return string(body)
}

func mustHave(t *testing.T, metrics string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			var like []string
			for l := range strings.Lines(metrics) {
				if strings.HasPrefix(l, name) {
					like = append(like, l)
				}
			}
			t.Errorf("no line %s; there is\n%s", line, strings.Join(like, ""))
		}
	}
}

// exercised returns metrics on which every method was called, with a full
// State.
func exercised() *Metrics {
	m := NewMetrics(Build{Version: "0.1.0", Revision: "abc"})
	p := m.Use(testPlan(), time.Unix(1_700_000_000, 0))
	m.SetState(func(context.Context) State {
		return State{
			Ready: true, StoreUp: true, StoreKind: "redis", StoreSafe: true, Replicas: 1, Store: Failovers{Fsync: "everysec", Masters: 8, Resent: 9, Restored: 10, ChainRestarts: 11}, Pending: 2, Journal: 3, Late: 7,
			LogSeq: 44, CheckpointSeq: 40, CheckpointTime: time.UnixMilli(1_700_000_001_500),
			KeyringKind: "vault", VaultUp: true, VaultSealed: false, KeyringRevision: 3,
			VaultRefreshed: time.UnixMilli(1_700_000_001_500), VaultTokenExpires: time.Now().Add(time.Hour),
			Keys: []KeyState{{Use: "pan", Generation: 2, Since: time.Now()}, {Use: "made up", Generation: 1}},
			Queues: []QueueState{
				{Destination: "ehr", Depth: 5, Oldest: 90 * time.Second, Dead: 1, Parked: 2},
				{Destination: "gone", Depth: 7}, {Destination: "left", Depth: 2, Oldest: time.Second},
			},
			Doubts: 6, OldestDoubt: time.Minute,
			Certificates:     []CertificateState{{Listener: "requests", Expires: time.Unix(1_800_000_000, 0), ClientCA: time.Unix(1_900_000_000, 0)}},
			Shown:            []ShownState{{Destination: "processor", Expires: time.Unix(1_800_000_000, 0)}, {Destination: "gone", Expires: time.Unix(1_800_000_000, 0)}},
			VaultCertificate: time.Unix(1_800_000_000, 0), StoreCertificate: time.Unix(1_800_000_000, 0),
		}
	})
	m.Begin()
	m.Begin()
	m.End()
	m.Append(300 * time.Microsecond)
	p.Request(Request{Route: 0, Status: 200, Took: 80 * time.Millisecond, Waited: 79 * time.Millisecond, BodyIn: 1600, BodyOut: 300})
	p.Request(Request{Route: 1, Status: 422, Reason: reason.TokenUnknown, Took: time.Millisecond, BodyIn: 10})
	p.Request(Request{Route: -1, Status: 404, Reason: reason.RouteUnknown, Took: time.Microsecond})
	p.Request(Request{Route: 99, Status: 777, Reason: "made_up", Took: 1, Waited: 2})
	p.Outcome(0, audit.ResultReleased)
	p.Outcome(0, audit.ResultDead)
	p.Decided("pan", rules.Token).Add(2)
	p.Decided("phi.unheard", rules.Drop).Add(1)
	p.Decided("sad", rules.Form(99)).Add(1)
	p.Decided("pan", rules.Mask).Add(-5)
	p.Condition(0, 1, true)
	p.Condition(0, 0, true)
	p.Condition(7, 1, false)
	p.Leg(1, LegAccepted)
	p.Leg(1, LegResult(200))
	p.Upstream(0, 79*time.Millisecond)
	p.EgressBlocked(2)
	p.Minted(0, 3)
	p.Revealed(0, 4)
	p.Unknown(rules.NoLabel, 1)
	return m
}

func TestMetricsCount(t *testing.T) {
	mustHave(t, scrape(t, exercised()),
		`chaperone_requests_total{code="2xx",reason="none",route="checkout"} 1`,
		`chaperone_requests_total{code="2xx",reason="none",route="refund"} 0`,
		`chaperone_requests_total{code="4xx",reason="token_unknown",route="refund"} 1`,
		`chaperone_requests_total{code="4xx",reason="route_unknown",route="other"} 1`,
		`chaperone_requests_total{code="other",reason="other",route="other"} 1`,
		`chaperone_requests_in_flight 1`,
		`chaperone_outcomes_total{outcome="released",route="checkout"} 1`,
		`chaperone_outcomes_total{outcome="other",route="checkout"} 1`,
		`chaperone_outcomes_total{outcome="unknown",route="refund"} 0`,
		`chaperone_decisions_total{form="token",label="pan"} 2`,
		`chaperone_decisions_total{form="mask",label="pan"} 0`,
		`chaperone_decisions_total{form="drop",label="other"} 1`,
		`chaperone_decisions_total{form="other",label="sad"} 1`,
		`chaperone_leg_results_total{destination="ehr",result="accepted"} 1`,
		`chaperone_leg_conditions_total{leg="ehr",result="sent",route="checkout"} 1`,
		`chaperone_leg_conditions_total{leg="ehr",result="skipped",route="checkout"} 0`,
		`chaperone_leg_results_total{destination="ehr",result="other"} 1`,
		`chaperone_egress_blocked_total{destination="ledger"} 1`,
		`chaperone_egress_blocked_total{destination="ehr"} 0`,
		`chaperone_tokens_minted_total{label="pan"} 3`,
		`chaperone_tokens_revealed_total{label="pan"} 4`,
		`chaperone_tokens_unknown_total{label="other"} 1`,
		`chaperone_request_duration_seconds_bucket{route="checkout",le="0.1"} 1`,
		`chaperone_request_duration_seconds_bucket{route="checkout",le="0.05"} 0`,
		`chaperone_request_proxy_duration_seconds_bucket{route="checkout",le="0.001"} 1`,
		`chaperone_request_proxy_duration_seconds_sum{route="other"} 1e-06`,
		`chaperone_upstream_duration_seconds_count{destination="processor"} 1`,
		`chaperone_request_body_bytes_sum{route="checkout"} 1600`,
		`chaperone_response_body_bytes_sum{route="checkout"} 300`,
		`chaperone_store_append_duration_seconds_count 1`,
		`chaperone_agreement_expiry_timestamp_seconds{destination="ehr",kind="BAA"} 1.8302112e+09`,
		`chaperone_plan_info{hash="mfrggzdfmztwq2lk"} 1`,
		`chaperone_plan_loaded_timestamp_seconds 1.7e+09`,
		`chaperone_store_up 1`, `chaperone_store_info{kind="redis"} 1`, `chaperone_store_settings_safe 1`,
		`chaperone_store_journal_units 3`, `chaperone_store_late_registers_total 7`, `chaperone_store_pending_units 2`, `chaperone_store_replicas 1`,
		`chaperone_store_failovers_total 8`, `chaperone_store_resent_units_total 9`, `chaperone_store_restored_records_total 10`,
		`chaperone_store_chain_restarts_total 11`, `chaperone_store_fsync_info{mode="everysec"} 1`,
		`chaperone_log_sequence 44`, `chaperone_log_checkpoint_sequence 40`,
		`chaperone_log_checkpoint_timestamp_seconds 1.7000000015e+09`,
		`chaperone_keyring_info{kind="vault"} 1`, `chaperone_vault_up 1`, `chaperone_vault_sealed 0`, `chaperone_keyring_revision 3`,
		`chaperone_key_generation{use="pan"} 2`, `chaperone_key_generation{use="other"} 1`, `chaperone_vault_keyset_lost 0`,
		`chaperone_queue_depth{destination="ehr"} 5`, `chaperone_queue_depth{destination="ledger"} 0`,
		`chaperone_queue_depth{destination="other"} 9`,
		`chaperone_queue_oldest_age_seconds{destination="ehr"} 90`,
		`chaperone_dead_letters{destination="ehr"} 1`, `chaperone_parked_legs{destination="ehr"} 2`,
		`chaperone_certificate_expiry_timestamp_seconds{listener="requests"} 1.8e+09`,
		`chaperone_token_limit_reached_total{caller="front-desk",limit="failed_reveals"} 0`,
		`chaperone_doubts 6`, `chaperone_doubt_oldest_age_seconds 60`, `chaperone_ready 1`, `chaperone_draining 0`,
	)
	if !regexp.MustCompile(`chaperone_build_info\{goversion="go[^"]+",revision="abc",version="0.1.0"\} 1`).MatchString(scrape(t, exercised())) {
		t.Error("no build info")
	}
}

// TestMetricsPassPromtool asks Prometheus's own linter.
func TestMetricsPassPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not there: Debian has it in the package prometheus")
	}
	c := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	c.Stdin = strings.NewReader(scrape(t, exercised()))
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil || out.Len() > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestMetricsAreBounded sends what a client could choose, and counts series.
func TestMetricsAreBounded(t *testing.T) {
	m := NewMetrics(Build{})
	p := m.Use(testPlan(), time.Now())
	count := func() int { return strings.Count(scrape(t, m), "\nchaperone_") }
	send := func(from, to int) {
		for i := from; i < to; i++ {
			p.Request(Request{Route: i + 5, Status: 600 + i, Reason: reason.Code(strings.Repeat("x", i+1))})
			p.Decided(strings.Repeat("y", i+1), rules.Form(50+i)).Add(1)
			p.Minted(rules.LabelID(50+i), 1)
			p.Leg(10+i, LegAccepted)
		}
	}
	send(0, 1)
	before := count()
	send(1, 200)
	if after := count(); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}

func TestUseAnotherPlan(t *testing.T) {
	m := NewMetrics(Build{})
	old := m.Use(testPlan(), time.Unix(1, 0))
	next := testPlan()
	next.Hash = "next"
	next.Destinations = next.Destinations[2:]
	m.Use(next, time.Unix(2, 0))
	old.Request(Request{Route: 0, Status: 200}) // a request that still holds the old plan
	metrics := scrape(t, m)
	mustHave(t, metrics, `chaperone_plan_info{hash="next"} 1`, `chaperone_requests_total{code="2xx",reason="none",route="checkout"} 1`)
	for _, gone := range []string{"mfrggzdfmztwq2lk", "chaperone_agreement_expiry"} {
		if strings.Contains(metrics, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	m := NewMetrics(Build{})
	p := m.Use(testPlan(), time.Now())
	request := func() {
		m.Begin()
		p.Request(Request{Route: 1, Status: 422, Reason: reason.Blocked, Took: time.Millisecond, BodyIn: 5})
		p.Request(Request{Route: -1, Status: 404, Reason: reason.RouteUnknown})
		p.Outcome(0, audit.ResultVoid)
		p.Decided("pan", rules.Token).Add(1)
		p.Leg(1, LegBroken)
		p.Upstream(1, time.Second)
		p.Minted(0, 1)
		p.Revealed(0, 1)
		p.Unknown(0, 1)
		p.EgressBlocked(0)
		m.Append(time.Millisecond)
		m.End()
	}
	if n := testing.AllocsPerRun(100, request); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestStateIsAskedOnceASecond: several scrapers cost the store one look.
func TestStateIsAskedOnceASecond(t *testing.T) {
	m := NewMetrics(Build{})
	asked := 0
	m.SetState(func(ctx context.Context) State {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("asked without a deadline")
		}
		asked++
		return State{Doubts: asked}
	})
	mustHave(t, scrape(t, m), "chaperone_doubts 1")
	m.state.asked = time.Now() // however slow this machine is
	mustHave(t, scrape(t, m), "chaperone_doubts 1")
	m.state.asked = time.Now().Add(-stateMaxAge)
	mustHave(t, scrape(t, m), "chaperone_doubts 2")
}

// TestHistogramCounts: what lies on a bound is within it, what is above all of
// them is counted, and what is less than nothing is nothing.
func TestHistogramCounts(t *testing.T) {
	h := newHistograms("test_seconds", "A test.", []float64{1e-6, 2.5e-3}, nanoseconds, "route")
	one := h.of("a")
	for _, n := range []int64{-5, 1000, 1001, 2_500_000, 2_500_001} {
		one.observe(n)
	}
	if h.of("a") != one || h.all([]string{"a"})[0] != one {
		t.Error("a value of the label has two histograms")
	}
	r := prometheus.NewRegistry()
	r.MustRegister(h)
	got, err := r.Gather()
	if err != nil || len(got) != 1 {
		t.Fatalf("%d metrics, %v", len(got), err)
	}
	for _, m := range got[0].Metric {
		if m.Label[0].GetValue() != "a" {
			continue
		}
		is := m.GetHistogram()
		if is.GetSampleCount() != 5 || is.GetSampleSum() != 5_002_002e-9 ||
			is.Bucket[0].GetCumulativeCount() != 2 || is.Bucket[1].GetCumulativeCount() != 4 {
			t.Errorf("it says %v", is)
		}
		return
	}
	t.Error("it is not there")
}
