package yamlfile

import (
	"fmt"
	"strings"
)

// Row is what a reference says of one key: a line of a table. Its texts are
// Markdown.
type Row struct {
	// Place is where the key stands, in dots; * stands for a name of the
	// admin's, # for a list's element.
	Place   string
	Doc     string   // what it means, with what each of its values means
	Value   string   // what may be written
	Default string   // what holds where nothing is written; "" where nothing does
	Must    bool     // the map around it is refused without it
	Example string   // how it is written, in one line of YAML; "" where that is plain
	See     []string // pages of docs that say more
	Refused bool     // it is read only to be refused
	Keys    string   // the place whose keys are its own, too; "" where they have rows below it
}

// ToldAt returns a copy of a map's shape whose keys are those of another place,
// and have their rows there alone.
func (s *Shape) ToldAt(place string) *Shape {
	c := *s
	c.told = place
	return &c
}

// See returns a copy of a shape with the pages of docs, perhaps with an anchor,
// that say more about it.
func (s *Shape) See(pages ...string) *Shape {
	c := *s
	c.see = pages
	return &c
}

// Rows returns a row for each key of each map of the shape, a map's own before
// those of its keys. Names that the admin chooses have one where more stands
// below them.
func (s *Shape) Rows() []Row {
	var rows []Row
	s.rows("", func(r Row) { rows = append(rows, r) })
	return rows
}

// rows walks the maps below a shape.
func (s *Shape) rows(place string, add func(Row)) {
	switch s.is {
	case isKeys:
		for _, k := range s.keys {
			at := child(place, k.Name)
			if k.Refused {
				add(Row{Place: at, Refused: true})
				continue
			}
			row := k.Shape.row(at)
			row.Must = k.Must
			add(row)
			if row.Keys == "" {
				k.Shape.rows(at, add)
			}
		}
	case isNames:
		at := child(place, "*")
		if s.each.deep() && s.each.is != isKeys {
			add(s.each.row(at)) // of a map with known keys all is said by those
		}
		s.each.rows(at, add)
	case isList:
		s.each.rows(child(place, "#"), add)
	case isEither:
		for _, way := range s.ways {
			way.rows(place, add)
		}
	}
}

// deep reports whether there are rows below a shape.
func (s *Shape) deep() bool {
	found := false
	s.rows("", func(Row) { found = true })
	return found
}

// row is the row of a key with that shape. What the elements of a list and the
// values of a map of names are is said with it, unless they have rows of their
// own, or are named in a word or two.
func (s *Shape) row(place string) Row {
	r := Row{Place: place, Doc: s.doc, Value: s.written(), Example: s.example(), Keys: s.told}
	add := func(s *Shape, doc string) {
		doc = strings.TrimSpace(doc)
		if strings.Count(doc, " ") > 1 && !strings.Contains(r.Doc, strings.TrimSuffix(doc, ".")) {
			r.Doc += " " + doc
		}
		r.See = append(r.See, s.see...)
	}
	r.See = append(r.See, s.see...)
	if s.standard != nil {
		r.Default = code(s.standard)
	}
	for next := s; ; {
		switch {
		case next.is == isEither:
			for _, way := range next.ways {
				if way.is != isKeys {
					add(way, strings.TrimPrefix(way.doc, next.doc))
				}
			}
			return r
		case next.each == nil || next.each.deep():
			return r
		}
		next = next.each
		add(next, next.doc)
	}
}

// mostWords is how many words a cell of a table lists.
const mostWords = 16

// written says what may be written.
func (s *Shape) written() string {
	switch s.is {
	case isKeys:
		return "map"
	case isNames:
		if s.each.deep() {
			return "map of names"
		}
		return "map: name → " + s.each.written()
	case isList:
		if s.each.deep() {
			return "list of maps"
		}
		if s.orOne {
			return s.each.written() + ", or a list"
		}
		return "list of " + s.each.written() + "s"
	case isText:
		return "text"
	case isWord:
		if len(s.words) > mostWords {
			return fmt.Sprintf("one of %d words", len(s.words))
		}
		return oneOf(s.words)
	case isTruth:
		return "`true` or `false`"
	case isInt:
		return fmt.Sprintf("number, %d to %d", s.low, s.high)
	case isSpan:
		return fmt.Sprintf("time, %s to %s", spanText(s.low), spanText(s.high))
	case isSize:
		return fmt.Sprintf("size, %s to %s", sizeText(s.low), sizeText(s.high))
	case isDate:
		return "date"
	case isMoment:
		return "date, or date and time"
	case isSingle:
		return "single value"
	case isAny:
		return "any value"
	}
	var ways []string
	for _, way := range s.ways {
		ways = append(ways, way.written())
	}
	return strings.Join(ways, "; or ")
}

func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = code(w)
	}
	if last := len(quoted) - 1; last > 0 {
		return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	}
	return quoted[0]
}

func code(v any) string { return "`" + fmt.Sprint(v) + "`" }

// example is the first value that the shape gives for one, as it is written.
func (s *Shape) example() string {
	if len(s.examples) > 0 {
		text, err := marshal(s.examples[0])
		if t, isText := s.examples[0].(string); isText {
			return code(t)
		}
		if err != nil {
			return ""
		}
		return code(string(text))
	}
	switch s.is {
	case isList:
		return s.each.example()
	case isEither:
		return s.ways[0].example()
	}
	return ""
}
