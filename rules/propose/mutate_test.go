package propose

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/rules/ruletest"
)

// loads fails where a proposal is not what the product takes: a policy without
// an error, and tests of it without a mistake.
func loads(t testing.TB, p *Proposal) {
	t.Helper()
	files := map[string][]byte{}
	for _, f := range p.Files {
		files[f.Name] = f.Text
	}
	read := func(name string) ([]byte, error) { return files[strings.TrimPrefix(name, "./")], nil }
	plan, ds := rules.LoadBytes("rules.yaml", files["rules.yaml"], read)
	if plan == nil {
		t.Fatalf("the policy has mistakes: %v\n%s", ds, files["rules.yaml"])
	}
	for _, d := range ds {
		t.Errorf("the policy has a warning: %v\n%s", d, files["rules.yaml"])
	}
	if _, ds := rewrite.Compile(plan); ds.HasErrors() {
		t.Fatalf("the policy does not compile: %v", ds)
	}
	tests, ds := ruletest.Read("rules_test.yaml", files["rules_test.yaml"], read)
	if ds = append(ds, tests.Check(plan)...); ds.HasErrors() {
		t.Fatalf("the tests have mistakes: %v\n%s", ds, files["rules_test.yaml"])
	}
	var m = &rewrite.Message{}
	for name, body := range files {
		if !strings.HasPrefix(name, "bodies/") || p.Kind == Record {
			continue
		}
		engine, _ := rewrite.Compile(plan)
		m.Reset()
		if err := engine.ScanRequest(m, 0, body, rewrite.Limits{}); err != nil {
			t.Errorf("%s is refused: %v at %d\n%s\n%s", name, err.Code, err.Offset, body, files["rules.yaml"])
		}
	}
}

func TestProposalsLoad(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) { loads(t, proposed(t, samplesOf(t, name))) })
	}
}

// oddNames are members' names that something could stumble over.
var oddNames = []string{"true", "no", "all", "a b", "x.y", "#", "*", "@path", "ä", "0", "-", "items", "total", "id", "name", "patient", "card",
	"number", "currency", "amount", "tax", "lines", "price", "qty", "notes", "cvv", "email", "payment", "type", "null", "y", "with:colon", "café"}

// TestOddBodies takes fixtures apart: members go, get other names and other
// values. Whatever comes of it is refused without a value, or makes a policy
// that loads, with tests that do.
func TestOddBodies(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	made := 0
	for _, name := range fixtures(t) {
		samples := samplesOf(t, name)
		for seed := range uint64(rounds) {
			r := rand.New(rand.NewPCG(seed, 11))
			var odd []Sample
			for _, s := range samples {
				n, err := parse(s.Body)
				if err != nil {
					t.Fatal(err)
				}
				for range 1 + r.IntN(6) {
					mutate(r, n)
				}
				var b bytes.Buffer
				dump(&b, n)
				odd = append(odd, Sample{s.Name, b.Bytes()})
			}
			p, err := Propose(odd, options())
			if err != nil {
				continue
			}
			made++
			if loads(t, p); t.Failed() {
				t.Fatalf("%s, seed %d:\n%s", name, seed, odd[0].Body)
			}
		}
	}
	if made < rounds {
		t.Errorf("only %d proposals were made", made)
	}
}

// mutate changes one thing below a node.
func mutate(r *rand.Rand, n *node) {
	for len(n.kids) > 0 && r.IntN(3) > 0 {
		i := r.IntN(len(n.kids))
		if n.kids[i].leaf() {
			break
		}
		n = n.kids[i]
	}
	if len(n.kids) == 0 {
		return
	}
	i := r.IntN(len(n.kids))
	switch r.IntN(5) {
	case 0: // gone
		n.kids = append(n.kids[:i:i], n.kids[i+1:]...)
		if n.kind == object {
			n.names = append(n.names[:i:i], n.names[i+1:]...)
		}
	case 1: // another name
		if n.kind == object {
			if odd := oddNames[r.IntN(len(oddNames))]; n.member(odd) == nil {
				n.names[i] = odd
			}
		}
	case 2: // another value
		n.kids[i] = []*node{{kind: null}, {kind: text, text: ""}, {kind: number, text: "-12.5"}, {kind: truth}, {kind: array}, {kind: object},
			{kind: text, text: "4111111111111111"}, {kind: text, text: "12.50"}, {kind: number, text: "1e3"}, {kind: text, text: "a: \"b\" # c"}}[r.IntN(10)]
	case 3: // twice, or in an array
		n.kids[i] = &node{kind: array, kids: []*node{n.kids[i], n.kids[i]}}
	case 4: // in an object of its own
		n.kids[i] = &node{kind: object, names: []string{oddNames[r.IntN(len(oddNames))]}, kids: []*node{n.kids[i]}}
	}
}
