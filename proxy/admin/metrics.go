package admin

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chaperone/audit"
	"chaperone/rules"
)

// Build says which program this is.
type Build struct{ Version, Revision string }

// Metrics is all that a Chaperone process measures, in a registry of its own.
// Every label value comes from the plan or from a table of the code: nothing
// that a client sends can add a series. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	state    stateCollector
	room     tallyRoom

	// By route, and the like: resolved per plan, see PlanMetrics.
	requests      *tallies
	outcomes      *tallies
	decisions     *tallies
	legs          *tallies
	egressBlocked *tallies
	minted        *tallies
	limited       *tallies
	revealed      *tallies
	unknown       *tallies
	whole         *histograms
	proxy         *histograms
	upstream      *histograms
	bodyIn        *histograms
	bodyOut       *histograms

	agreements *prometheus.GaugeVec
	planInfo   *prometheus.GaugeVec
	planLoaded prometheus.Gauge
	inFlight   atomic.Int64
	append     *histogram
	late       *tally
	again      *tallies
	conditions *tallies
	doubles    *tally
	reloads    *tallies
	stale      prometheus.Gauge

	handshakes       *tallies
	certificateReads *tallies
	certificateStale *prometheus.GaugeVec

	mu sync.Mutex // Use
}

// The buckets. The proxy's own share of a request is tens of microseconds,
// an upstream's share milliseconds to its timeout, a body hundreds of bytes to
// its limit.
var (
	proxyBuckets    = []float64{25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5}
	upstreamBuckets = []float64{1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10, 15, 30}
	appendBuckets   = []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5}
	bodyBuckets     = prometheus.ExponentialBuckets(256, 4, 8) // 256 B … 4 MiB
)

// NewMetrics returns the metrics of a process. They say nothing of routes and
// destinations before Use.
func NewMetrics(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.register()
	info := m.gauge("build_info", "The program: its version, revision and Go version; always 1.", "version", "revision", "goversion")
	info.WithLabelValues(b.Version, b.Revision, runtime.Version()).Set(1)
	m.registry.MustRegister(
		&m.state,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

const namespace = "chaperone"

func (m *Metrics) register() {
	m.requests = m.counter("requests_total", "Requests answered, by route, class of the status code and reason of a refusal or fault (none: all went well).", "route", "code", "reason")
	m.outcomes = m.counter("outcomes_total", "Outcomes of primary legs: released, cancelled, void, unknown, pending.", "route", "outcome")
	m.decisions = m.counter("decisions_total", "Labelled values and items decided, by label and by the form in which they went on.", "label", "form")
	m.legs = m.counter("leg_results_total", "Downstream calls and their ends, by destination.", "destination", "result")
	m.egressBlocked = m.counter("egress_blocked_total", "Messages that the last check before sending refused, because they held a card number that the destination may not see. Its objective is zero.", "destination")
	m.minted = m.counter("tokens_minted_total", "Tokens made, by label.", "label")
	m.revealed = m.counter("tokens_revealed_total", "Tokens turned back into values, by label.", "label")
	m.unknown = m.counter("tokens_unknown_total", "Tokens that could not be revealed: forged, mistyped, revoked or of another scope.", "label")
	m.doubles = m.counter("double_claims_total", "Sales recorded on local disk while the store was away whose key another proxy had taken meanwhile: both may have called the primary, under one Idempotency-Key. See the alarms in the log.").of()
	m.late = m.counter("late_outcomes_total", "Outcomes that lost to one written before them, which stands: look at the sales, by the alarms in the log.").of()
	m.again = m.counter("sent_again_total", "Calls of primaries in doubt that were sent again, under the key of the first: by the caller's own repeat (retry), or by the proxy (replay).", "route", "by")
	m.conditions = m.counter("leg_conditions_total", "Conditions (when) of legs decided: the leg was part of the request (sent), or not (skipped).", "route", "leg", "result")
	m.limited = m.counter("token_limit_reached_total", "Requests refused because their caller had made, revealed or tried to reveal as many tokens as it may. Worth an alert: somebody may be building a dictionary of cards.", "caller", "limit")

	m.whole = m.histogram("request_duration_seconds", "From the head of a request to the end of its answer.", proxyAndUpstream(), nanoseconds, "route")
	m.proxy = m.histogram("request_proxy_duration_seconds", "The proxy's own share of request_duration_seconds: all of it but the wait for the primary and sync legs.", proxyBuckets, nanoseconds, "route")
	m.upstream = m.histogram("upstream_duration_seconds", "From the first byte to a destination to the last byte of its answer.", upstreamBuckets, nanoseconds, "destination")
	m.bodyIn = m.histogram("request_body_bytes", "Sizes of request bodies.", bodyBuckets, 1, "route")
	m.bodyOut = m.histogram("response_body_bytes", "Sizes of the bodies of answers.", bodyBuckets, 1, "route")

	m.agreements = m.gauge("agreement_expiry_timestamp_seconds", "When the agreement with a destination lapses.", "destination", "kind")
	m.planInfo = m.gauge("plan_info", "The policy in force, by its hash; always 1.", "hash")
	m.planLoaded = m.gauge("plan_loaded_timestamp_seconds", "When the policy in force was loaded.").WithLabelValues()
	m.reloads = m.counter("policy_reloads_total", "Policies that were to come into force, by what came of it: taken, or failed.", "result")
	m.reloads.of("taken")
	m.reloads.of("failed")
	m.stale = m.gauge("policy_stale", "Whether a policy that was to come into force was not taken since: the one before it is in force.").WithLabelValues()
	m.registerCertificates()
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "requests_in_flight", Help: "Requests being worked on."},
		func() float64 { return float64(m.inFlight.Load()) }))
	m.append = m.histogram("store_append_duration_seconds", "From the hand-over of a record to the store to its acknowledgement.", appendBuckets, nanoseconds).of("")
}

// proxyAndUpstream is the union of the two scales: a refused request takes
// microseconds, a forwarded one as long as its primary.
func proxyAndUpstream() []float64 {
	return []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10, 15, 30}
}

func (m *Metrics) counter(name, help string, labels ...string) *tallies {
	t := newTallies(&m.room, name, help, labels...)
	m.registry.MustRegister(t)
	return t
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64, per float64, labels ...string) *histograms {
	h := newHistograms(name, help, buckets, per, labels...)
	m.registry.MustRegister(h)
	return h
}

// Use makes a plan the one in force and returns its metrics. Requests that
// still hold the plan before it go on with theirs.
func (m *Metrics) Use(p *rules.Plan, loaded time.Time) *PlanMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.planInfo.Reset()
	m.planInfo.WithLabelValues(p.Hash).Set(1)
	m.planLoaded.Set(float64(loaded.Unix()))
	m.agreements.Reset()
	for i := range p.Destinations {
		d := &p.Destinations[i]
		if d.Agreement != nil {
			m.agreements.WithLabelValues(d.Name, d.Agreement.Kind).Set(float64(d.Agreement.Expires.Unix()))
		}
	}
	// A counter that begins at its first event hides that event from increase().
	for i := range p.Callers {
		for _, what := range []Limited{LimitMints, LimitReveals, LimitFailedReveals} {
			m.limited.of(p.Callers[i].Name, what.String())
		}
	}
	m.state.setDestinations(p)
	return newPlanMetrics(m, p)
}

// LimitReached counts a request that a limit of its caller refused.
func (m *Metrics) LimitReached(caller string, what Limited) {
	m.limited.of(caller, what.String()).inc()
}

// DoubleClaim counts a claim made while the store was away that lost to
// another proxy's.
func (m *Metrics) DoubleClaim() { m.doubles.inc() }

// LateOutcome counts an outcome that lost to one written before it.
func (m *Metrics) LateOutcome() { m.late.inc() }

// Reloaded counts a policy that was to come into force.
func (m *Metrics) Reloaded(taken bool) {
	result := "taken"
	if !taken {
		result = "failed"
	}
	m.reloads.of(result).inc()
	m.stale.Set(truth(!taken))
}

// Begin counts a request as in flight until End.
func (m *Metrics) Begin() { m.inFlight.Add(1) }

// End ends what Begin began.
func (m *Metrics) End() { m.inFlight.Add(-1) }

// Append records how long a request waited until the store acknowledged its
// record, or did not.
func (m *Metrics) Append(took time.Duration) { m.append.observe(took.Nanoseconds()) }

// SetState gives the function that is asked, at each scrape and at most once a
// second, how the parts of the process are. Call it before Handler is served.
func (m *Metrics) SetState(f StateFunc) { m.state.set(f) }

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// outcomeResults are the results that an outcome can have, in the order of their
// slots.
var outcomeResults = [...]audit.Result{audit.ResultReleased, audit.ResultCancelled, audit.ResultVoid, audit.ResultUnknown, audit.ResultPending}
