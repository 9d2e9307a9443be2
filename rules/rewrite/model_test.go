package rewrite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
)

// The model is an independent, slow account of what a leg gets: it walks a tree
// that was made together with the body, matches every pattern at every place,
// and prints what is left. It shares no code with the engine.

// tree is a value of a random body.
type tree struct {
	kind     byte // { [ or, for a leaf, l
	names    []name
	children []*tree
	raw      string // of a leaf
	cards    []part // of a leaf that holds card numbers or identifiers: what it is made of
	whole    string // the digits, where a leaf is nothing but a card number
}

type name struct{ raw, decoded string }

// part is a piece of a string's content; a card where digits are set, what a
// detector finds where id is.
type part struct{ raw, digits, id string }

type generator struct{ *rand.Rand }

func (g generator) pick(s ...string) string { return s[g.IntN(len(s))] }

func (g generator) tree(depth int) *tree {
	n := g.IntN(5)
	switch k := g.IntN(10); {
	case depth > 0 && k < 4:
		t := &tree{kind: '{'}
		for range n {
			t.names = append(t.names, g.name())
			t.children = append(t.children, g.tree(depth-1))
		}
		return t
	case depth > 0 && k < 6:
		t := &tree{kind: '['}
		for range n {
			t.children = append(t.children, g.tree(depth-1))
		}
		return t
	}
	return g.leaf()
}

func (g generator) name() name {
	n := g.pick("a", "b", "c", "0", "1", "pan", "cvv", "patient", "x.y", "")
	switch raw := n; {
	case n != "" && g.IntN(6) == 0:
		return name{fmt.Sprintf(`"\u%04x%s"`, n[0], n[1:]), n}
	default:
		return name{`"` + raw + `"`, n}
	}
}

func (g generator) leaf() *tree {
	number := g.pick(card, "5555555555554444", amex)
	switch g.IntN(10) {
	case 0:
		return &tree{kind: 'l', raw: g.pick("null", "true", "false")}
	case 1:
		return &tree{kind: 'l', raw: g.pick("0", "-1", "12.50", "1e9", "123456789012345678901234567890")}
	case 2:
		return &tree{kind: 'l', raw: number, whole: number}
	case 3:
		return &tree{kind: 'l', raw: `"` + number + `"`, whole: number, cards: []part{{raw: number, digits: number}}}
	case 4:
		return g.note(number)
	case 5:
		return &tree{kind: 'l', raw: g.pick(`"`+typo+`"`, `"1950-01-02"`, `"1931-05-06T10:00:00Z"`, `"1950-13-02"`)}
	case 6:
		return g.remark(number)
	}
	return &tree{kind: 'l', raw: g.pick(`""`, `"x"`, `"Ann \u00e9\n"`, `"a rather long text, with a comma"`, `"é 漢字 😀"`, `"\ud83d\ude00"`)}
}

// note is a text with a card in it, written in one of several ways.
func (g generator) note(number string) *tree {
	written := number
	switch g.IntN(3) {
	case 0:
		written = fmt.Sprintf(`\u%04x%s`, number[0], number[1:])
	case 1:
		if len(number) == 16 {
			written = number[:4] + " " + number[4:8] + " " + number[8:12] + " " + number[12:]
		}
	}
	parts := []part{{raw: g.pick("", "card ", `\t`, "é ")}, {raw: written, digits: number}, {raw: g.pick(" end", `\"`, ", call")}}
	raw := `"`
	for _, p := range parts {
		raw += p.raw
	}
	return &tree{kind: 'l', raw: raw + `"`, cards: parts}
}

// remark is a text with identifiers in it, and at times a card between them.
func (g generator) remark(number string) *tree {
	ids := map[string]string{"ssn": "078-05-1121", "email": "jane@clinic.example", "nhs_number": "010135-0007", "phone": "+442079460958"}
	var parts []part
	for range 1 + g.IntN(3) {
		id := g.pick("ssn", "email", "nhs_number", "phone")
		written := ids[id]
		if g.IntN(3) == 0 {
			written = fmt.Sprintf(`\u%04x%s`, written[0], written[1:])
		}
		parts = append(parts, part{raw: written, id: id}, part{raw: g.pick(" and ", `\t`, `; "`, "\u00a0é ")})
		if g.IntN(4) == 0 {
			parts = append(parts, part{raw: number, digits: number}, part{raw: " or "})
		}
	}
	if g.IntN(2) == 0 {
		parts = parts[:len(parts)-1]
	}
	raw := ""
	for i := range parts {
		parts[i].raw = strings.ReplaceAll(strings.ReplaceAll(parts[i].raw, `"`, `\"`), "\u00a0", " ")
		raw += parts[i].raw
	}
	return &tree{kind: 'l', raw: `"` + raw + `"`, cards: parts}
}

// write prints a tree with random whitespace, or none.
func (g generator) write(b *strings.Builder, t *tree, blanks bool) {
	blank := func() {
		if blanks {
			b.WriteString(g.pick("", "", " ", "\n  ", "\t"))
		}
	}
	blank()
	defer blank()
	if t.kind == 'l' {
		b.WriteString(t.raw)
		return
	}
	b.WriteByte(t.kind)
	for i, c := range t.children {
		if i > 0 {
			b.WriteByte(',')
		}
		if t.kind == '{' {
			blank()
			b.WriteString(t.names[i].raw)
			blank()
			b.WriteByte(':')
		}
		g.write(b, c, blanks)
	}
	blank()
	b.WriteByte(t.kind + 2)
}

// place is the way to a value.
type place struct {
	name    string
	element bool
	index   int
}

func matches(steps []rules.Step, at []place) bool {
	if len(steps) > 0 && steps[0].Kind == rules.StepDeep {
		for i := range at {
			if matches(steps[1:], at[i:]) {
				return true
			}
		}
		return false
	}
	if len(steps) != len(at) {
		return false
	}
	for i, s := range steps {
		switch {
		case s.Kind == rules.StepElement && at[i].element, s.Kind == rules.StepMember && !at[i].element:
		case s.Kind == rules.StepName && !at[i].element && s.Name == at[i].name:
		case s.Kind == rules.StepName && at[i].element && s.Name == fmt.Sprint(at[i].index):
		default:
			return false
		}
	}
	return true
}

// model is one leg's account.
type model struct {
	plan  *rules.Plan
	leg   *rules.Leg
	sees  rules.Clearance
	vault *fakeVault
	sale  *modelSale // nil: the route follows none
}

// labels returns the labels that hold at a place, by LabelID.
func (m *model) labels(at []place) []rules.LabelID {
	held := map[rules.LabelID]rules.LabelID{} // family → label
	for depth := 1; depth <= len(at); depth++ {
		here := map[rules.LabelID]rules.LabelID{}
		for id, l := range m.plan.Labels {
			for _, p := range l.Paths {
				if !matches(p.Path.Steps, at[:depth]) {
					continue
				}
				if o, ok := here[l.Family]; !ok || m.plan.Labels[o].Depth < l.Depth {
					here[l.Family] = rules.LabelID(id)
				}
			}
		}
		for f, l := range here {
			held[f] = l
		}
	}
	var out []rules.LabelID
	for id := range m.plan.Labels {
		if held[m.plan.Labels[id].Family] == rules.LabelID(id) {
			if _, ok := held[m.plan.Labels[id].Family]; ok {
				out = append(out, rules.LabelID(id))
			}
		}
	}
	for _, p := range at {
		if !p.element && p.name == "cvv" {
			return append(out, m.plan.Label("sad"))
		}
	}
	return out
}

func (m *model) kept(at []place) bool {
	for depth := 1; depth <= len(at); depth++ {
		for _, p := range m.leg.Keep {
			if matches(p.Steps, at[:depth]) {
				return true
			}
		}
	}
	return m.leg.KeepAll
}

// print returns what is left of a value, and whether anything is.
func (m *model) print(t *tree, at []place) (string, bool) {
	if t.kind == 'l' || len(t.children) == 0 {
		return m.leaf(t, at)
	}
	var parts []string
	for i, c := range t.children {
		step := place{element: true, index: i}
		prefix := ""
		if t.kind == '{' {
			step = place{name: t.names[i].decoded}
			prefix = t.names[i].raw + ":"
		}
		if s, ok := m.print(c, append(at[:len(at):len(at)], step)); ok {
			parts = append(parts, prefix+s)
		}
	}
	return string(t.kind) + strings.Join(parts, ",") + string(t.kind+2), len(parts) > 0
}

func (m *model) leaf(t *tree, at []place) (string, bool) {
	if !m.kept(at) {
		return "", false
	}
	form, deciding := rules.Plain, rules.NoLabel
	for _, l := range m.labels(at) {
		if f := m.sees.Of(l); f > form || deciding == rules.NoLabel {
			form, deciding = max(f, form), l
		}
	}
	if t.kind != 'l' {
		return string(t.kind) + string(t.kind+2), form < rules.Drop
	}
	if t.raw == "null" {
		return t.raw, form < rules.Drop
	}
	pan := m.plan.Label("pan")
	panForm := m.sees.Of(pan)
	holds := len(t.cards) > 0 || t.whole != ""
	if form == rules.Plain && m.sale != nil && matches(m.sale.follows.Amount.Steps, at) {
		if part, ok := m.sale.part(t.raw); ok {
			return part, true
		}
	}
	if form == rules.Plain && (len(t.cards) > 0 || !holds) {
		return m.inPlace(t, panForm), true
	}
	if t.whole != "" && panForm > form {
		form, deciding = panForm, pan
	}
	for _, p := range t.cards {
		if f, l := m.partForm(p); l != rules.NoLabel && (f > form || f == form && deciding == rules.NoLabel) {
			form, deciding = f, l
		}
	}
	switch form {
	case rules.Generalize:
		for _, l := range m.labels(at) {
			if m.sees.Of(l) == form && m.plan.Labels[l].Generalize == rules.GeneralizeDate {
				year := years[t.raw]
				return year, year != ""
			}
		}
		return "", false
	case rules.Plain:
		return t.raw, true
	case rules.Mask:
		switch {
		case deciding != pan:
			return `"****"`, true
		case t.whole != "":
			return `"` + stars(t.whole) + `"`, true
		}
		return `"********"`, true
	case rules.Token:
		if deciding == pan && t.whole != "" {
			if t.raw[0] == '"' {
				return `"` + tok(t.whole) + `"`, true
			}
			return tok(t.whole), true
		}
		return `"` + string(m.vault.sealed(deciding, []byte(t.raw), false)) + `"`, true
	}
	return "", false
}

// years are what dates become.
var years = map[string]string{`"1950-01-02"`: `"1950"`, `"1931-05-06T10:00:00Z"`: `"90+"`}

func stars(digits string) string { return strings.Repeat("*", len(digits)-4) + digits[len(digits)-4:] }

// partForm returns the form of a part of a text, and the label that gives it.
func (m *model) partForm(p part) (rules.Form, rules.LabelID) {
	detector := p.id
	if p.digits != "" {
		detector = "pan"
	}
	form, label := rules.Plain, rules.NoLabel
	for id, l := range m.plan.Labels {
		if f := m.sees.Of(rules.LabelID(id)); slices.Contains(l.Detect, detector) && (label == rules.NoLabel || f > form) {
			form, label = f, rules.LabelID(id)
		}
	}
	return form, label
}

// identifier returns what is left of one in its text.
func (m *model) identifier(p part) string {
	form, label := m.partForm(p)
	if label == rules.NoLabel || form == rules.Plain {
		return p.raw
	}
	switch form {
	case rules.Mask:
		return "****"
	case rules.Token:
		var text string
		if err := json.Unmarshal([]byte(`"`+p.raw+`"`), &text); err != nil {
			panic(err)
		}
		return string(m.vault.sealed(label, []byte(text), true))
	}
	return "[" + p.id + "]"
}

func (m *model) inPlace(t *tree, form rules.Form) string {
	if len(t.cards) == 0 {
		return t.raw
	}
	out := `"`
	for _, p := range t.cards {
		switch {
		case p.id != "":
			out += m.identifier(p)
		case p.digits == "" || form == rules.Plain:
			out += p.raw
		case form == rules.Mask:
			out += stars(p.digits)
		case form == rules.Token:
			out += tok(p.digits)
		default:
			out += "[pan]"
		}
	}
	return out + `"`
}

// plan makes a random policy of one route with one leg.
func (g generator) plan(t testing.TB) *rules.Plan {
	t.Helper()
	path := func() rules.Path {
		var steps []string
		if g.IntN(3) == 0 {
			steps = append(steps, "**")
		}
		for range 1 + g.IntN(3) {
			steps = append(steps, g.pick("a", "b", "c", "0", "1", "pan", "patient", "#", "*", `x\.y`))
		}
		p, err := rules.ParsePath(strings.Join(steps, "."))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := &rules.Plan{Labels: []rules.Label{
		{Name: "pan", Parent: rules.NoLabel, Family: 0, Detect: []string{"pan"}, Format: rules.FormatPAN, Tag: rules.TagOf("pan")},
		{Name: "sad", Parent: rules.NoLabel, Family: 1, Format: rules.FormatSealed, Tag: rules.TagOf("sad")},
		{Name: "phi", Parent: rules.NoLabel, Family: 2, Format: rules.FormatSealed, Tag: rules.TagOf("phi")},
		{Name: "phi.x", Parent: 2, Family: 2, Depth: 1, Format: rules.FormatSealed, Tag: rules.TagOf("phi.x")},
		{Name: "other", Parent: rules.NoLabel, Family: 4, Format: rules.FormatSealed, Tag: rules.TagOf("other")},
	}}
	p.Labels[2].Generalize = []rules.Generalization{rules.GeneralizeNothing, rules.GeneralizeDate}[g.IntN(2)]
	p.Labels[4].Generalize = rules.GeneralizeDate
	if g.IntN(2) == 0 {
		p.Labels[2].Detect = []string{"ssn"}
		p.Labels[3].Detect = []string{"email", "phone"}
		p.Labels[4].Detect = []string{"nhs_number", "ssn"}
	}
	for i := range p.Labels {
		if i == 1 {
			continue
		}
		for range g.IntN(3) {
			p.Labels[i].Paths = append(p.Labels[i].Paths, rules.LabelPath{Path: path()})
		}
	}
	sees := make(rules.Clearance, len(p.Labels))
	for i := range sees {
		sees[i] = []rules.Form{rules.Plain, rules.Plain, rules.Mask, rules.Token, rules.Drop, rules.Generalize}[g.IntN(6)]
	}
	if sees[1] == rules.Token {
		sees[1] = rules.Drop
	}
	p.Destinations = []rules.Destination{{Name: "d", Sees: sees}}
	leg := rules.Leg{Primary: true, KeepAll: g.IntN(2) == 0}
	for range g.IntN(5) {
		if !leg.KeepAll {
			leg.Keep = append(leg.Keep, path())
		}
	}
	p.Routes = []rules.Route{{Name: "r", Legs: []rules.Leg{leg}}}
	if g.IntN(3) == 0 {
		g.follower(t, p)
	}
	return p
}

// TestAgainstModel holds the engine to the model on random bodies and plans.
func TestAgainstModel(t *testing.T) {
	rounds := 1200
	if testing.Short() {
		rounds = 300
	}
	for seed := range rounds {
		g := generator{rand.New(rand.NewPCG(uint64(seed), 7))}
		checkAgainstModel(t, g)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkAgainstModel(t *testing.T, g generator) {
	t.Helper()
	plan := g.plan(t)
	e, diags := Compile(plan)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	m, v := e.NewMessage(), e.NewView()
	for range 6 {
		root := g.tree(4)
		var sale *modelSale
		if f := plan.Routes[0].Follows; f != nil {
			root, sale = g.sale(plan, root)
		}
		var body strings.Builder
		g.write(&body, root, g.IntN(2) == 0)
		vault := newFakeVault(plan)
		err := e.ScanRequest(m, 0, []byte(body.String()), Limits{})
		if err == nil && sale != nil {
			err = m.UseShares(sale.shares, 0)
		}
		if code := sale.refuses(root); code != "" || err != nil {
			if err == nil || err.Code != code {
				t.Fatalf("%v, and the model says %q: %s", err, code, body.String())
			}
			m.Reset()
			continue
		}
		want, some := (&model{plan, &plan.Routes[0].Legs[0], plan.Destinations[0].Sees, vault, sale}).print(root, nil)
		if !some {
			want = map[byte]string{'{': "{}", '[': "[]", 'l': "null"}[root.kind]
		}
		if err := e.DecideLeg(m, 0, v); err != nil {
			t.Fatalf("%v: %s", err, body.String())
		}
		if err := vault.Resolve(t.Context(), m.Ops()); err != nil {
			t.Fatal(err)
		}
		got, err := v.Render(nil)
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, got); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if compact.String() != want {
			t.Errorf("body %s\ngot  %s\nwant %s\nsees %v keep %v", body.String(), compact.String(), want, plan.Destinations[0].Sees, plan.Routes[0].Legs[0].Keep)
			for _, l := range plan.Labels {
				t.Logf("%s: %v", l.Name, l.Paths)
			}
			return
		}
		if v.Empty() && string(got) != body.String() {
			t.Errorf("a view without edits gives other bytes")
		}
		m.Reset()
	}
}
