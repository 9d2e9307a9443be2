package audit

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chaperone/rules/reason"
	"chaperone/vault/letters"
)

// sale is what the proxy records of a sale: samples with ids of their real
// length, and with all that a decision of a real policy has.
func saleEntries() map[string]Entry {
	const plan, key = "3dqqvqeanchjoiqut32ywo5jhlkpzh6qlmiv3y7h23hetlmvfdma", "diexdvrJFhJEirhcdikaEwAaiDhCEatx"
	common := Entry{Version: 1, Time: instant(175812754), Chain: "node-ghfyAwqCiufCDmpvjywi", Request: "uJiutwzjyamektryCuwu", Caller: "till",
		Origin: netip.MustParseAddr("127.0.0.1"), Route: "tokenize", Plan: plan, Key: key, Attempt: 1}
	decision, outcome := common, common
	decision.Kind, decision.Result, decision.Took = KindDecision, ResultForwarded, 492
	decision.Legs = []Leg{{Name: "bridge", To: "bridge", State: LegPrimary}}
	decision.Tokens = []Token{{Scope: "default", Label: "pan", Format: "pan", Key: "AxwbgcHAzHsxKJnwzKkndAvCAHjshdjh"}}
	add := func(rule, pattern, label, class, form Name, count int) {
		decision.Decisions = append(decision.Decisions, Decision{rule, pattern, label, class, form, "bridge", count})
	}
	add("labels.phi", "patient", "phi", "", "drop", 3)
	add("labels.phi.contact", "patient.phone", "phi.contact", "", "drop", 1)
	add("labels.phi.contact", "patient.email", "phi.contact", "", "drop", 1)
	add("labels.phi", "appointment", "phi", "", "drop", 1)
	add("labels.phi", "consent", "phi", "", "drop", 2)
	add("labels.phi", "note", "phi", "", "drop", 1)
	add("labels.phi", "items.#.practitioner", "phi", "clinical", "drop", 2)
	add("labels.phi", "items.#.lot", "phi", "clinical", "drop", 2)
	add("labels.phi", "items.#.area", "phi", "clinical", "drop", 2)
	add("basket.classes.clinical", "items.#", "phi", "clinical", "drop", 2)
	add("basket.classes.retail", "items.#", "", "retail", "plain", 3)
	add("labels.pan", "payment.card.number", "pan", "", "token", 1)
	add("labels.sad", "payment.card.cvv", "sad", "", "drop", 1)
	outcome.Kind, outcome.Result, outcome.Status, outcome.Upstream = KindOutcome, ResultReleased, 200, 200
	outcome.Took, outcome.Waited = 15380, 1542
	outcome.Legs = []Leg{{Name: "bridge", To: "bridge", State: LegPrimary, Status: 200}}
	return map[string]Entry{"sale-decision": decision, "sale-outcome": outcome}
}

// compactSamples are entries of every shape.
func compactSamples() map[string]Entry {
	all := samples()
	for name, e := range saleEntries() {
		all[name] = e
	}
	all["far"] = Entry{Version: 1, Kind: KindStop, Time: time.Date(1901, 2, 3, 4, 5, 6, 7, time.UTC)}
	all["unnumbered"] = Entry{Version: 1, Kind: KindReveal, Time: instant(0), Reason: "of_tomorrow",
		Decisions: []Decision{{Rule: "routes.a", Form: "veil", Count: 15}, {Rule: "token.pan", Label: "pan", Form: "token", Count: 70000}},
		Tokens:    []Token{{}}, Chains: []Stretch{{}}, Legs: []Leg{{}, {Name: "a", To: "b", Tries: 300}}}
	return all
}

// namesOf are the names of an entry, as those of a policy.
func namesOf(e *Entry) *Names {
	all := []Name{e.Caller, e.Route, e.Purpose}
	for _, d := range e.Decisions {
		all = append(all, d.Rule, d.Label, d.Class, d.Pattern, d.To)
	}
	for _, l := range e.Legs {
		all = append(all, l.Name, l.To)
	}
	return NewNames(e.Plan, all...)
}

// TestCompactGolden holds the stored form: a change of these files is a change
// of the format, and needs another layout.
func TestCompactGolden(t *testing.T) {
	for name, e := range compactSamples() {
		t.Run(name, func(t *testing.T) {
			got := e.AppendCompact(nil)
			file := filepath.Join("testdata", "compact", name+".hex")
			if *update {
				if err := os.WriteFile(file, append(hex.AppendEncode(nil, got), '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := hex.DecodeString(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
			parsed, err := Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(e, parsed, compareEntries); d != "" {
				t.Errorf("parsed back (-written +parsed):\n%s", d)
			}
		})
	}
}

// TestCompactIsSmall holds what a sale costs the store, without the seal.
func TestCompactIsSmall(t *testing.T) {
	for name, most := range map[string]int{"sale-decision": 250, "sale-outcome": 135} {
		e := saleEntries()[name]
		got, text := len(e.AppendCompact(nil)), len(e.Append(nil))
		t.Logf("%s: %d bytes, %d as text", name, got, text)
		if got > most {
			t.Errorf("%s: %d bytes, want at most %d", name, got, most)
		}
	}
}

// TestCompactSaysTheSame: what is read from the stored form has the text of
// what was written, whether names were looked up or not.
func TestCompactSaysTheSame(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var w encoder
	for i := range 5000 {
		e := randomEntry(r)
		if i%2 == 0 {
			mix(r, &e)
		}
		compact, text := e.AppendCompact(nil), e.Append(nil)
		if again := w.append(nil, &e, someOf(r, namesOf(&e)), nil); !bytes.Equal(again, compact) {
			t.Fatalf("%s\nwith names %x\nwithout    %x", text, again, compact)
		}
		parsed, err := Parse(compact)
		if err != nil {
			t.Fatalf("%v: %s\n%x", err, text, compact)
		}
		if got := parsed.Append(nil); !bytes.Equal(got, text) {
			t.Fatalf("got  %s\nwant %s", got, text)
		}
	}
}

// mix gives an entry ids and names of the sorts that have a form of their own,
// and names that are redacted.
func mix(r *rand.Rand, e *Entry) {
	texts := []Name{"pan", "phi", "phi.contact", "clinical", "!", "4111111111111111", "4222222222222222", "labels.!", "labels.4111111111111111",
		"", "token.pan", "labels.phi", "basket.classes.clinical", "items.#.lot", "\xff", "größe", "labels.größe", Name(strings.Repeat("ab", 127)),
		"labels." + Name(strings.Repeat("ab", 127)), "patient.patient.patient", "11111-11111", "labels.11111-11111"}
	any := func() Name { return texts[r.IntN(len(texts))] }
	pan := "4111111111111111"
	ids := []ID{"", ID(pan), ID(letters.Random(20)), ID("node-" + letters.Random(20)), ID("cli-" + letters.Random(24)), "node-", "node-1", "!",
		"3dqqvqeanchjoiqut32ywo5jhlkpzh6qlmiv3y7h23hetlmvfdma", "3dqqvqeanchjoiqut32ywo5jhlkpzh6qlmiv3y7h23hetlmvfdmb", ID(letters.Random(127)), ID(letters.Random(128)),
		"node-node-abc", "a b", ID(strings.Repeat("2", 52))}
	for _, id := range []*ID{&e.Chain, &e.Request, &e.Plan, &e.Subject, &e.Key} {
		*id = ids[r.IntN(len(ids))]
	}
	codes := append(reason.All(), reason.None, "of_tomorrow", reason.Code(pan))
	e.Reason = codes[r.IntN(len(codes))]
	e.Time = []time.Time{{}, instant(3), time.Unix(nearTime, 0), time.Unix(nearTime-1, 999_999_999), time.Unix(-1, 5), time.Unix(1<<40, 1)}[r.IntN(6)]
	e.Origin = []netip.Addr{{}, netip.MustParseAddr("::ffff:1.2.3.4"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::")}[r.IntN(4)]
	e.Attempt, e.Took = r.IntN(3)-1, Micros(r.Int64N(1<<40)-1<<39)
	e.Caller, e.Route, e.Rule, e.Why, e.Decisions = any(), any(), any(), any(), nil
	for range r.IntN(90) {
		e.Decisions = append(e.Decisions, Decision{any(), any(), any(), any(), []Name{"drop", "plain", "", "veil", Name(pan)}[r.IntN(5)], any(), r.IntN(40) - 3})
		e.Legs = append(e.Legs, Leg{Name: any(), To: any(), State: LegState(r.IntN(9)), Status: r.IntN(4) - 1, Tries: r.IntN(4) - 1})
		e.Tokens = append(e.Tokens, Token{Scope: any(), Label: Name(letters.Random(3)), Key: ids[r.IntN(len(ids))]})
	}
}

// someOf leaves out some of the names.
func someOf(r *rand.Rand, n *Names) *Names {
	var some []Name
	for _, s := range n.symbols {
		if r.IntN(3) > 0 {
			some = append(some, s.text)
		}
	}
	return NewNames(n.plan, some...)
}

// TestCompactHoldsNoCard tries to put a card number into every text of an
// entry, and into the names of a policy.
func TestCompactHoldsNoCard(t *testing.T) {
	for _, card := range []string{"4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "note 4111111111111111 end"} {
		n := Name(card)
		e := Entry{
			Time: instant(0), Kind: KindRefusal, Chain: ID(card), Request: ID(card), Caller: n, Route: n, Plan: ID(card), Purpose: n,
			Subject: ID(card), Key: ID(card), Reason: reason.Code(card), Rule: n, Pattern: n, Build: n, Target: n, Why: n,
			Legs:      []Leg{{Name: n, To: n}},
			Decisions: []Decision{{Rule: n, Pattern: n, Label: n, Class: n, Form: n, To: n}, {Rule: "labels." + n, Label: n}},
			Tokens:    []Token{{Scope: n, Label: n, Format: n, Key: ID(card)}},
			Chains:    []Stretch{{Chain: ID(card)}},
		}
		var w encoder
		for _, names := range []*Names{nil, namesOf(&e), NewNames(ID(card), n, "labels."+n)} {
			compact := w.append(nil, &e, names, nil)
			if bytes.Contains(compact, []byte("1111")) {
				t.Errorf("a card number is in %q", compact)
			}
			if _, err := Parse(compact); err != nil {
				t.Errorf("the redacted entry does not parse: %v", err)
			}
		}
	}
}

func TestCompactAllocatesNothing(t *testing.T) {
	e := saleEntries()["sale-decision"]
	s := NewSealing(noSeal{}, string(e.Chain))
	names := namesOf(&e)
	s.Use(func() *Names { return names })
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = s.Seal(dst[:0], &e) }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
	e = prepare(&e, 0, func() *Names { return names })
	if n := testing.AllocsPerRun(100, func() { dst = s.Seal(dst[:0], &e) }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations where decisions are prepared", n)
	}
}

// noSeal leaves a text as it is.
type noSeal struct{}

func (noSeal) Seal(dst, plaintext, _ []byte) []byte       { return append(dst, plaintext...) }
func (noSeal) Open(dst, sealed, _ []byte) ([]byte, error) { return append(dst, sealed...), nil }

func TestCompactRefuses(t *testing.T) {
	e := saleEntries()["sale-decision"]
	good := e.AppendCompact(nil)
	for n := range good {
		if _, err := Parse(good[:n]); !errors.Is(err, ErrFormat) {
			t.Errorf("cut off after %d bytes: %v", n, err)
		}
	}
	stop := (&Entry{Time: instant(0), Kind: KindStop}).AppendCompact(nil)
	with := func(mask uint32, more ...byte) []byte {
		b := append(bytes.Clone(stop), more...)
		binary.LittleEndian.PutUint32(b[1:], mask)
		return b
	}
	at := func(i int, c byte) []byte {
		b := bytes.Clone(stop)
		b[i] = c
		return b
	}
	if _, err := Parse(with(hasRoute, 1, 'a')); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"another layout":                      {at(0, 3), "it begins with 0x03"},
		"bytes after its end":                 {append(bytes.Clone(good), 0), "bytes after its end"},
		"no kind":                             {at(5, 0), "a word that this program does not know"},
		"a kind of tomorrow":                  {at(5, byte(len(kindNames.of))), "a word that this program does not know"},
		"a member of tomorrow":                {with(hasNothingElse), "a member that this program does not know"},
		"a far time that is near":             {with(hasFarTime, 0, 0, 0, 0), "not as it is written"},
		"an action of tomorrow":               {with(hasAction, 200), "a word that this program does not know"},
		"a result of tomorrow":                {with(hasResult, 200), "a word that this program does not know"},
		"a reason of tomorrow":                {with(hasReason, 200), "a reason that this program does not know"},
		"a reason by text that has a number":  {with(hasReason, 0, idText, 9, 'i', 'n', '_', 'f', 'l', 'i', 'g', 'h', 't'), "not as it is written"},
		"no name":                             {with(hasRoute, 0), "not as it is written"},
		"a name with no slot":                 {with(hasRoute, firstSlot), "a name that it does not bear"},
		"a word of tomorrow":                  {with(hasRoute, 254), "a word that this program does not know"},
		"a word inside of tomorrow":           {with(hasRoute, 2, 'a', 254), "a word that this program does not know"},
		"a word spelled out":                  {with(hasRoute, 3, 'p', 'a', 'n'), "not as it is written"},
		"a short name as a long one":          {with(hasRoute, nameLong, 1, 'a'), "not as it is written"},
		"a name twice":                        {with(hasCaller|hasRoute, 1, 'a', 1, 'a'), "not as it is written"},
		"a raw name of ASCII":                 {with(hasRoute, 2, codedRaw, 'a'), "not as it is written"},
		"a name that is no text":              {with(hasRoute, 2, codedRaw, 0xff), "not as it is written"},
		"a name of great length":              {with(hasRoute, nameLong, 0xff, 0xff, 0xff, 0xff, 0x7f), "a length that none has"},
		"a card as a name":                    {with(hasRoute, append([]byte{16}, "4111111111111111"...)...), "not as it is written"},
		"an overlong number":                  {with(hasStatus, 0x81, 0), "not as it is written"},
		"a number of no end":                  {with(hasStatus, bytes.Repeat([]byte{0xff}, 11)...), "a malformed number"},
		"a number too large":                  {with(hasStatus, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "a malformed number"},
		"a zero":                              {with(hasStatus, 0), "not as it is written"},
		"an id of no letters":                 {with(hasKey, idNode, 0), "an id of no length"},
		"an id of another sort":               {with(hasKey, 0x90), "an id of a kind"},
		"letters as text":                     {with(hasKey, idText, 1, 'a'), "not as it is written"},
		"letters with bits left":              {with(hasKey, 1, 0x01), "not as it is written"},
		"an id of great length":               {with(hasKey, idText, 0xff, 0x7f), "a length that none has"},
		"more legs than bytes":                {with(hasLegs, 0xff, 0xff, 0xff, 0x7f, 1, 1), "a length that none has"},
		"no legs":                             {with(hasLegs, 0), "a length that none has"},
		"a leg's state of tomorrow":           {with(hasLegs, 1, 15, 0, 0), "a leg's state"},
		"a form of tomorrow":                  {with(hasDecisions, 1, 0, 9, 0, 0, 0), "a form that this program does not know"},
		"a label as before that there is not": {with(hasDecisions, 1, labelSame, 6, 0), "not as it is written"},
		"both addresses":                      {with(hasOrigin4|hasOrigin16, make([]byte, 20)...), "not as it is written"},
		"an IPv4 as IPv6":                     {with(hasOrigin16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4), "not as it is written"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.b)
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzParseCompact(f *testing.F) {
	for _, e := range compactSamples() {
		b := e.AppendCompact(nil)
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(append(b, 0))
	}
	f.Add([]byte{layoutCompact, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Parse(b)
		if err != nil {
			return
		}
		text := e.Append(nil)
		if b[0] == '{' {
			if !bytes.Equal(text, b) {
				t.Errorf("parsed\n%s\nwritten\n%s", b, text)
			}
			return
		}
		if again := e.AppendCompact(nil); !bytes.Equal(again, b) {
			t.Errorf("parsed\n%x\nwritten\n%x", b, again)
		}
		other, err := Parse(text)
		if err != nil || !bytes.Equal(other.AppendCompact(nil), b) {
			t.Errorf("its text does not say the same: %v\n%s", err, text)
		}
	})
}

// TestNumbersNeverChange holds every number of the format. One that was
// written once never stands for anything else.
func TestNumbersNeverChange(t *testing.T) {
	hold := func(what string, got []string, want string) {
		t.Helper()
		for i, w := range strings.Split(want, "|") {
			if i >= len(got) || got[i] != w {
				t.Fatalf("%s %d is %q, and was %q", what, i, got[min(i, len(got)-1)], w)
			}
		}
		seen := map[string]bool{}
		for i, g := range got {
			if i > 0 && (g == "" || seen[g]) {
				t.Errorf("%s %d is %q, which is empty or has another number", what, i, g)
			}
			seen[g] = true
		}
		if n := len(strings.Split(want, "|")); n != len(got) {
			t.Errorf("%s: %d have a number; this test holds %d", what, len(got), n)
		}
	}
	hold("kind", kindNames.of, "|start|stop|decision|outcome|delivery|refusal|doubt|reload|admin|log_read|mint|reveal|cut|witness|alarm")
	hold("result", resultNames.of, "|forwarded|released|cancelled|void|unknown|refused|delivered|retry|dead|dropped|parked|replayed|ok|failed|pending")
	hold("leg's state", legStateNames.of, "|primary|held|queued|skipped|delivered|dropped|dead|parked")
	hold("action", actionNames.of, "|log_tail|log_follow|log_verify|outbox_list|outbox_doubts|status|keys_init|keys_list|keys_rotate|keys_retire|keys_destroy|keys_migrate|"+
		"token_list|token_revoke|token_scrub|token_index_rebuild|outbox_show|outbox_body|outbox_retry|outbox_drop|doubt_resolve|log_archive|log_export|log_disclosures|log_breach|subject_merged|certificate_reload")
	hold("form", texts(forms[:]), "|plain|generalize|alias|token|mask|drop|block")
	hold("reason", texts(reasonCodes[:]), "|host_unknown|cross_site|caller_unknown|caller_forbidden|route_unknown|method_not_allowed|head_malformed|expect_unknown|not_ready|agreement_lapsed|"+
		"content_type|content_encoding|body_too_large|body_too_slow|body_malformed|body_too_deep|body_not_utf8|body_missing|blocked|ambiguous_member|basket_shape|class_absent|"+
		"amount_malformed|currency_unknown|totals_mismatch|totals_unsplittable|token_unknown|egress_blocked|token_limit|key_malformed|in_flight|in_doubt|body_differs|answer_forgotten|"+
		"sale_unknown|sale_pending|sale_open|store_unavailable|overloaded|internal|double_claim|late_outcome|upstream_unreachable|primary_timeout|primary_in_doubt|answer_unreadable|answer_withheld|expression_undecided|keyring_untied|keyring_foreign")
	hold("word", texts(words[:]), wordsThen)
	for i, f := range forms {
		if int(formOf(f)) != i {
			t.Errorf("form %d is written as %d", i, formOf(f))
		}
	}
	if alphabet != letters.Alphabet {
		t.Error("the letters are others")
	}
	if len(words) > codedRaw-firstWord || len(legStateNames.of) > legState {
		t.Error("there are more words, or states of a leg, than the format can tell apart")
	}
}

const wordsThen = "labels.|basket.classes.|token.|detect.|routes.|.legs.|destinations.|callers.|keep|unlink|detect.pan|detect.sad|.on_doubt|.follows|.agreement|basket.|" +
	"pan|sad|phi|phi.contact|phi.|pii|sealed|vaulted|alias|default|items.#.|items.#|items|.#.|.#|**.|*.|@query.|@header.|@path.|" +
	"patient.|patient|payment.card.|payment.|payment|card.|customer.|customer|client.|client|person.|consent|appointment|billing.|shipping.|insurance|provider|" +
	"number|cvv|track2|track|expiry|holder|name|first|last|phone|mobile|email|address|street|city|postcode|zip|birth|date|time|gender|age|note|" +
	"practitioner|lot|area|dose|sku|category|quantity|price|amount|total|currency|description|diagnosis|medical|record|photo|signature|transaction|account|reference|" +
	"national|member|code|type|id|_id|clinical|retail|processor|ledger|ehr|checkout|refund|front-desk|treatment|operations| and |local:|health|care|generation "

func texts[T ~string](of []T) (all []string) {
	for _, t := range of {
		all = append(all, string(t))
	}
	return all
}

func TestWordsAreASCII(t *testing.T) {
	for _, w := range words {
		if w == "" || look(string(w))&(seenWide|seenEscape|seenDigits) != 0 {
			t.Errorf("word %q", w)
		}
	}
}

// TestReadersSeeNoDifference: export, disclosures and breach give the same of a
// log whose entries are stored as text, and of one that has them in the
// compact form.
func TestReadersSeeNoDifference(t *testing.T) {
	const id = "node-abcd"
	seen := func(asText bool) string {
		m := newMemory()
		for _, name := range []string{"sale-decision", "sale-outcome", "decision", "refusal", "delivery", "witness", "admin", "escapes", "unnumbered"} {
			e := compactSamples()[name]
			e.Subject = "person"
			m.append(id, e)
		}
		for i := range m.records[id] {
			opened, err := NewSealing(testSealer{}, id).Open(m.records[id][i].Entry)
			if err != nil {
				t.Fatal(err)
			}
			if asText {
				m.records[id][i].Entry = testSealer{}.Seal(nil, opened.Append(nil), associatedData)
			}
		}
		m.rehash(id, 0)
		var out bytes.Buffer
		r := &Reader{Source: m, Sealer: testSealer{}, Key: testSigner.Public()}
		if _, err := r.Export(t.Context(), Query{}, nil, func(l *Line) error { out.Write(append(l.Entry.Append(nil), '\n')); return nil }); err != nil {
			t.Fatal(err)
		}
		all, sum, err := r.Disclosures(t.Context(), "person", time.Time{}, time.Time{}, nil)
		if err != nil || sum.Unreadable > 0 || len(all) == 0 {
			t.Fatalf("%v: %+v: %v", err, sum, all)
		}
		fmt.Fprintln(&out, all)
		_, err = r.Breach(t.Context(), BreachQuery{Caller: "till"}, nil, func(x *Exposure) error { fmt.Fprintln(&out, *x); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if text, compact := seen(true), seen(false); text != compact {
		t.Errorf("of text\n%s\nof the compact form\n%s", text, compact)
	}
}

// TestMixedChain: a chain whose beginning was written as text, by the version
// before, is whole, and its entries read the same.
func TestMixedChain(t *testing.T) {
	const id = "node-abcd"
	m := newMemory()
	m.chain(id, 3)
	for i := range m.records[id] {
		e, err := NewSealing(testSealer{}, id).Open(m.records[id][i].Entry)
		if err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			m.records[id][i].Entry = testSealer{}.Seal(nil, e.Append(nil), associatedData)
		}
	}
	m.rehash(id, 0)
	if r := mustVerify(t, m, verifyOptions("")); !r.OK() || r.Entries() != 3 {
		t.Errorf("%+v", r)
	}
	var got []ID
	err := Tail(t.Context(), m, testSealer{}, TailOptions{Last: 3}, func(l Line) error { got = append(got, l.Entry.Request); return nil })
	if err != nil || !slices.Equal(got, []ID{"r-node-abcd-1", "r-node-abcd-2", "r-node-abcd-3"}) {
		t.Errorf("%v: %v", err, got)
	}
	if first, last := m.records[id][0].Entry, m.records[id][2].Entry; first[0] != '{' || last[0] != layoutCompact {
		t.Errorf("they begin with %#x and %#x", first[0], last[0])
	}
}

func TestNamesKeepToTheirBounds(t *testing.T) {
	var many []Name
	for i := range 3000 {
		many = append(many, Name("section."+strings.Repeat("x", i%40)+letters.Random(6)+".and.the.rest.of.it"))
	}
	n := NewNames("", append(many, many...)...)
	if got := len(n.symbols) - len(words); got < 2900 || got > 3000 {
		t.Errorf("%d symbols of 3000 names", got)
	}
	for i, s := range n.symbols {
		if n.find(s.text) != i {
			t.Errorf("%q is not found", s.text)
		}
	}
	for _, w := range words {
		if !n.Has(w) {
			t.Errorf("the word %q is not found", w)
		}
	}
	if n.Has("section.") || n.Has("") || NewNames("", "4111111111111111").Has("4111111111111111") {
		t.Error("what is no name is found")
	}
}
