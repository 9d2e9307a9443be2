package rewrite

import (
	"slices"

	"chaperone/rules"
	"chaperone/rules/detect"
	"chaperone/rules/rewrite/automaton"
)

// fixedTexts are the plan's names as decisions and edits show them.
type fixedTexts struct {
	labels  []string // by label: "labels.NAME"
	tokens  []string // "token.NAME"
	dropped [][]byte // "[NAME]", as the content of a JSON string
	found   [][]byte // by detector: "[NAME]"
	detects []string // by detector: "detect.NAME"
	classes []string // by ClassID: "basket.classes.NAME"
	names   []string // by ClassID: the class's name
	items   string   // the pattern of a line item
}

func newFixedTexts(p *rules.Plan) fixedTexts {
	f := fixedTexts{classes: []string{""}, names: []string{""}}
	for i := range p.Labels {
		name := p.Labels[i].Name
		f.labels = append(f.labels, "labels."+name)
		f.tokens = append(f.tokens, "token."+name)
		f.dropped = append(f.dropped, appendQuoted(nil, []byte("["+name+"]")))
	}
	for _, name := range detect.DetectorNames() {
		f.found, f.detects = append(f.found, []byte("["+name+"]")), append(f.detects, "detect."+name)
	}
	if p.Basket != nil {
		f.items = p.Basket.Items.Source + ".#"
		for i := range p.Basket.Classes {
			f.classes = append(f.classes, "basket.classes."+p.Basket.Classes[i].Name)
			f.names = append(f.names, p.Basket.Classes[i].Name)
		}
	}
	return f
}

func (f *fixedTexts) class(c rules.ClassID) string { return f.names[c] }

// labelName returns the name of a label, empty for none.
func (e *Engine) labelName(l rules.LabelID) string {
	if l == rules.NoLabel {
		return ""
	}
	return e.plan.Labels[l].Name
}

// textLabels are the labels of one query member, header or path capture.
type textLabels struct {
	source  rules.Source
	name    string
	refs    []automaton.LabelRef
	pan     rules.LabelID
	pattern string // as the policy file has it
}

var sourcePrefix = map[rules.Source]string{
	rules.SourceQuery: "@query.", rules.SourceHeader: "@header.", rules.SourceCapture: "@path.",
}

// newTexts returns the labelled texts of a plan. The first entry stands for all
// others.
func (e *Engine) newTexts() []textLabels {
	out := []textLabels{{pan: rules.NoLabel}}
	for i := range e.plan.Labels {
		for _, lp := range e.plan.Labels[i].Paths {
			if lp.Source == rules.SourceBody {
				continue
			}
			at := slices.IndexFunc(out, func(t textLabels) bool { return t.source == lp.Source && t.name == lp.Name })
			if at < 0 {
				at = len(out)
				out = append(out, textLabels{source: lp.Source, name: lp.Name, pattern: sourcePrefix[lp.Source] + lp.Name})
			}
			out[at].refs = e.addLabel(out[at].refs, i)
		}
	}
	for i := range out {
		out[i].pan = e.panOf(out[i].refs)
	}
	return out
}

// addLabel adds a label that stands at the same place as others: of one family
// the deeper ones hold.
func (e *Engine) addLabel(refs []automaton.LabelRef, label int) []automaton.LabelRef {
	l := &e.plan.Labels[label]
	for _, ref := range refs {
		o := &e.plan.Labels[ref.Label]
		if ref.Label == label || o.Family == l.Family && o.Depth > l.Depth {
			return refs
		}
	}
	refs = slices.DeleteFunc(refs, func(ref automaton.LabelRef) bool {
		o := &e.plan.Labels[ref.Label]
		return o.Family == l.Family && o.Depth < l.Depth
	})
	return append(refs, automaton.LabelRef{Label: label, Pattern: automaton.None})
}

// text returns the index of a text's labels in e.texts.
func (e *Engine) text(source rules.Source, name string) uint32 {
	for i := 1; i < len(e.texts); i++ {
		if e.texts[i].source == source && e.texts[i].name == name {
			return uint32(i)
		}
	}
	return 0
}
