package basket

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"chaperone/rules"
)

func field(t testing.TB, s string) rules.Path {
	t.Helper()
	p, err := rules.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testClasses(t testing.TB) *rules.Basket {
	one := func(c ...rules.Condition) rules.Rule { return rules.Rule{Conditions: c} }
	return &rules.Basket{
		Classes: []rules.Class{
			{Name: "retail", Label: rules.NoLabel, Any: []rules.Rule{
				one(rules.Condition{Field: field(t, "category"), Equal: []string{"skincare", "GiftCard", "5"}}),
				one(rules.Condition{Field: field(t, "sku"), Globs: []string{"RX-?", "*-cream-*"}}),
			}},
			{Name: "clinical", Label: 2, Any: []rules.Rule{
				one(rules.Condition{Field: field(t, "category"), Equal: []string{"injectable"}}),
				one(rules.Condition{Field: field(t, "sku"), Globs: []string{"TX-*"}}),
				one(rules.Condition{Field: field(t, "name"), Words: []string{"botox", "lip filler", "PRP + microneedling", "Zürich peel", "!!"}}),
			}},
			{Name: "membership", Label: rules.NoLabel, Any: []rules.Rule{
				one(rules.Condition{Field: field(t, "category"), Equal: []string{"plan"}},
					rules.Condition{Field: field(t, "meta.kind"), Equal: []string{"recurring"}}),
			}},
			{Name: "empty", Label: rules.NoLabel, Any: []rules.Rule{one()}},
		},
		Otherwise: 9,
	}
}

func TestClassify(t *testing.T) {
	const retail, clinical, membership, otherwise = 1, 2, 3, 9
	var scratch Scratch
	c := NewClassifier(testClasses(t))
	index := map[string]int{}
	for i, f := range c.Fields() {
		index[f.String()] = i
	}
	if len(index) != 4 || len(c.Fields()) != 4 {
		t.Fatalf("fields %v", c.Fields())
	}
	for _, tc := range []struct {
		name string
		item map[string]string
		want rules.ClassID
	}{
		{"equal", map[string]string{"category": "skincare"}, retail},
		{"equal, other case", map[string]string{"category": "SKINCARE"}, retail},
		{"equal, the policy's case", map[string]string{"category": "giftcard"}, retail},
		{"a number's literal", map[string]string{"category": "5"}, retail},
		{"not a part", map[string]string{"category": "skincare kit"}, otherwise},
		{"glob", map[string]string{"sku": "tx-100"}, clinical},
		{"glob, empty run", map[string]string{"sku": "TX-"}, clinical},
		{"glob, not the beginning", map[string]string{"sku": "ATX-100"}, otherwise},
		{"glob, one character", map[string]string{"sku": "rx-ü"}, retail},
		{"glob, one too many", map[string]string{"sku": "rx-12"}, otherwise},
		{"glob, in the middle", map[string]string{"sku": "a-cream-cream-b"}, retail},
		{"word", map[string]string{"name": "Botox, 20 units"}, clinical},
		{"part of a word", map[string]string{"name": "Botoxin"}, otherwise},
		{"phrase", map[string]string{"name": "Deluxe LIP  filler (1 ml)"}, clinical},
		{"phrase over punctuation", map[string]string{"name": "lip-filler"}, clinical},
		{"half a phrase", map[string]string{"name": "lip balm"}, otherwise},
		{"a phrase's beginning, then the phrase", map[string]string{"name": "lip lip filler"}, clinical},
		{"punctuation of the policy", map[string]string{"name": "prp microneedling"}, clinical},
		{"folded beyond ASCII", map[string]string{"name": "ZÜRICH PEEL"}, clinical},
		{"a phrase without words never occurs", map[string]string{"name": "!!"}, otherwise},
		{"a labelled class beats an earlier one", map[string]string{"category": "skincare", "name": "botox"}, clinical},
		{"all conditions", map[string]string{"category": "plan", "meta.kind": "recurring"}, membership},
		{"one of two conditions", map[string]string{"category": "plan"}, otherwise},
		{"nothing", nil, otherwise},
		{"empty values", map[string]string{"category": "", "sku": "", "name": ""}, otherwise},
	} {
		t.Run(tc.name, func(t *testing.T) {
			values := make([][]byte, len(c.Fields()))
			for name, v := range tc.item {
				values[index[name]] = []byte(v)
			}
			if got := c.Classify(&scratch, values); got != tc.want {
				t.Errorf("class %d, want %d", got, tc.want)
			}
		})
	}
	if got := c.Classify(&scratch, nil); got != otherwise {
		t.Errorf("no values at all: class %d", got)
	}
}

// catalogue makes n phrases of one to four words.
func catalogue(n int) []string {
	random := rand.New(rand.NewPCG(7, 8))
	list := make([]string, n)
	for i := range list {
		var words []string
		for range 1 + random.IntN(4) {
			words = append(words, fmt.Sprintf("w%dx%d", random.IntN(n), i%7))
		}
		list[i] = strings.Join(words, " ")
	}
	return list
}

// TestWordsAgainstContains compares the trie with a search for whole words in
// normalized text.
func TestWordsAgainstContains(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	words := []string{"a", "b", "ab", "c", "ba"}
	sentence := func(n int) string {
		var out []string
		for range 1 + random.IntN(n) {
			out = append(out, words[random.IntN(len(words))])
		}
		return strings.Join(out, " ")
	}
	hits := 0
	for range 5000 {
		list := make([]string, 1+random.IntN(4))
		for i := range list {
			list[i] = sentence(3)
		}
		text := sentence(8)
		want := false
		for _, phrase := range list {
			want = want || strings.Contains(" "+text+" ", " "+phrase+" ")
		}
		if got := newPhrases(list).occur([]byte(text)); got != want {
			t.Fatalf("%q in %q: %v", list, text, got)
		}
		if want {
			hits++
		}
	}
	if hits < 100 {
		t.Errorf("only %d hits", hits)
	}
}

func TestClassifyDoesNotAllocate(t *testing.T) {
	var scratch Scratch
	c := NewClassifier(testClasses(t))
	values := [][]byte{[]byte("Injectable?"), []byte("RX-12"), []byte("A rather long name of a product, with ÜMLAUTS"), []byte("recurring")}
	c.Classify(&scratch, values)
	if n := testing.AllocsPerRun(100, func() { c.Classify(&scratch, values) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzClassify(f *testing.F) {
	f.Add("skincare", "TX-1", "lip filler", "recurring")
	f.Add("\xff\xfe", "*?*", strings.Repeat("lip ", 40), "\u212a")
	var scratch Scratch
	c := NewClassifier(testClasses(f))
	f.Fuzz(func(t *testing.T, a, b, name, d string) {
		values := [][]byte{[]byte(a), []byte(b), []byte(name), []byte(d)}
		got := c.Classify(&scratch, values)
		for i := range values {
			values[i] = []byte(strings.ToUpper(strings.ToLower(string(values[i]))))
		}
		if again := c.Classify(&scratch, values); got != again && isASCII(a+b+name+d) {
			t.Errorf("%q %q %q %q: class %d, in upper case %d", a, b, name, d, got, again)
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func BenchmarkClassify(b *testing.B) {
	for _, n := range []int{30, 3000} {
		b.Run(fmt.Sprintf("phrases=%d", n), func(b *testing.B) {
			var scratch Scratch
			c := NewClassifier(&rules.Basket{Otherwise: 2, Classes: []rules.Class{{Label: 1, Any: []rules.Rule{
				{Conditions: []rules.Condition{{Field: field(b, "name"), Words: catalogue(n)}}},
			}}}})
			values := [][]byte{[]byte("Hydrating night cream with hyaluronic acid, 50 ml, a box of three")}
			b.ReportAllocs()
			for b.Loop() {
				c.Classify(&scratch, values)
			}
		})
	}
}

// TestWordsStaySparse: what makes a large catalogue as fast as a small one.
func TestWordsStaySparse(t *testing.T) {
	for _, n := range []int{1, 30, 3000, 20000} {
		p := newPhrases(catalogue(n))
		set := 0
		for _, w := range p.begins {
			set += bits.OnesCount64(w)
		}
		if set == 0 || set*12 > len(p.begins)*64 {
			t.Errorf("%d phrases: %d of %d bits are set", n, set, len(p.begins)*64)
		}
	}
}

func TestScratchReset(t *testing.T) {
	long := [][]byte{[]byte("Secret Category"), []byte("sku"), []byte("A long name of a treatment"), nil}
	for name, items := range map[string][][][]byte{
		"one item":               {long},
		"a shorter one after it": {long, {[]byte("x"), nil, nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			var scratch Scratch
			c := NewClassifier(testClasses(t))
			for _, values := range items {
				c.Classify(&scratch, values)
			}
			text := scratch.text[:cap(scratch.text)]
			if len(bytes.Trim(text, "\x00")) == 0 {
				t.Fatal("nothing was folded")
			}
			if scratch.Reset(); len(bytes.Trim(text, "\x00")) != 0 {
				t.Errorf("%q is left", text)
			}
		})
	}
}

// TestManyEquals: a list of any length is the same set.
func TestManyEquals(t *testing.T) {
	for _, n := range []int{0, 1, fewEquals, fewEquals + 1, 500} {
		var e equals
		for i := range n {
			e.add(fmt.Sprintf("text %d", i))
		}
		for i := range n + 3 {
			if got := e.has(fmt.Appendf(nil, "text %d", i)); got != (i < n) {
				t.Errorf("%d of %d: %v", i, n, got)
			}
		}
		if e.has(bytes.Repeat([]byte("long"), 30)) {
			t.Errorf("of %d: a long text", n)
		}
	}
	var e equals
	if e.add(strings.Repeat("long", 30)); !e.has(bytes.Repeat([]byte("long"), 30)) || e.has(bytes.Repeat([]byte("long"), 31)) {
		t.Error("texts beyond 63 bytes")
	}
}
