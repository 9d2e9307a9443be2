package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chaperone/rules/reason"
)

var update = flag.Bool("update", false, "write the golden files anew")

var compareEntries = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func instant(nanos int) time.Time {
	return time.Date(2026, 3, 1, 9, 30, 0, nanos, time.UTC)
}

// samples are entries as the proxy makes them, one of each shape.
func samples() map[string]Entry {
	return map[string]Entry{
		"start": {Version: 1, Time: instant(0), Kind: KindStart, Chain: "node-abcd", Plan: "mfrggzdfmztwq2lk", Build: "0.1.0", Result: ResultOK},
		"decision": {
			Version: 1, Time: instant(123456789), Kind: KindDecision, Chain: "node-abcd",
			Request: "qwertyuiop", Caller: "front-desk", Origin: netip.MustParseAddr("192.0.2.7"), Route: "checkout",
			Plan: "mfrggzdfmztwq2lk", Purpose: "treatment", Subject: "aabbccddee", Key: "zyxwvuts", Attempt: 1,
			Result: ResultForwarded, Took: 412,
			Legs: []Leg{
				{Name: "processor", To: "processor", State: LegPrimary},
				{Name: "ehr", To: "ehr", State: LegHeld},
				{Name: "ledger", To: "ledger", State: LegSkipped},
			},
			Decisions: []Decision{
				{Rule: "labels.pan", Pattern: "payment.card.number", Label: "pan", Form: "token", To: "ehr", Count: 1},
				{Rule: "basket.classes.clinical", Pattern: "items.#", Label: "phi", Class: "clinical", Form: "drop", To: "ledger", Count: 3},
			},
		},
		"outcome": {
			Version: 1, Time: instant(500), Kind: KindOutcome, Chain: "node-abcd", Request: "qwertyuiop", Key: "zyxwvuts", Attempt: 2,
			Result: ResultReleased, Status: 200, Upstream: 201, Took: 90_000, Waited: 88_000,
			Legs: []Leg{{Name: "ehr", To: "ehr", State: LegQueued}},
		},
		"refusal": {
			Version: 1, Time: instant(1), Kind: KindRefusal, Chain: "node-abcd", Request: "qwertyuiop", Origin: netip.MustParseAddr("2001:db8::1"),
			Result: ResultRefused, Reason: reason.AmbiguousMember, Rule: "basket.items", Pattern: "items", Status: 422, Repeats: 17,
		},
		"delivery": {
			Version: 1, Time: instant(2), Kind: KindDelivery, Chain: "node-abcd", Key: "zyxwvuts", Attempt: 1, Result: ResultDelivered,
			Legs: []Leg{{Name: "ehr", To: "ehr", State: LegDelivered, Status: 204, Tries: 3}},
		},
		"doubt":    {Version: 1, Time: instant(3), Kind: KindDoubt, Chain: "node-abcd", Key: "zyxwvuts", Attempt: 1, Result: ResultUnknown, Reason: reason.PrimaryTimeout},
		"log_read": {Version: 1, Time: instant(4), Kind: KindLogRead, Action: ActionLogTail, Chain: "node-abcd", Caller: "local:1000", Result: ResultOK},
		"admin": {
			Version: 1, Time: instant(6), Kind: KindAdmin, Action: ActionKeysRotate, Chain: "node-abcd", Caller: "local:1000", Result: ResultOK,
			Target: "pan generation 2", Why: "yearly rotation",
		},
		"cut": {
			Version: 1, Time: instant(7), Kind: KindCut, Action: ActionLogArchive, Chain: "node-abcd", Caller: "local:1000", Result: ResultOK,
			Chains: []Stretch{{Chain: "node-efgh", From: 1, To: 4000, Hash: Digest(First("hash")), File: Digest(First("file"))}},
		},
		"witness": {
			Version: 1, Time: instant(8), Kind: KindWitness, Chain: "node-abcd",
			Chains: []Stretch{{Chain: "node-efgh", To: 17, Hash: Digest(First("a"))}, {Chain: "cli-ijkl", To: 1, Hash: Digest(First("b"))}},
		},
		"escapes": {Version: 1, Time: instant(5), Kind: KindAdmin, Chain: "node-abcd", Pattern: "a\"b\\c\n\x7f\u2028é.#.<&>", Rule: "labels.größe"},
	}
}

// TestEntryGolden holds the format: a change of these files is a change of the
// format, and needs a new version.
func TestEntryGolden(t *testing.T) {
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			got := append(e.Append(nil), '\n')
			file := filepath.Join("testdata", "entries", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %swant %s", got, want)
			}
			parsed, err := Parse(bytes.TrimSuffix(want, []byte("\n")))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(e, parsed, compareEntries); d != "" {
				t.Errorf("parsed back (-written +parsed):\n%s", d)
			}
		})
	}
}

// randomEntry fills all members with what their types allow.
func randomEntry(r *rand.Rand) Entry {
	letters := func(n int) string {
		b := make([]byte, r.IntN(n))
		for i := range b {
			b[i] = "abcdefghjkXYZ_-.:357"[r.IntN(20)]
		}
		if look(string(b))&seenDigits != 0 {
			return ""
		}
		return string(b)
	}
	text := func() Name {
		runes := []rune("ab.#*é\"\\\n\t\u2028\x00\x7f €𝄞 -12")
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		if look(b.String())&seenDigits != 0 {
			return ""
		}
		return Name(b.String())
	}
	e := Entry{
		Version: 1,
		Time:    time.Unix(r.Int64N(1<<36), r.Int64N(1e9)).UTC(),
		Kind:    Kind(1 + r.IntN(len(kindNames.of)-1)),
		Action:  Action(r.IntN(len(actionNames.of))),
		Chain:   ID(letters(20)), Request: ID(letters(30)), Caller: text(), Route: text(),
		Plan: ID(letters(40)), Purpose: text(), Subject: ID(letters(20)), Key: ID(letters(20)), Attempt: r.IntN(5),
		Result: Result(r.IntN(len(resultNames.of))), Reason: reason.Code(letters(9)),
		Rule: text(), Pattern: text(), Status: r.IntN(600), Upstream: r.IntN(600),
		Took: Micros(r.Int64N(1 << 40)), Waited: Micros(r.Int64N(1 << 40)), Repeats: r.IntN(3), Build: text(),
		Target: text(), Why: text(),
	}
	if r.IntN(2) == 0 {
		var b [4]byte
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		e.Origin = netip.AddrFrom4(b)
	}
	for range r.IntN(4) {
		e.Legs = append(e.Legs, Leg{Name: text(), To: text(), State: LegState(r.IntN(len(legStateNames.of))), Status: r.IntN(600), Tries: r.IntN(9)})
	}
	for range r.IntN(3) {
		e.Chains = append(e.Chains, Stretch{Chain: ID(letters(20)), From: uint64(r.Int64N(1 << 50)), To: uint64(r.IntN(9)), Hash: Digest(First(letters(9)))})
		if r.IntN(2) == 0 {
			e.Chains[0].File = Digest(First(letters(9)))
		}
	}
	for range r.IntN(4) {
		e.Tokens = append(e.Tokens, Token{Scope: text(), Label: text(), Format: text(), Key: ID(letters(32))})
		e.Decisions = append(e.Decisions, Decision{Rule: text(), Pattern: text(), Label: text(), Class: text(), Form: text(), To: text(), Count: r.IntN(9)})
	}
	return e
}

func TestEntryRoundTrip(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 5000 {
		e := randomEntry(r)
		text := e.Append(nil)
		if !json.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		if bytes.ContainsAny(text, "\n\r\u2028") {
			t.Fatalf("more than one line: %q", text)
		}
		parsed, err := Parse(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if d := cmp.Diff(e, parsed, compareEntries); d != "" {
			t.Fatalf("%s\n(-written +parsed):\n%s", text, d)
		}
	}
}

// TestEntryHoldsNoCard tries to put a card number into every text of an entry.
func TestEntryHoldsNoCard(t *testing.T) {
	const pan = "4111111111111111"
	for name, card := range map[string]string{
		"plain": pan, "spaced": "4111 1111 1111 1111", "dashed": "4111-1111-1111-1111",
		"inside": "note 4111111111111111 end", "twelve digits": "501811111111",
	} {
		t.Run(name, func(t *testing.T) {
			n := Name(card)
			e := Entry{
				Time: instant(0), Kind: KindRefusal, Chain: ID(card), Request: ID(card), Caller: n, Route: n, Plan: ID(card), Purpose: n,
				Subject: ID(card), Key: ID(card), Reason: reason.Code(card), Rule: n, Pattern: n, Build: n, Target: n, Why: n,
				Legs:      []Leg{{Name: n, To: n}},
				Decisions: []Decision{{Rule: n, Pattern: n, Label: n, Class: n, Form: n, To: n}},
				Tokens:    []Token{{Scope: n, Label: n, Format: n, Key: ID(card)}},
				Chains:    []Stretch{{Chain: ID(card)}},
			}
			text := e.Append(nil)
			if bytes.Contains(text, []byte("1111")) {
				t.Errorf("a card number is in %s", text)
			}
			if got, want := bytes.Count(text, []byte(`"!"`)), 27; got != want {
				t.Errorf("%d texts redacted, want %d: %s", got, want, text)
			}
			if _, err := Parse(text); err != nil {
				t.Errorf("the redacted entry does not parse: %v", err)
			}
		})
	}
}

func TestAppendRedactsWhatIsNoID(t *testing.T) {
	for _, id := range []ID{"a b", "<", "a\nb", "é", "\xff", ID(strings.Repeat("a", maxID+1)), `a"b`} {
		e := Entry{Kind: KindStop, Time: instant(0), Request: id}
		if text := e.Append(nil); !bytes.Contains(text, []byte(`"request":"!"`)) {
			t.Errorf("ID %q: %s", id, text)
		}
	}
	for _, n := range []Name{"\xff", Name(strings.Repeat("a", maxName+1))} {
		e := Entry{Kind: KindStop, Time: instant(0), Route: n}
		if text := e.Append(nil); !bytes.Contains(text, []byte(`"route":"!"`)) {
			t.Errorf("Name %.10q: %s", n, text)
		}
	}
}

func TestAppendOddTimes(t *testing.T) {
	zone := time.FixedZone("", 5*3600)
	for name, at := range map[string]time.Time{
		"another zone": time.Date(2026, 1, 1, 1, 0, 0, 0, zone),
		"year 10000":   time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		"year -1":      time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
		"zero":         {},
	} {
		e := Entry{Kind: KindStop, Time: at}
		if _, err := Parse(e.Append(nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	e := samples()["decision"]
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = e.Append(dst[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = `{"v":1,"time":"2026-03-01T09:30:00Z","kind":"stop"}`
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":             ``,
		"cut off":           good[:len(good)-1],
		"two entries":       good + good,
		"space after":       good + " ",
		"space inside":      strings.Replace(good, `,"kind"`, `, "kind"`, 1),
		"unknown member":    strings.Replace(good, `}`, `,"note":"x"}`, 1),
		"repeated member":   strings.Replace(good, `}`, `,"kind":"stop"}`, 1),
		"another order":     `{"time":"2026-03-01T09:30:00Z","v":1,"kind":"stop"}`,
		"another case":      strings.Replace(good, "kind", "Kind", 1),
		"unknown kind":      strings.Replace(good, "stop", "halt", 1),
		"no kind":           `{"v":1,"time":"2026-03-01T09:30:00Z"}`,
		"empty kind":        strings.Replace(good, "stop", "", 1),
		"version 2":         strings.Replace(good, `"v":1`, `"v":2`, 1),
		"no version":        strings.Replace(good, `"v":1,`, ``, 1),
		"empty member":      strings.Replace(good, `}`, `,"route":""}`, 1),
		"zero member":       strings.Replace(good, `}`, `,"status":0}`, 1),
		"negative member":   strings.Replace(good, `}`, `,"status":-1}`, 1),
		"fraction":          strings.Replace(good, `}`, `,"status":2.5}`, 1),
		"text for a number": strings.Replace(good, `}`, `,"status":"200"}`, 1),
		"zone in time":      strings.Replace(good, "00Z", "00+01:00", 1),
		"escape not needed": strings.Replace(good, `}`, `,"route":"\u0061"}`, 1),
		"a card as a name":  strings.Replace(good, `}`, `,"route":"4111111111111111"}`, 1),
		"a space in an id":  strings.Replace(good, `}`, `,"key":"a b"}`, 1),
		"null":              `null`,
		"array":             `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(text))
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("got %v", err)
			}
			for _, secret := range []string{"4111", "halt", "note"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error quotes the text: %v", err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range samples() {
		f.Add(e.Append(nil))
	}
	f.Add([]byte(`{"v":1,"time":"2026-03-01T09:30:00Z","kind":"stop","legs":[{}],"decisions":[{"count":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		if again := e.Append(nil); !bytes.Equal(again, text) {
			t.Errorf("parsed\n%s\nwritten\n%s", text, again)
		}
	})
}
