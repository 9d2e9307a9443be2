package chaos

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"chaperone/audit"
)

// result is what a run found.
type result struct {
	name        string
	raged, took time.Duration
	injected    map[string]int
	skipped     map[string]bool
	rows        []row // counts, in order
}

type row struct {
	what string
	n    int
}

func (r *result) add(what string, n int) { r.rows = append(r.rows, row{what, n}) }

// reconcile holds the books of everybody against each other.
func (w *world) reconcile(name string) *result {
	r := &result{name: name, injected: w.injected, skipped: w.skipped}
	doubts := w.doubts()
	if len(doubts) > 0 {
		w.t.Errorf("seed %d: %d sales are in doubt after all, as %+v", w.seed, len(doubts), doubts[0])
	}
	metrics := w.metrics()
	for _, p := range w.proxies {
		w.verify(p)
	}
	w.stop()
	for _, p := range w.proxies {
		w.verify(p)
	}
	log := w.readLog()
	w.checkRecords(log)
	w.checkSales(log, r)
	w.count(log, doubts, r)
	w.search(metrics)
	w.accuse(log)
	return r
}

// metrics reads the metrics of all proxies.
func (w *world) metrics() map[string]string {
	all := map[string]string{}
	for _, p := range w.proxies {
		resp, err := http.Get(p.admin + "/metrics")
		if err != nil {
			w.t.Errorf("seed %d: %v", w.seed, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		w.must(err)
		_ = resp.Body.Close()
		all[p.name] = string(b)
	}
	return all
}

// verify runs log verify.
func (w *world) verify(p *node) {
	if out, err := w.command(p, "log", "verify"); err != nil {
		w.t.Errorf("seed %d: %s: %v\n%s", w.seed, p.name, err, out)
	}
}

// checkRecords finds what receivers saw that has no decision in the log. Of what
// they saw a part of alone the sale is known where the part says it.
func (w *world) checkRecords(log *logBook) {
	for _, name := range receiverNames {
		r := w.receivers[name]
		for _, d := range r.byKey {
			if !log.decided[d.sale][name] {
				d.sale.blame("%s saw a request of which the log knows nothing", name)
			}
		}
		for _, part := range r.torn {
			s := w.books.findPart(part.body)
			if d := r.byKey[part.key]; d != nil {
				s = d.sale
			}
			if s != nil && !log.decided[s][name] {
				s.blame("%s saw a part of a request of which the log knows nothing", name)
			}
		}
	}
}

// checkSales holds each sale against what its POS was told and what the
// receivers did.
func (w *world) checkSales(log *logBook, r *result) {
	got := map[string]map[*sale]int{}
	for _, name := range receiverNames {
		got[name] = map[*sale]int{}
		for _, d := range w.receivers[name].byKey {
			if d.acted > 0 {
				got[name][d.sale]++
			}
		}
	}
	told := map[string]int{}
	charged := 0
	for _, s := range w.books.all() {
		charges := w.books.charged(s)
		charged += charges
		told[s.told]++
		if charges > 1 {
			s.blame("it was charged %d times", charges)
		}
		switch {
		case s.told == "released" && charges != 1:
			s.blame("the POS was told that it is released, and it was charged %d times", charges)
		case s.told == "cancelled" && charges > 0:
			s.blame("the POS was told that it is cancelled, and it was charged")
		case s.told == "":
			s.blame("it is not decided")
		}
		for name, part := range map[string]int{"record": s.clinical, "ledger": s.retail} {
			want := 0
			if part > 0 && s.told == "released" {
				want = 1
			}
			n := got[name][s]
			if n > 1 || n < want || (n > 0 && charges == 0) {
				s.blame("%s has it %d times by key, want %d", name, n, want)
			}
		}
		if s.told == "released" && !log.released[s] {
			s.blame("the log holds no outcome that released it")
		}
	}
	backs := 0
	for _, s := range w.books.all() {
		if s.of != nil {
			backs++
		}
	}
	r.add("sales", len(w.books.all())-backs)
	r.add("refunds", backs)
	for _, how := range []string{"released", "cancelled"} {
		r.add("… "+how, told[how])
	}
	r.add("charges", charged)
}

// count fills the table.
func (w *world) count(log *logBook, doubts []doubt, r *result) {
	tries, repeats := 0, 0
	for _, s := range w.books.all() {
		tries += s.tries
	}
	p := &w.pos.counts
	r.add("requests of the POS", tries)
	r.add("… without an answer", p.get("no answer"))
	for what, n := range p.of {
		if strings.HasSuffix(what, "(repeat)") {
			repeats += n
		}
	}
	r.add("… given the first answer again", repeats)
	r.add("… refused: in flight (409)", p.get("409 in_flight"))
	r.add("… refused: in doubt (409)", p.get("409 in_doubt"))
	r.add("… refused: store away (503)", p.get("503 store_unavailable"))
	r.add("… void: nothing was sent (502)", p.get("502 upstream_unreachable"))
	r.add("doubts that an operator resolved: charged", w.resolved["--charged"])
	r.add("… not charged", w.resolved["--not-charged"])
	r.add("… left", len(doubts))
	r.add("alarms: two proxies took one key", log.alarms["double_claim"])
	r.add("alarms: an outcome came too late", log.alarms["late_outcome"])
	delivered, again := 0, 0
	for _, name := range []string{"record", "ledger"} {
		for _, d := range w.receivers[name].byKey {
			delivered++
			again += d.calls - 1
		}
	}
	r.add("legs delivered, by key", delivered)
	r.add("… and seen again by the receiver", again)
	r.add("entries of the log", log.entries)
	r.add("chains of the log", log.chains)
}

// accuse prints each sale that is not as it should be, with all that is known
// of it.
func (w *world) accuse(log *logBook) {
	shown := 0
	for _, s := range append(w.books.all(), w.books.stranger) {
		if len(s.wrong) == 0 {
			continue
		}
		if shown++; shown <= 5 {
			story := s.story() + w.seen(s) + log.story(s)
			if s.of != nil {
				story += "refund of " + s.of.story() + w.seen(s.of) + log.story(s.of)
			}
			w.t.Errorf("seed %d: %s", w.seed, story)
		}
	}
	if shown > 5 {
		w.t.Errorf("seed %d: %d sales are not as they should be", w.seed, shown)
	}
}

// story is what the POS knows of a sale, without its secrets.
func (s *sale) story() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "sale %d (%s by %s), told %s\n", s.n, s.id, s.route.name, strconv.Quote(s.told))
	for _, wrong := range s.wrong {
		fmt.Fprintf(&b, "  WRONG: %s\n", wrong)
	}
	for _, code := range s.codes {
		fmt.Fprintf(&b, "  POS %s\n", code)
	}
	return b.String()
}

// seen is what the receivers saw of a sale.
func (w *world) seen(s *sale) string {
	var b strings.Builder
	for _, name := range receiverNames {
		r := w.receivers[name]
		r.mu.Lock()
		for key, d := range r.byKey {
			if d.sale == s {
				fmt.Fprintf(&b, "  %s, key %s: acted %d times: %s\n", name, key, d.acted, strings.Join(d.log, ", "))
			}
		}
		r.mu.Unlock()
	}
	return b.String()
}

// entryLine is an entry as a failing run prints it.
func entryLine(chain string, seq uint64, e *audit.Entry) string {
	var legs strings.Builder
	for _, l := range e.Legs {
		fmt.Fprintf(&legs, " %s=%s", l.Name, l.State)
		if l.Status > 0 {
			fmt.Fprintf(&legs, "(%d)", l.Status)
		}
	}
	return fmt.Sprintf("  log %s %s %d: %s %s %s status %d upstream %d attempt %d%s\n", e.Time.Local().Format("15:04:05.000"), chain, seq,
		e.Kind, e.Result, e.Reason, e.Status, e.Upstream, e.Attempt, legs.String())
}
