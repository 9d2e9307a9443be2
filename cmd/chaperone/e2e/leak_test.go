package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/cmd/chaperone/e2e/rig"
	"chaperone/store/redistest"
)

var leakSeed = flag.Int64("leak-seed", 0, "seed of the random baskets and policies; 0 takes the time")

// secrets are the values of one sale, each of which only some parties may see.
// They are all distinct, so that a search finds where one went.
type secrets struct {
	pans     []string // digits
	cvvs     []string
	phi      []string // of the patient
	clinical []string // of clinical items
	retail   []string // of retail items
}

// world makes random policies and baskets.
type world struct {
	*rand.Rand
	n int
}

func (w *world) word(prefix string) string {
	w.n++
	b := make([]byte, 10)
	for i := range b {
		b[i] = "bcdfghjklmnpqrstvwxz"[w.Intn(20)]
	}
	return fmt.Sprintf("%s-%s", prefix, b)
}

// pan makes a Luhn-valid card number of a network.
func (w *world) pan() string {
	shapes := []struct {
		prefix string
		n      int
	}{{"4", 16}, {"51", 16}, {"55", 16}, {"2221", 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"36", 14}, {"3530", 16}, {"4", 13}, {"62", 19}}
	s := shapes[w.Intn(len(shapes))]
	digits := []byte(s.prefix)
	for len(digits) < s.n-1 {
		digits = append(digits, byte('0'+w.Intn(10)))
	}
	return rig.Luhn(digits)
}

// dress writes a card number as a JSON value in one of the ways in which a
// legacy POS may.
func (w *world) dress(pan string) string {
	switch w.Intn(7) {
	case 0:
		return pan
	case 1:
		var e strings.Builder
		for i := range pan {
			fmt.Fprintf(&e, `\u%04x`, pan[i])
		}
		return `"` + e.String() + `"`
	case 2:
		return `"` + pan[:4] + " " + pan[4:8] + " " + pan[8:12] + " " + pan[12:] + `"`
	case 3:
		return `"` + pan[:4] + "-" + pan[4:8] + "-" + pan[8:12] + "-" + pan[12:] + `"`
	case 4:
		if len(strings.TrimRight(pan, "0")) == len(pan) {
			return pan[:1] + "." + pan[1:] + fmt.Sprintf("e%d", len(pan)-1)
		}
	case 5:
		return fmt.Sprintf(`"paid with %s, thanks"`, pan)
	}
	return `"` + pan + `"`
}

// sale makes a random basket with its secrets. Card numbers stand where they
// belong, in notes, in items, as numbers, in unknown members and in names.
func (w *world) sale(id string) (string, secrets) {
	var s secrets
	pan := func() string { p := w.pan(); s.pans = append(s.pans, p); return p }
	phi := func() string { p := w.word("phi"); s.phi = append(s.phi, p); return p }
	cvv := func() string { c := w.word("cvv"); s.cvvs = append(s.cvvs, c); return c }
	var items []string
	subtotal, clinicalNet := 0, 0
	for n := 1 + w.Intn(5); n > 0; n-- {
		qty, price := 1+w.Intn(3), 100+w.Intn(90000)
		subtotal += qty * price
		category, mark := "skincare", ""
		if w.Intn(2) == 0 {
			category, mark = "injectable", w.word("clinical")
			clinicalNet += qty * price
			s.clinical = append(s.clinical, mark)
		} else {
			mark = w.word("retail")
			s.retail = append(s.retail, mark)
		}
		fields := []string{
			fmt.Sprintf(`"name":%q`, mark), fmt.Sprintf(`"category":%q`, category), fmt.Sprintf(`"qty":%d`, qty),
			fmt.Sprintf(`"unit_price":%d`, price), fmt.Sprintf(`"lot":%q`, phi()),
		}
		if w.Intn(3) == 0 {
			fields = append(fields, `"remark":`+w.dress(pan()))
		}
		w.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		items = append(items, "{"+strings.Join(fields, ",")+"}")
	}
	tip := 0
	if clinicalNet > 0 {
		tip = w.Intn(2000)
	}
	card := fmt.Sprintf(`{"number":%s,%q:%q,"exp":"12/29"}`, w.plainDress(pan()),
		[]string{"cvv", "cvc", "CVV2", "security_code", "\\u0063vv"}[w.Intn(4)], cvv())
	members := []string{
		fmt.Sprintf(`"transaction_id":%q`, id), `"currency":"USD"`,
		fmt.Sprintf(`"patient":{"id":%q,"name":%q,"phone":%q,"deep":[[{"x":%q}]]}`, phi(), phi(), phi(), phi()),
		`"items":[` + strings.Join(items, ", ") + `]`,
		fmt.Sprintf(`"totals":{"subtotal":%d,"tax":0,"tip":%d,"discount":0,"total":%d}`, subtotal, tip, subtotal+tip),
		`"payment":{"card":` + card + `,"track2":` + fmt.Sprintf("%q", cvv()) + `}`,
	}
	for n := w.Intn(4); n > 0; n-- {
		members = append(members, []string{
			`"note":` + w.dress(pan()),
			fmt.Sprintf(`"extra%d":{"a":[%s,null,{"b":%s}]}`, w.Intn(9), w.dress(pan()), w.dress(pan())),
			fmt.Sprintf(`"by %s":true`, pan()),
			fmt.Sprintf(`"misc":{"pin_block":%q}`, cvv()),
			fmt.Sprintf(`"payment2":{"card":{"number":%s}}`, w.dress(pan())),
		}[w.Intn(5)])
	}
	w.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{\n " + strings.Join(members, ",\n ") + "\n}", s
}

func (w *world) plainDress(pan string) string {
	if w.Intn(2) == 0 {
		return pan
	}
	return `"` + pan + `"`
}

// party is what a random policy lets one destination see.
type party struct {
	pan, phi, sad string
	class         string // of the items it gets: clinical, retail, none
}

// policy draws forms for the three destinations and writes the file. Only what
// the loader may accept is drawn.
func (w *world) policy(r receivers) (string, map[string]party) {
	pick := func(from ...string) string { return from[w.Intn(len(from))] }
	ps := map[string]party{
		"processor": {pan: "plain", phi: "drop", sad: pick("plain", "drop"), class: "none"},
		"ehr":       {pan: pick("token", "mask", "drop", "plain"), phi: pick("plain", "token"), sad: "drop", class: "clinical"},
		"ledger":    {pan: pick("token", "mask", "drop"), phi: "drop", sad: "drop", class: "retail"},
	}
	rules := r.rules()
	rules = strings.Replace(rules, "sees: {pan: plain, sad: plain}", fmt.Sprintf("sees: {pan: plain, sad: %s}", ps["processor"].sad), 1)
	rules = strings.Replace(rules, "sees: {phi: plain, pan: token}", fmt.Sprintf("sees: {phi: %s, pan: %s}", ps["ehr"].phi, ps["ehr"].pan), 1)
	rules = strings.Replace(rules, "sees: {pan: mask}", fmt.Sprintf("sees: {pan: %s}", ps["ledger"].pan), 1)
	if w.Intn(2) == 0 { // the record and the ledger ask for everything
		rules = strings.Replace(rules, "keep: [transaction_id, timestamp, currency, patient, consent, items, totals, note, payment.card.number]", "keep: all", 1)
		rules = strings.Replace(rules, "keep: [transaction_id, timestamp, currency, items, totals, note, payment.card.number]", "keep: all", 1)
	}
	return rules, ps
}

// holds reports whether text, or the digits of it, holds the secret.
func holds(text, secret string) bool {
	if strings.Contains(text, secret) {
		return true
	}
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		if r == ' ' || r == '-' {
			return -1
		}
		return 'x'
	}, text)
	return strings.Contains(digits, secret)
}

// judge looks at every string, number and name that a party got.
func judge(t *testing.T, who string, body []byte, p party, s secrets) {
	t.Helper()
	var forbidden []string
	if p.pan != "plain" {
		forbidden = append(forbidden, s.pans...)
	}
	if p.sad != "plain" {
		forbidden = append(forbidden, s.cvvs...)
	}
	if p.phi != "plain" {
		forbidden = append(forbidden, s.phi...)
		forbidden = append(forbidden, s.clinical...)
	}
	if p.class != "retail" {
		forbidden = append(forbidden, s.retail...)
	}
	walk(decode(t, body), func(text string) {
		plain := text
		var f json.Number = json.Number(text)
		if v, err := f.Float64(); err == nil && strings.ContainsAny(text, "eE.") {
			plain = fmt.Sprintf("%.0f", v)
		}
		for _, secret := range forbidden {
			if holds(text, secret) || holds(plain, secret) {
				t.Errorf("%s got a value that it may not see (%s…)", who, secret[:4])
			}
		}
	})
}

// TestNothingLeaks sends random baskets under random policies and looks, with
// encoding/json and a search for bytes alone, at everything that came out.
func TestNothingLeaks(t *testing.T) {
	seed := *leakSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("seed %d", seed)
	w := &world{Rand: rand.New(rand.NewSource(seed))}
	for round := range 6 {
		name, redis := "embedded", (*redistest.Server)(nil)
		infra := ""
		if round%2 == 1 {
			name, redis = "Redis", redistest.Start(t, redistest.Options{})
			infra = fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redis.Addr)
		}
		t.Run(fmt.Sprintf("%d %s", round, name), func(t *testing.T) {
			r := newReceivers(t)
			rules, parties := w.policy(r)
			c := install(t, rules, infra)
			c.start()
			var all []secrets
			for n := range 60 {
				body, s := w.sale(fmt.Sprintf("sale-%d-%d", round, n))
				before := len(r.processor.got())
				a := c.mustPost("/v1/checkout", frontDesk, body)
				if a.status != 200 {
					t.Fatalf("status %d %s\n%s", a.status, a.body, body)
				}
				judge(t, "the caller", a.body, party{pan: "token", phi: "drop", sad: "drop", class: "none"}, s)
				for _, call := range r.processor.got()[before:] {
					judge(t, "processor", call.Body, parties["processor"], s)
				}
				r.delivered(t, 0, 0)
				all = append(all, s)
			}
			settled(t, c)
			for _, s := range all {
				for _, call := range r.ehr.got() {
					judge(t, "ehr", call.Body, parties["ehr"], s)
				}
				for _, call := range r.ledger.got() {
					judge(t, "ledger", call.Body, parties["ledger"], s)
				}
			}
			if len(r.ehr.got()) == 0 || len(r.ledger.got()) == 0 {
				t.Errorf("%d calls at the record, %d at the ledger: nothing was tried", len(r.ehr.got()), len(r.ledger.got()))
			}
			searchOutputs(t, c, redis, all)
		})
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
func searchOutputs(t *testing.T, c *instance, redis *redistest.Server, all []secrets) {
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
		for _, s := range all {
			for _, list := range [][]string{s.pans, s.cvvs, s.phi, s.clinical, s.retail} {
				for _, secret := range list {
					if bytes.Contains(b, []byte(secret)) {
						t.Errorf("%s holds a value of a body (%s…)", where, secret[:4])
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
