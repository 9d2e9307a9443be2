package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
)

func TestBreaker(t *testing.T) {
	o := OutboxOptions{BreakAfter: 3, FirstProbe: time.Second, LongestProbe: 4 * time.Second}
	at := time.Unix(1000, 0)
	fail := func(k *breaker, n int) (opened bool) {
		for range n {
			_, opened = k.failed(false, "timeout", 0, at)
		}
		return opened
	}
	t.Run("it opens after failures in a row", func(t *testing.T) {
		k := newBreaker(o)
		fail(k, 2)
		k.works()
		if fail(k, 2) || k.admit(at) != admitsAll {
			t.Error("a success does not count")
		}
		if !fail(k, 1) || k.admit(at) != admitsNothing {
			t.Error("it does not open")
		}
	})
	t.Run("one probe at a time, at growing intervals, until a success", func(t *testing.T) {
		k := newBreaker(o)
		fail(k, 3)
		now := at
		for _, longest := range []time.Duration{1, 2, 4, 4} {
			longest *= time.Second
			wait := k.rest(now)
			if wait < longest/2 || wait > longest {
				t.Errorf("the next probe is in %v, and at most %v was to be", wait, longest)
			}
			if k.admit(now.Add(wait-1)) != admitsNothing {
				t.Error("a probe goes too early")
			}
			now = now.Add(wait)
			if k.admit(now) != admitsProbe || k.admit(now) != admitsNothing {
				t.Error("not one probe")
			}
			if was, opened := k.failed(true, "timeout", 0, now); !was || opened {
				t.Errorf("a failed probe: was %v, opened %v", was, opened)
			}
		}
		if !k.works() || k.admit(now) != admitsAll || k.works() {
			t.Error("a success does not close it, or closes it twice")
		}
	})
	t.Run("a probe that shows nothing leaves the next at once", func(t *testing.T) {
		k := newBreaker(o)
		fail(k, 3)
		now := at.Add(time.Second)
		k.admit(now)
		k.abandon()
		if k.admit(now) != admitsProbe {
			t.Error("no probe")
		}
	})
	t.Run("what was on its way changes nothing", func(t *testing.T) {
		k := newBreaker(o)
		fail(k, 3)
		wait := k.rest(at)
		if was, opened := k.failed(false, "timeout", 0, at); !was || opened || k.rest(at) != wait {
			t.Errorf("was %v, opened %v", was, opened)
		}
	})
	t.Run("a destination that says when is left alone until then", func(t *testing.T) {
		k := newBreaker(o)
		if _, opened := k.failed(false, "status_429", 30*time.Second, at); !opened || k.rest(at) != 30*time.Second {
			t.Errorf("opened %v, rests %v", opened, k.rest(at))
		}
		k.hurry()
		if k.admit(at) != admitsProbe {
			t.Error("who hurries waits")
		}
	})
}

func TestVerdicts(t *testing.T) {
	broken := errors.New("reset")
	before := trial{reached: true, status: 409}
	tests := []struct {
		name   string
		how    sending
		status int
		err    error
		trial  trial
		want   verdict
	}{
		{"created", answered, 201, nil, trial{}, accepted},
		{"no content", answered, 204, nil, trial{}, accepted},
		{"a conflict at once", answered, 409, nil, trial{}, refused},
		{"the first conflict after a try that may have arrived", answered, 409, nil, trial{reached: true, status: 503}, refused},
		{"a conflict again after a try that may have arrived", answered, 409, nil, before, accepted},
		{"a conflict again, and nothing before", answered, 409, nil, trial{status: 409}, refused},
		{"bad request", answered, 400, nil, before, refused},
		{"unprocessable", answered, 422, nil, trial{}, refused},
		{"gone", answered, 410, nil, trial{}, refused},
		{"too slow for them", answered, 408, nil, trial{}, troubled},
		{"too early", answered, 425, nil, trial{}, troubled},
		{"too many", answered, 429, nil, trial{}, failing},
		{"our credentials", answered, 401, nil, trial{}, failing},
		{"a redirection", answered, 302, nil, trial{}, failing},
		{"unavailable", answered, 503, nil, trial{}, failing},
		{"a reset", sentSome, 0, broken, trial{}, failing},
		{"refused connections", sentNothing, 0, broken, trial{}, failing},
		{"no connection to spare", sentNothing, 0, fasthttp.ErrTimeout, trial{}, crowded},
		{"a timeout", sentSome, 0, fasthttp.ErrTimeout, trial{}, failing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.how, tt.status, tt.err, &tt.trial); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":      0,
		"7":     7 * time.Second,
		"86400": time.Minute,
		"-3":    0,
		"soon":  0,
		now.Add(9 * time.Second).Format(http.TimeFormat):  9 * time.Second,
		now.Add(-9 * time.Second).Format(http.TimeFormat): 0,
		now.Add(time.Hour).Format(http.TimeFormat):        time.Minute,
		"99999999999999999999":                            0,
	} {
		var resp fasthttp.Response
		resp.Header.Set("Retry-After", text)
		if got := retryAfter(&resp, now, time.Minute); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTrialRoundTrip(t *testing.T) {
	want := trial{tries: 3, refused: 2, parked: true, reached: true, reason: "status_409", status: 409, at: 5, due: 6, since: 7, stored: true}
	text := want.append(nil)
	var got trial
	if err := got.parse(text); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range text {
		if got.parse(text[:n]) == nil {
			t.Errorf("%d of %d bytes parse", n, len(text))
		}
	}
}

// TestTriesHoldOverRestarts: how often a leg was tried, and until when it waits,
// is known to the next process.
func TestTriesHoldOverRestarts(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.tune = func(o *Options) { o.Outbox.Tries, o.Outbox.BreakAfter = 6, 1000 }
	})
	// The third try lasts until the proxy takes nothing on any more.
	third := make(chan struct{})
	b.ehr.setAnswer(func(n int, _ received) reply {
		if n == 2 {
			return reply{status: 500, hang: third}
		}
		return reply{status: 500}
	})
	b.post("/v1/checkout", checkout(t))
	b.ehr.await(t, 3)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop()
	}()
	b.until("it is draining", func() bool { return strings.Contains(b.logs.String(), "draining") })
	close(third)
	<-stopped
	before := len(b.ehr.all())
	d := b.open()
	tries := 0
	err := NewOutbox(d, b.ring).Legs(t.Context(), "", func(l control.Leg) error {
		if l.Destination == "ehr" {
			tries = l.Tries
			if l.Reason != "status_500" || l.State != control.Due {
				t.Errorf("%+v", l)
			}
		}
		return nil
	})
	if err != nil || tries != before || d.Close() != nil {
		t.Errorf("%d tries are known of %d, %v", tries, before, err)
	}
	b.start()
	b.until("the leg is dead", func() bool { return len(b.legs(control.Dead)) == 1 })
	if n := len(b.ehr.all()); n != 6 {
		t.Errorf("%d tries, want 6", n)
	}
	if l := b.legs(control.Dead)[0]; l.Tries != 6 || l.Reason != "status_500" {
		t.Errorf("%+v", l)
	}
}

// TestPausesHoldOverRestarts: a leg that waits for its next try does so in the
// next process as well.
func TestPausesHoldOverRestarts(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.tune = func(o *Options) { o.Outbox.FirstDelay, o.Outbox.LongestWait = 10*time.Hour, 10*time.Hour }
	})
	b.ehr.setAnswer(always(500, ""))
	b.post("/v1/checkout", checkout(t))
	b.until("the leg waits", func() bool { l := b.legs(control.Due); return len(l) == 1 && l[0].Tries == 1 })
	due := b.legs(control.Due)[0].Due
	b.restart()
	b.until("the queues are rebuilt", func() bool { return strings.Count(b.logs.String(), "the queues are rebuilt") == 2 })
	if l := b.legs(control.Due); len(l) != 1 || !l[0].Due.Equal(due) || l[0].Tries != 1 {
		t.Errorf("%+v, want it due at %v", l, due)
	}
}

// TestADeadDestinationBurnsNoLegs: while a destination is away its legs keep
// their tries, but for the few that found out, and all of them go once it is
// back.
func TestADeadDestinationBurnsNoLegs(t *testing.T) {
	b := newBed(t, func(b *bed) { b.tune = func(o *Options) { o.Outbox.Tries = 20 } })
	b.ehr.setAnswer(always(503, ""))
	const n = 60
	for i := range n {
		if a := b.post("/v1/checkout", sale(t, fmt.Sprint("s", i))); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
	}
	lane := b.server.outbox.laneOf("ehr")
	b.until("it is held back", lane.breaker.isOpen.Load)
	// As many probes fail as a leg has tries, and more: none of them is dead.
	b.ehr.await(t, len(b.ehr.all())+40)
	tried, most := 0, 0
	for _, l := range b.legs("") {
		if l.Destination == "ehr" {
			tried += l.Tries
			most = max(most, l.Tries)
		}
		if l.State == control.Dead {
			t.Errorf("a leg is dead: %+v", l)
		}
	}
	if limit := b.server.outbox.o.BreakAfter + b.server.outbox.o.Workers; tried > limit {
		t.Errorf("%d tries were counted, %d of one leg; want at most %d", tried, most, limit)
	}
	open := b.server.outbox.breakers()
	if len(open) != 1 || open[0].Destination != "ehr" || open[0].Reason != "status_503" || open[0].Since.IsZero() || open[0].Probe.IsZero() {
		t.Errorf("breakers: %+v", open)
	}
	if st := b.server.state(t.Context()); len(st.Held) != 1 || st.Held[0] != "ehr" {
		t.Errorf("state: %+v", st.Held)
	}
	b.ehr.setAnswer(always(201, ""))
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	if open := b.server.outbox.breakers(); len(open) != 0 {
		t.Errorf("breakers: %+v", open)
	}
	for _, text := range []string{"a destination does not take legs", "a destination takes legs again"} {
		if !strings.Contains(b.logs.String(), text) {
			t.Errorf("the log does not say: %s", text)
		}
	}
}

// TestAPoisonLegHoldsUpNobody: a leg that its destination refuses is given up
// after a few tries, others of its destination go meanwhile, and what waits
// behind it in its order goes then.
func TestAPoisonLegHoldsUpNobody(t *testing.T) {
	b := newBed(t, func(b *bed) {
		b.policy = strings.Replace(b.policy, "    subject: patient.id              # whose", "    order: patient.id\n    subject: patient.id              # whose", 1)
	})
	b.ehr.setAnswer(func(_ int, r received) reply {
		if strings.Contains(r.body, "poison") {
			return reply{status: 422}
		}
		return reply{status: 201}
	})
	b.post("/v1/checkout", strings.Replace(sale(t, "s0"), `"AP-20913"`, `"poison"`, 1))
	for i := 1; i < 10; i++ {
		b.post("/v1/checkout", sale(t, fmt.Sprint("s", i)))
	}
	b.until("the others are delivered", func() bool { l := b.legs(""); return len(l) == 1 && l[0].State == control.Dead })
	refusals := 0
	for _, r := range b.ehr.all() {
		if strings.Contains(r.body, "poison") {
			refusals++
		}
	}
	if want := b.server.outbox.o.RefusedTries; refusals != want {
		t.Errorf("%d tries, want %d", refusals, want)
	}
	if strings.Contains(b.logs.String(), "held back") {
		t.Error("the destination was held back")
	}
}

// TestAcceptedAtOnceLeavesNoTrial: the register of tries costs nothing where
// there is nothing to say.
func TestAcceptedAtOnceLeavesNoTrial(t *testing.T) {
	b := newBed(t)
	b.ehr.setAnswer(func(n int, _ received) reply {
		if n == 0 {
			return reply{status: 500}
		}
		return reply{status: 201}
	})
	b.post("/v1/checkout", sale(t, "s1"))
	b.until("the outbox is empty", func() bool { return len(b.legs("")) == 0 })
	deliveries := 0
	for _, e := range b.entries() {
		if e.Kind == audit.KindDelivery {
			deliveries += len(e.Legs)
		}
	}
	keys, _, err := b.driver.ScanKeys(t.Context(), "{r.", "", 1000)
	if err != nil || deliveries != 2 {
		t.Fatal(deliveries, err)
	}
	for _, k := range keys {
		if strings.Contains(k, "}:f.") {
			t.Errorf("%s is left", k)
		}
	}
}
