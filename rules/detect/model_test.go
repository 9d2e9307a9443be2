package detect

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// The model says the same as FindPANs, in the plainest way: it spells a text
// as a row of signs, cuts it by regular expressions and tries every part of
// every run, without regard to time.

type modelGroup struct {
	start, end  int
	digits, gap string // the digits, and the signs of what stands before
}

// modelSigns spells every character: a digit as itself, a separator as one of
// b l d w z, anything else as x.
func modelSigns(text []byte) (signs string, offsets []int) {
	var b strings.Builder
	for i := 0; i < len(text); {
		c, size, d := classify(text[i:])
		offsets = append(offsets, i)
		if c == classDigit {
			b.WriteByte('0' + d)
		} else {
			b.WriteByte(map[class]byte{classBlank: 'b', classLine: 'l', classDash: 'd', classWeak: 'w', classNothing: 'z', classOther: 'x'}[c])
		}
		i += size
	}
	return b.String(), append(offsets, len(text))
}

var (
	modelDigits = regexp.MustCompile(`[0-9]+`)
	modelGap    = regexp.MustCompile(`^(w|[bld]{0,3})$`)
	modelDate   = regexp.MustCompile(`^(18|19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`)
	modelUsual  = regexp.MustCompile(`^(4 )+[1-4]$|^4 6 [45]$|^6 1[0-9]$|^8 8$|^4 1[12]$`)
)

// modelKind reduces a gap to what tells it from others.
func modelKind(gap string) string {
	visible := strings.ReplaceAll(gap, "z", "")
	kind := "z"
	for _, c := range []string{"w", "b", "d"} {
		if strings.Contains(visible, c) {
			kind = c
		}
	}
	if strings.Contains(visible, "l") {
		kind = "l"
	}
	return kind + string(rune('0'+len(visible)))
}

// modelRuns cuts a text into runs of groups.
func modelRuns(text []byte) (runs [][]modelGroup) {
	signs, offsets := modelSigns(text)
	var run []modelGroup
	cut := func() {
		if len(run) > 0 {
			runs = append(runs, run)
		}
		run = nil
	}
	end := 0
	for _, at := range modelDigits.FindAllStringIndex(signs, -1) {
		g := modelGroup{offsets[at[0]], offsets[at[1]], signs[at[0]:at[1]], signs[end:at[0]]}
		end = at[1]
		weak := strings.Contains(g.gap, "w")
		switch {
		case len(run) == 0, !modelGap.MatchString(strings.ReplaceAll(g.gap, "z", "")):
			cut()
		case weak && (len(run[len(run)-1].digits) < 3 || len(run[len(run)-1].digits) > 6 || len(g.digits) < 3 || len(g.digits) > 6):
			cut()
		}
		if len(g.digits) > maxDigits {
			cut()
			continue
		}
		run = append(run, g)
	}
	cut()
	return runs
}

func modelJoin(gs []modelGroup) (digits, lengths string) {
	var d []string
	for _, g := range gs {
		digits += g.digits
		d = append(d, map[bool]string{true: "1", false: ""}[len(g.digits) > 9]+string(rune('0'+len(g.digits)%10)))
	}
	return digits, strings.Join(d, " ")
}

func modelIsDate(run []modelGroup, i int) bool {
	if i < 0 || i+3 > len(run) || !strings.Contains(modelKind(run[i+1].gap), "d") || !strings.Contains(modelKind(run[i+2].gap), "d") {
		return false
	}
	return modelDate.MatchString(run[i].digits + "-" + run[i+1].digits + "-" + run[i+2].digits)
}

// modelCard judges the part [i, j) of a run whose groups from lo to hi are
// free; grade is 2 for a card, 1 for one of UnionPay without Luhn, 0 for none.
func modelCard(text []byte, run []modelGroup, i, j, lo, hi int) (grade int) {
	digits, lengths := modelJoin(run[i:j])
	if !IsPAN([]byte(digits)) {
		return 0
	}
	if run[i].start > 0 && text[run[i].start-1] == '+' && len(digits) <= 14 && strings.ContainsAny(digits[:1], "456") {
		return 0
	}
	usual := j == i+1 || modelUsual.MatchString(lengths)
	if j == i+1 {
		if n := len(digits); n == 12 || n == 13 {
			sum := 0
			for k := range digits {
				sum += int(digits[n-1-k]-'0') * []int{1, 3}[k%2]
			}
			if sum%10 == 0 {
				return 0
			}
		}
	} else {
		for _, g := range run[i:j] {
			if len(g.digits) >= minDigits && (IsPAN([]byte(g.digits)) || strings.ContainsAny(g.digits[:1], "178")) {
				return 0
			}
		}
	}
	if !Luhn([]byte(digits)) {
		if usual {
			return 1
		}
		return 0
	}
	if modelIsDate(run, i-1) || modelIsDate(run, i-2) || !usual && !modelApart(run, i, j, lo, hi) {
		return 0
	}
	return 2
}

func modelApart(run []modelGroup, i, j, lo, hi int) bool {
	sameGap, sameLength := true, true
	for k := i; k < j; k++ {
		if k > i && strings.Contains(run[k].gap, "l") {
			return false
		}
		sameGap = sameGap && (k == i || modelKind(run[k].gap) == modelKind(run[i+1].gap))
		sameLength = sameLength && len(run[k].digits) == len(run[i].digits)
	}
	left := i == lo || modelIsDate(run, i-3) || sameGap && modelKind(run[i].gap) != modelKind(run[i+1].gap) ||
		sameLength && len(run[i-1].digits) != len(run[i].digits)
	right := j == hi || modelIsDate(run, j) || sameGap && modelKind(run[j].gap) != modelKind(run[i+1].gap) ||
		sameLength && len(run[j].digits) != len(run[i].digits)
	return left && right
}

// modelFind finds the cards of a run.
func modelFind(text []byte, run []modelGroup) (spans []Span) {
	lo := 0
	longest := func(i, lo, limit, hi int) int {
		best, bestGrade := 0, 0
		for j := i + 1; j <= limit; j++ {
			if g := modelCard(text, run, i, j, lo, hi); g > 0 && g >= bestGrade {
				best, bestGrade = j, g
			}
		}
		return best
	}
	take := func(i, j int) {
		digits, _ := modelJoin(run[i:j])
		spans = append(spans, Span{run[i].start, run[j-1].end, PAN, len(digits)})
	}
	for i := 0; i < len(run); i++ {
		j := longest(i, lo, len(run), len(run))
		if j == 0 {
			continue
		}
		for k := lo; k < i; k++ {
			if end := longest(k, lo, i, i); end > 0 {
				take(k, end)
				k = end - 1
			}
		}
		take(i, j)
		lo, i = j, j-1
	}
	return spans
}

func model(text []byte) (spans []Span) {
	for _, run := range modelRuns(text) {
		spans = append(spans, modelFind(text, run)...)
	}
	return spans
}

// checkFind compares with the model, and holds the spans to their promises.
func checkFind(t *testing.T, text []byte) {
	t.Helper()
	got, want := FindPANs(nil, text), model(text)
	if len(got) != len(want) {
		t.Fatalf("%q: found %v, the model %v", text, got, want)
	}
	at := 0
	var left []byte
	for i, s := range got {
		if s != want[i] {
			t.Fatalf("%q: found %v, the model %v", text, got, want)
		}
		digits, ok := CompactDigits(nil, text[s.Start:s.End])
		if s.Start < at || !ok || len(digits) != s.Digits || !IsPAN(digits) {
			t.Fatalf("%q: span %v, digits %q", text, s, digits)
		}
		left = append(append(left, text[at:s.Start]...), "[pan]"...)
		at = s.End
	}
	left = append(left, text[at:]...)
	if offset, found := HasPAN(text); found != (len(got) > 0) || found && offset != first(got) {
		t.Fatalf("%q: HasPAN %d, %v; found %v", text, offset, found, got)
	}
	if again := FindPANs(nil, left); len(again) > 0 {
		t.Fatalf("%q: %q still holds %v", text, left, again)
	}
}

func first(spans []Span) int {
	at := spans[0].Start
	for _, s := range spans {
		at = min(at, s.Start)
	}
	return at
}

// randomText strings pieces together that cards are made of and next to.
func randomText(random *rand.Rand) []byte {
	pieces := []string{"4111", "1111", "1111", "1111", "4111111111111111", "5555", "4444", "6221", "55881234", "0000", "378282", "246310005",
		"2026-11-21", "11", "4", "1", "1", "7", "822463", "10005", "7111111111111110", "5901234123457", "+49", "４１１１", "١", "x", ",", "41111111"}
	gaps := []string{" ", " ", " ", " ", "", "-", ".", "\u00a0", "\n", "  ", " - ", "\u200b", "_", "    ", "- ", "\n- "}
	var b bytes.Buffer
	gap := gaps[random.IntN(len(gaps))]
	for range 1 + random.IntN(30) {
		if random.IntN(4) == 0 {
			b.WriteString(strings.Repeat(string(rune('0'+random.IntN(10))), 1+random.IntN(5)))
		} else {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		if random.IntN(5) == 0 {
			gap = gaps[random.IntN(len(gaps))]
		}
		b.WriteString(gap)
	}
	return b.Bytes()
}

func TestFindPANsAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	found := 0
	for range 4000 {
		text := randomText(random)
		checkFind(t, text)
		found += len(FindPANs(nil, text))
	}
	if found < 1000 {
		t.Errorf("only %d found", found)
	}
	// Runs longer than what a run remembers.
	for range 20 {
		var text []byte
		for range 20 {
			text = append(text, bytes.ReplaceAll(randomText(random), []byte("x"), []byte(" "))...)
		}
		checkFind(t, text)
		for i := range text {
			if text[i] >= utf8.RuneSelf || text[i] < '0' || text[i] > '9' {
				text[i] = ' '
			} else if random.IntN(2) == 0 {
				text[i] = "412"[random.IntN(3)]
			}
		}
		checkFind(t, text)
	}
}

func FuzzFindPANs(f *testing.F) {
	for _, s := range []string{"4111111111111111", "2026-11-21 4111 1111 1111 1111 12 27", "+4915123456783", "４１１１-1111 1111.1111",
		"4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "\xef\xbc 4111\u200b1111 1111\n1111", strings.Repeat("4111 ", 30)} {
		f.Add([]byte(s))
	}
	f.Fuzz(checkFind)
}
