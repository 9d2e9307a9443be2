package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chaperone/store/redistest"
)

var (
	leakSeed   = flag.Int64("leak-seed", 0, "seed of the random baskets and policies; 0 takes the time")
	leakRounds = flag.Int("leak-rounds", 6, "how many random policies are tried")
)

// heard is all that a party got of one body, for a search: every string, number
// and name in small letters, also as its digits alone and as the value of a
// number.
func heard(t *testing.T, body []byte) string {
	t.Helper()
	var b strings.Builder
	walk(decode(t, body), func(text string) {
		for _, form := range []string{strings.ToLower(text), digitsOf(text), wholeNumber(text)} {
			b.WriteString(form)
			b.WriteByte('\n')
		}
	})
	return b.String()
}

func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		if r == ' ' || r == '-' {
			return -1
		}
		return 'x'
	}, text)
}

func wholeNumber(text string) string {
	if v, err := json.Number(text).Float64(); err == nil && strings.ContainsAny(text, "eE.") {
		return fmt.Sprintf("%.0f", v)
	}
	return ""
}

// forbidden are the values of a sale that a party may not see.
func (p *party) forbidden(s *secrets) (values []string) {
	mayNot := func(form string, of ...string) {
		if form != "plain" {
			values = append(values, of...)
		}
	}
	mayNot(p.pan, s.pans...)
	mayNot(p.sad, s.cvvs...)
	mayNot(p.phi, s.phi...)
	mayNot(p.phi, s.clinical...)
	mayNot(p.born, s.born)
	mayNot(p.postcode, s.postcode)
	for _, d := range p.detects { // it finds them wherever they are typed
		if s.ids[d] != "" {
			mayNot(p.phi, s.ids[d])
		}
	}
	for _, e := range operands {
		if p.form(e.needs) != "plain" && e.value != nil && e.needs == "phi" {
			if v := e.value(s); v != "none" {
				values = append(values, v)
			}
		}
	}
	if p.class != "retail" {
		values = append(values, s.retail...)
	}
	if s.refused || p.when != nil && !p.when.holds(s) { // it has nothing of this sale
		values = append(append(append(values, s.pans...), s.phi...), s.name, s.born, s.postcode, s.memo)
		values = append(append(values, s.clinical...), s.retail...)
	}
	return values
}

// leaked lists what a party got of a sale and may not see.
func leaked(got string, p *party, s *secrets) (values []string) {
	for _, secret := range p.forbidden(s) {
		if strings.Contains(got, strings.ToLower(secret)) {
			values = append(values, secret)
		}
	}
	return values
}

func judge(t *testing.T, who, got string, p *party, s *secrets) {
	t.Helper()
	for _, secret := range leaked(got, p, s) {
		t.Errorf("%s got a value that it may not see (%.4s…)", who, secret)
	}
}

// TestTheJudgeSeesLeaks has the judge look at bodies in which something stands
// that must not: the search itself can fail.
func TestTheJudgeSeesLeaks(t *testing.T) {
	s := &secrets{pans: []string{"4111111111111111"}, phi: []string{"phi-bcd"}, name: "phi-bcd", tier: "gold", born: "1951-07-23", postcode: "SW1 2AB",
		deposit: 123456789012, ids: map[string]string{"ssn": "219-09-9999"}, memo: "memo-x", retail: []string{"retail-x"}}
	ledger := party{pan: "mask", phi: "drop", sad: "drop", born: "generalize", postcode: "generalize", class: "retail", detects: []string{"ssn"}}
	all := ledger
	all.pan, all.phi, all.born, all.postcode = "plain", "plain", "plain", "plain"
	never := all
	never.when = &expr{holds: func(*secrets) bool { return false }}
	for body, want := range map[string]bool{
		`{"a": "paid with 4111-1111-1111 1111"}`: true,
		`{"a": 4.111111111111111e15}`:            true,
		`{"PHI-BCD": 1}`:                         true,
		`{"a": "about 123456789012 | x"}`:        true,
		`{"a": [246913578029]}`:                  true,
		`{"a": 61728394506}`:                     true,
		`{"a": "born 1951-07-23"}`:               true,
		`{"a": "SW1 2AB"}`:                       true,
		`{"a": "see 219-09-9999"}`:               true,
		`{"a": "************1111", "b": "1951", "c": "SW1", "d": "retail-x", "e": "memo-x"}`: false,
	} {
		got := heard(t, []byte(body))
		if found := leaked(got, &ledger, s); len(found) > 0 != want {
			t.Errorf("%s: found %q", body, found)
		}
		if found := leaked(got, &all, s); len(found) > 0 {
			t.Errorf("%s: found %q, which all may see", body, found)
		}
		if found := leaked(got, &never, s); len(found) == 0 && strings.Contains(body, "memo-x") {
			t.Errorf("%s: a leg that is not to be sent was", body)
		}
	}
}

// told looks whether the processor was told what the test itself makes of the
// operands.
func told(t *testing.T, body []byte, p *party, s *secrets) bool {
	t.Helper()
	want := []string{"about "}
	for _, e := range p.computes {
		if e.value == nil {
			return false
		}
		want = append(want, e.value(s))
	}
	if len(p.computes) == 0 {
		return false
	}
	if got := at(decode(t, body), "description"); got != strings.Join(want, " | ") {
		t.Errorf("%s is not what the body says", concatenated(p.computes))
	}
	return true
}

// TestNothingLeaks sends random baskets under random policies, with conditions
// and computed values, and looks with encoding/json and a search for bytes
// alone at everything that came out.
func TestNothingLeaks(t *testing.T) {
	seed := *leakSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("seed %d", seed)
	w := &world{Rand: rand.New(rand.NewSource(seed)), given: map[string]bool{}}
	seen := &leakTally{}
	for round := range *leakRounds {
		name, redis := "embedded", (*redistest.Server)(nil)
		infra := ""
		if round%2 == 1 {
			name, redis = "Redis", redistest.Start(t, redistest.Options{})
			infra = fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redis.Addr)
		}
		t.Run(fmt.Sprintf("%d %s", round, name), func(t *testing.T) { w.leakRound(t, round, infra, redis, seen) })
	}
	t.Logf("%+v", *seen)
	if seen.sold == 0 || seen.undecided == 0 || seen.computed == 0 || seen.delivered == 0 || seen.unwanted == 0 {
		t.Errorf("not all was tried: %+v", *seen)
	}
}

// leakTally is what the rounds came to.
type leakTally struct {
	sold, undecided int // sales
	computed        int // texts that were compared
	delivered       int // calls at the record and the ledger
	unwanted        int // policies that check had to refuse
}

func (w *world) leakRound(t *testing.T, round int, infra string, redis *redistest.Server, seen *leakTally) {
	r := newReceivers(t)
	rules, parties := w.policy(r, round)
	for what, text := range w.forbidden(rules, parties) {
		seen.unwanted++
		refusedPolicy(t, what, text)
	}
	c := install(t, rules, infra)
	c.start()
	var all []*secrets
	for n := range 60 {
		body, s := w.sale(fmt.Sprintf("sale-%d-%d", round, n))
		before := len(r.processor.got())
		a := c.mustPost("/v1/checkout", frontDesk, body)
		switch {
		case a.status == 200:
			seen.sold++
		case a.status == 422 && bytes.Contains(a.body, []byte("expression_undecided")) && parties.unsure():
			seen.undecided++
			s.refused = true
		default:
			t.Fatalf("status %d %s\n%s\n%s", a.status, a.body, rules, body)
		}
		judge(t, "the caller", heard(t, a.body), &party{pan: "token", phi: "drop", sad: "drop", born: "drop", postcode: "drop", class: "none"}, s)
		calls := r.processor.got()[before:]
		if len(calls) != 1 != s.refused {
			t.Errorf("%d calls at the processor, and refused is %t", len(calls), s.refused)
		}
		for _, call := range calls {
			judge(t, "processor", heard(t, call.Body), parties["processor"], s)
			if told(t, call.Body, parties["processor"], s) {
				seen.computed++
			}
		}
		all = append(all, s)
	}
	settled(t, c)
	for name, at := range map[string]*receiver{"ehr": r.ehr, "ledger": r.ledger} {
		for _, call := range at.got() {
			seen.delivered++
			text := heard(t, call.Body)
			for _, s := range all {
				judge(t, name, text, parties[name], s)
			}
		}
	}
	searchOutputs(t, c, redis, all)
}

// refusedPolicy has check judge a policy of which an expression reads what its
// destination may not see.
func refusedPolicy(t *testing.T, what, rules string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, file, rules)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "check", file).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("[expression_not_seen]")) {
		t.Errorf("%s, and check takes it: %s\n%s", what, out, rules)
	}
}

// settled waits until no leg is queued.
func settled(t *testing.T, c *instance) {
	t.Helper()
	eventually(t, "every leg is delivered", func() error {
		out, err := c.command("outbox", "list", "--json")
		if err == nil && (strings.Contains(out, "ledger") || strings.Contains(out, "ehr")) {
			err = fmt.Errorf("still queued")
		}
		return err
	})
}

// searchOutputs looks for every secret in what the process printed, in its
// metrics, in every file that it wrote and in Redis's own files.
func searchOutputs(t *testing.T, c *instance, redis *redistest.Server, all []*secrets) {
	t.Helper()
	outputs := map[string][]byte{}
	resp, err := http.Get(c.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	outputs["the metrics"], err = io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	tail, err := c.command("log", "tail", "--json")
	if err != nil {
		t.Fatalf("%v: %s", err, tail)
	}
	outputs["log tail"] = []byte(tail)
	c.stop()
	outputs["the process's output"] = []byte(c.output.String())
	collect(t, c.dir, outputs)
	if redis != nil {
		if _, err := redis.Do("SAVE"); err != nil {
			t.Fatal(err)
		}
		collect(t, redis.Dir, outputs)
	}
	for where, b := range outputs {
		b = bytes.ToLower(b)
		for _, s := range all {
			ids := slices.Collect(maps.Values(s.ids))
			for _, list := range [][]string{s.pans, s.cvvs, s.phi, s.clinical, s.retail, ids, {s.born, s.postcode, strconv.Itoa(s.deposit), strconv.Itoa(s.deposit*2 + 5)}} {
				for _, secret := range list {
					if bytes.Contains(b, []byte(strings.ToLower(secret))) {
						t.Errorf("%s holds a value of a body (%.4s…)", where, secret)
					}
				}
			}
		}
	}
}

func collect(t *testing.T, dir string, into map[string][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		into[strings.TrimPrefix(name, dir)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
