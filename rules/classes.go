package rules

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"chaperone/rules/yamlfile"
)

// The bounds of a basket's classes.
const (
	maxClasses  = 64
	maxWords    = 100_000
	maxWordSize = 200 // bytes
)

func (l *loader) readClasses(n yamlfile.Node, b *Basket) {
	entries := n.Map().Entries()
	if n.Kind() == yamlfile.Mapping && len(entries) == 0 {
		n.Fail("value_missing", "the basket has no class", "name at least one")
	}
	if len(entries) > maxClasses {
		n.Fail("too_many", fmt.Sprintf("the basket has more than %d classes", maxClasses), "")
		entries = entries[:maxClasses]
	}
	for _, e := range entries {
		if l.checkName(e.At, "class", e.Key) && e.Key == "none" {
			l.failAt(e.At, "bad_name", "none is the word of a leg that carries no items", "choose another name")
		}
		l.class(e, b)
	}
}

func (l *loader) class(e yamlfile.Entry, b *Basket) {
	m := e.Value.Map()
	c := Class{Name: e.Key, Label: NoLabel, Position: e.At}
	nodes := classNodes{at: e.At, label: m.Get("label")}
	if nodes.label.Written() {
		c.Label = l.refLabel(nodes.label)
		if l.plan.inFamily(c.Label, labelSAD) || l.plan.inFamily(c.Label, labelPAN) {
			nodes.label.Fail("class_label", fmt.Sprintf("a line item cannot carry the label %s", l.plan.Labels[c.Label].Name), "use a label that says what the item tells about a person, as phi")
			c.Label = NoLabel
		}
	}
	alternatives := m.Get("any")
	if alternatives.Kind() == yamlfile.List {
		for _, item := range alternatives.Items() {
			l.rule(item, &c, &nodes)
		}
	} else {
		alternatives.Items() // says what is wrong with it
	}
	m.Done()
	b.Classes = append(b.Classes, c)
	l.basket.classes = append(l.basket.classes, nodes)
}

// rule reads one alternative: {field: value or [values] or {words: FILE}, …}.
func (l *loader) rule(n yamlfile.Node, c *Class, nodes *classNodes) {
	r := Rule{Position: n.Position()}
	rn := ruleNodes{node: n}
	entries := n.Map().Entries()
	if n.Kind() == yamlfile.Mapping && len(entries) == 0 {
		n.Fail("value_missing", "the rule has no condition", "compare a field, as in {category: [skincare]}")
	}
	for _, e := range entries {
		field, err := ParsePath(e.Key)
		switch {
		case err != nil:
			l.failAt(e.At, "bad_path", fmt.Sprintf("%q is not a path: %s", e.Key, err), "write the name of a member of the item")
			continue
		case !field.Exact():
			l.failAt(e.At, "path_not_exact", fmt.Sprintf("a rule compares one field, and %q is a pattern", e.Key), "write the path without #, * and **")
			continue
		}
		condition := Condition{Field: field}
		var values []yamlfile.Node
		if e.Value.Kind() == yamlfile.Mapping {
			l.words(e.Value.Map(), &condition)
			values = []yamlfile.Node{e.Value}
		} else {
			values = l.comparands(e.Value, &condition)
		}
		r.Conditions = append(r.Conditions, condition)
		rn.values = append(rn.values, values)
	}
	if len(r.Conditions) > 0 {
		c.Any = append(c.Any, r)
		nodes.rules = append(nodes.rules, rn)
	}
}

// comparands reads the values of a condition. One with a wildcard makes globs
// of all: a text without wildcards is a glob that matches itself.
func (l *loader) comparands(n yamlfile.Node, c *Condition) []yamlfile.Node {
	var texts []string
	var nodes []yamlfile.Node
	globs := false
	for _, item := range n.OneOrMore() {
		text, ok := item.Text()
		if !ok {
			continue
		}
		globs = globs || strings.ContainsAny(text, "*?")
		texts, nodes = append(texts, text), append(nodes, item)
	}
	if globs {
		c.Globs = texts
	} else {
		c.Equal = texts
	}
	return nodes
}

func (l *loader) words(m *yamlfile.Map, c *Condition) {
	file := m.Require("words", "name the file that lists the words, one on a line")
	m.Done()
	name, ok := file.Text()
	if !ok {
		return
	}
	c.File = name
	text, read := l.files[name]
	if !read {
		var err error
		if text, err = l.read(name); err != nil {
			file.Fail("words_unreadable", fmt.Sprintf("the word list %q cannot be read: %s", name, pathless(err)), "its name is relative to the folder of this file")
			return
		}
		l.files[name] = text
	}
	c.Words = l.parseWords(file, name, text, !read)
	if len(c.Words) == 0 {
		file.Fail("words_empty", fmt.Sprintf("the word list %q has no word", name), "write one word or phrase on a line")
	}
}

// parseWords reads a word list: a word or phrase on each line, # begins a
// comment, blanks around are not part of it. Mistakes are at their place in
// the list, and said once per list.
func (l *loader) parseWords(n yamlfile.Node, name string, text []byte, say bool) []string {
	var words []string
	seen := map[string]bool{}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for i, line := range bytes.Split(text, []byte("\n")) {
		if hash := bytes.IndexByte(line, '#'); hash >= 0 {
			line = line[:hash]
		}
		word := strings.Join(strings.Fields(string(line)), " ")
		at := Position{File: resolve(filepath.Dir(l.file), name), Line: i + 1, Column: 1}
		switch {
		case word == "":
			continue
		case !utf8.ValidString(word):
			l.sayAt(say, at, "words_not_utf8", "the line is not UTF-8 text", "save the list as UTF-8")
			continue
		case len(word) > maxWordSize:
			l.sayAt(say, at, "words_too_long", fmt.Sprintf("the phrase is longer than %d bytes", maxWordSize), "write one phrase on a line")
			continue
		case phraseKey(word) == "":
			l.sayAt(say, at, "words_no_word", fmt.Sprintf("%q has no letter and no digit, so it stands in no name", word), "remove the line")
			continue
		case seen[phraseKey(word)]:
			if say {
				l.warnAt(at, "words_twice", fmt.Sprintf("%q is in the list twice", word), "remove one of them")
			}
			continue
		}
		if len(words) == maxWords {
			n.Fail("too_many", fmt.Sprintf("the word list %q has more than %d words", name, maxWords), "")
			break
		}
		seen[phraseKey(word)] = true
		words = append(words, word)
	}
	return words
}

func (l *loader) sayAt(say bool, at Position, code, message, hint string) {
	if say {
		l.failAt(at, code, message, hint)
	}
}
