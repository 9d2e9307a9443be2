package rules

import (
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"chaperone/rules/yamlfile"
)

// The labels that always exist, and the one that agreements speak of.
const (
	labelPAN = "pan"
	labelSAD = "sad"
	labelPHI = "phi"
)

// maxLabels bounds the labels of a policy.
const maxLabels = 500

// labelShape is the name of a label: dotted, each part a kind of the one
// before.
var labelShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*){0,7}$`)

// detectorPAN finds card numbers. Those of identifiers have their names from
// package detect.
const detectorPAN = "pan"

// labels reads the block in two passes, so that the order of the file does not
// matter: first the names, then what they say.
func (l *loader) labels(n yamlfile.Node) {
	whole := Position{File: l.file}
	l.addLabel(labelPAN, whole)
	l.addLabel(labelSAD, whole)
	entries := n.Map().Entries()
	if len(entries) > maxLabels {
		n.Fail("too_many", fmt.Sprintf("the policy has more than %d labels", maxLabels), "")
		return
	}
	for _, e := range entries {
		if !labelShape.MatchString(e.Key) || len(e.Key) > 63 {
			l.failAt(e.At, "bad_name", fmt.Sprintf("%q cannot be the name of a label", e.Key), "write letters, digits, - and _, with dots between kinds, as in phi.contact")
			continue
		}
		id := l.addLabel(e.Key, e.At)
		l.plan.Labels[id].Position = e.At
		l.labelNodes[id] = e.Value
	}
	for id := range l.plan.Labels {
		if node, ok := l.labelNodes[LabelID(id)]; ok {
			l.label(LabelID(id), node)
		}
	}
	l.inheritGeneralizations()
}

// addLabel returns the label of a name, and makes it and its ancestors if they
// do not exist.
func (l *loader) addLabel(name string, at Position) LabelID {
	if id := l.plan.Label(name); id != NoLabel {
		return id
	}
	parent := NoLabel
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		parent = l.addLabel(name[:dot], at)
	}
	id := LabelID(len(l.plan.Labels))
	label := Label{Name: name, Parent: parent, Family: id, Depth: strings.Count(name, "."), Format: FormatSealed, Tag: TagOf(name), Position: at}
	if parent != NoLabel {
		label.Family = l.plan.Labels[parent].Family
	}
	if l.plan.family(label.Family) == labelPAN || name == labelPAN {
		label.Format = FormatPAN
	}
	l.plan.Labels = append(l.plan.Labels, label)
	return id
}

// family returns the name of a family's root, "" for one that is being made.
func (p *Plan) family(root LabelID) string {
	if root < 0 || int(root) >= len(p.Labels) {
		return ""
	}
	return p.Labels[root].Name
}

// inFamily reports whether a label is the one of that name or a kind of it.
func (p *Plan) inFamily(id LabelID, root string) bool {
	return id >= 0 && int(id) < len(p.Labels) && p.family(p.Labels[id].Family) == root
}

// labelNames lists the labels for hints.
func (p *Plan) labelNames() []string {
	var names []string
	for _, label := range p.Labels {
		names = append(names, label.Name)
	}
	return names
}

// refLabel reads the name of a label that must exist.
func (l *loader) refLabel(n yamlfile.Node) LabelID {
	name, ok := n.Text()
	if !ok {
		return NoLabel
	}
	id := l.plan.Label(name)
	if id == NoLabel {
		l.undefined(n, "undefined_label", "label", name, l.plan.labelNames())
	}
	return id
}

func (l *loader) label(id LabelID, n yamlfile.Node) {
	before := len(*l.diags)
	defer func() { l.lostLabel[id] = len(*l.diags) > before }()
	if n.Kind() == yamlfile.List || n.Kind() == yamlfile.Scalar {
		l.labelPaths(id, n.OneOrMore()) // shorthand
		return
	}
	m := n.Map()
	if paths := m.Get("paths"); paths.Written() {
		l.labelPaths(id, paths.OneOrMore())
	}
	if detect := m.Get("detect"); detect.Written() {
		l.detectors(id, detect)
	}
	l.tokenFormat(id, m.Get("token"))
	l.generalization(id, m.Get("generalize"))
	if join := m.Get("join"); join.Written() {
		l.plan.Labels[id].Join = join.Bool()
		if l.plan.inFamily(id, labelSAD) {
			join.Fail("sad_token", "sensitive authentication data has no token, so nothing joins by it", "remove the key")
		}
	}
	m.Done()
}

func (l *loader) labelPaths(id LabelID, nodes []yamlfile.Node) {
	label := &l.plan.Labels[id]
	seen := map[string]bool{}
	for _, n := range nodes {
		p, ok := l.labelPath(n)
		if !ok {
			continue
		}
		key := fmt.Sprint(p.Source, p.Name, " ", p.Path.Source)
		if seen[key] {
			n.Warn("path_twice", fmt.Sprintf("the label %s lists this path twice", label.Name), "remove one of them")
			continue
		}
		seen[key] = true
		label.Paths = append(label.Paths, p)
	}
}

// labelPath reads a path of the body, or @query.NAME, @header.NAME and
// @path.NAME.
func (l *loader) labelPath(n yamlfile.Node) (LabelPath, bool) {
	text, ok := n.Text()
	if !ok {
		return LabelPath{}, false
	}
	lp := LabelPath{Position: n.Position()}
	if !strings.HasPrefix(text, "@") {
		lp.Path, ok = l.path(n, false)
		return lp, ok
	}
	source, name, dotted := strings.Cut(text[1:], ".")
	lp.Name = name
	switch source {
	case "query":
		lp.Source = SourceQuery
	case "header":
		lp.Source = SourceHeader
		lp.Name = textproto.CanonicalMIMEHeaderKey(name)
		if dotted && !validHeaderName(name) {
			n.Fail("bad_header", fmt.Sprintf("%q is not the name of a header", name), "")
			return LabelPath{}, false
		}
	case "path":
		lp.Source = SourceCapture
	default:
		n.Fail("bad_path", fmt.Sprintf("@%s is no place that values come from", source), "use @query.NAME, @header.NAME or @path.NAME")
		return LabelPath{}, false
	}
	if name == "" {
		n.Fail("bad_path", fmt.Sprintf("%q names nothing", text), "use @query.NAME, @header.NAME or @path.NAME")
		return LabelPath{}, false
	}
	return lp, true
}

func (l *loader) detectors(id LabelID, n yamlfile.Node) {
	label := &l.plan.Labels[id]
	cards := l.plan.inFamily(id, labelPAN)
	for _, d := range n.OneOrMore() {
		name, ok := d.Text()
		switch {
		case !ok:
		case !slices.Contains(detectorNames, name):
			hint := yamlfile.Suggest(name, detectorNames)
			if hint == "" {
				hint = "there are: " + strings.Join(detectorNames, ", ")
			}
			d.Fail("unknown_detector", fmt.Sprintf("there is no detector %q", name), hint)
		case name == detectorPAN && !cards:
			d.Fail("detector_label", fmt.Sprintf("the detector pan finds card numbers, which are no %s", label.Name), "write it under labels.pan")
		case name != detectorPAN && (cards || l.plan.inFamily(id, labelSAD)):
			d.Fail("detector_label", fmt.Sprintf("what the detector %s finds is no %s", name, label.Name), "write it under another label, as phi")
		case slices.Contains(label.Detect, name):
			d.Warn("detector_twice", fmt.Sprintf("the detector %s is listed twice", name), "remove one of them")
		default:
			label.Detect = append(label.Detect, name)
		}
	}
}
