package yamlfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The texts that typed readers take, for a schema. Numbers and truth values
// without quotes are texts to Text, and a JSON Schema has to say so.
const (
	spanPattern = `^([0-9]+d|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+)$`
	sizePattern = `^[0-9]+ *(KiB|MiB|GiB|kB|MB|GB|B)$`
	dayPattern  = `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`
)

// member is one member of a schema; schemas keep the order in which they were
// written, so that the generated files can be read.
type member struct {
	name  string
	value any
}

type object []member

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", m.name)
		value, err := marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal leaves <, > and & as they are: nobody puts a schema into HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// JSONSchema returns the shape as a JSON Schema, draft 2020-12, indented and
// with a line feed at its end. It says what can be said of a value alone: what
// refers to other parts of the file, or to other files, the reader judges.
func (s *Shape) JSONSchema(id, title string) ([]byte, error) {
	o := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", id},
		{"title", title},
	}
	text, err := marshal(append(o, s.schema()...))
	if err != nil {
		return nil, fmt.Errorf("writing the schema %s: %w", id, err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, fmt.Errorf("writing the schema %s: %w", id, err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func (s *Shape) schema() object {
	o := object{{"description", s.about()}}
	switch s.is {
	case isKeys:
		o = append(o, s.keysSchema()...)
	case isNames:
		o = append(o, s.namesSchema()...)
	case isList:
		o = append(o, s.listSchema()...)
	case isText:
		o = append(o, s.textSchema()...)
	case isWord:
		o = append(o, member{"enum", s.words})
	case isTruth:
		o = append(o, member{"type", "boolean"})
	case isInt:
		o = append(o, member{"type", "integer"}, member{"minimum", s.low}, member{"maximum", s.high})
	case isSpan:
		o = append(o, member{"type", "string"}, member{"pattern", spanPattern})
	case isSize:
		o = append(o, member{"type", "string"}, member{"pattern", sizePattern})
	case isDate:
		o = append(o, member{"type", "string"}, member{"format", "date"}, member{"pattern", dayPattern})
	case isMoment:
		o = append(o, member{"anyOf", []object{
			{{"type", "string"}, {"format", "date"}, {"pattern", dayPattern}, {"examples", []string{"2027-03-31"}}},
			{{"type", "string"}, {"format", "date-time"}, {"examples", []string{"2027-03-31T09:30:00Z"}}},
		}})
	case isSingle:
		o = append(o, member{"type", []string{"string", "number", "boolean", "null"}})
	case isEither:
		ways := make([]object, len(s.ways))
		for i, way := range s.ways {
			ways[i] = way.schema()
		}
		o = append(o, member{"anyOf", ways})
	}
	if s.standard != nil {
		o = append(o, member{"default", s.standard})
	}
	if len(s.examples) > 0 {
		o = append(o, member{"examples", s.examples})
	}
	return o
}

// about is the description, with the bounds that a schema has no word for.
func (s *Shape) about() string {
	switch s.is {
	case isSpan:
		return fmt.Sprintf("%s From %s to %s, as in 500ms, 15s, 24h or 7d.", s.doc, spanText(s.low), spanText(s.high))
	case isSize:
		return fmt.Sprintf("%s From %s to %s.", s.doc, sizeText(s.low), sizeText(s.high))
	}
	return s.doc
}

func spanText(v int64) string {
	d := time.Duration(v)
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	text := d.String()
	text = strings.TrimSuffix(text, "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func sizeText(v int64) string {
	for _, s := range []struct {
		unit  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if v >= s.bytes && v%s.bytes == 0 {
			return fmt.Sprintf("%d%s", v/s.bytes, s.unit)
		}
	}
	return fmt.Sprintf("%dB", v)
}

func (s *Shape) keysSchema() object {
	var properties object
	var required []string
	for _, k := range s.keys {
		if k.Refused {
			continue
		}
		properties = append(properties, member{k.Name, k.Shape.schema()})
		if k.Must {
			required = append(required, k.Name)
		}
	}
	o := object{{"type", "object"}, {"additionalProperties", false}, {"properties", properties}}
	if s.some {
		o = append(o, member{"minProperties", 1})
	}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	if len(s.needs) > 0 {
		o = append(o, member{"anyOf", oneOfKeys(s.needs)})
	}
	if len(s.beside) > 0 {
		var rules object
		for _, b := range s.beside {
			rules = append(rules, member{b.key, object{{"anyOf", oneOfKeys(b.others)}}})
		}
		o = append(o, member{"dependentSchemas", rules})
	}
	if len(s.only) > 0 {
		var rules []object
		for _, keys := range s.only {
			for i, a := range keys {
				for _, b := range keys[i+1:] {
					rules = append(rules, object{{"not", object{{"required", []string{a, b}}}}})
				}
			}
		}
		o = append(o, member{"allOf", rules})
	}
	return o
}

// oneOfKeys are the ways in which a map can have one of some keys.
func oneOfKeys(keys []string) (ways []object) {
	for _, key := range keys {
		ways = append(ways, object{{"required", []string{key}}})
	}
	return ways
}

func (s *Shape) namesSchema() object {
	o := object{{"type", "object"}}
	if !s.empty {
		o = append(o, member{"minProperties", 1})
	}
	if s.names != "" {
		o = append(o, member{"propertyNames", object{{"pattern", s.names}}})
	}
	return append(o, member{"additionalProperties", s.each.schema()})
}

func (s *Shape) listSchema() object {
	list := object{{"type", "array"}}
	if !s.empty {
		list = append(list, member{"minItems", 1})
	}
	list = append(list, member{"items", s.each.schema()})
	if !s.orOne {
		return list
	}
	return object{{"anyOf", []object{s.each.schema(), list}}}
}

// textSchema admits what YAML takes for numbers and truth values where no
// pattern asks for more: the reader takes them as they are written.
func (s *Shape) textSchema() object {
	switch {
	case s.pattern == "" && s.empty:
		return object{{"type", []string{"string", "number", "boolean"}}}
	case s.pattern == "":
		return object{{"type", []string{"string", "number", "boolean"}}, {"minLength", 1}}
	case slices.ContainsFunc([]string{"0", "202", "1.5"}, regexp.MustCompile(s.pattern).MatchString):
		return object{{"type", []string{"string", "number"}}, {"pattern", s.pattern}}
	}
	return object{{"type", "string"}, {"pattern", s.pattern}}
}

// WalkKeys calls visit with each key of each map of the shape, and the place of
// the map in dots; * stands for a name of the admin's, # for a list's element.
func (s *Shape) WalkKeys(visit func(place string, key Key)) { s.walk("", visit) }

func (s *Shape) walk(place string, visit func(string, Key)) {
	switch s.is {
	case isKeys:
		for _, k := range s.keys {
			visit(place, k)
			if k.Shape != nil {
				k.Shape.walk(child(place, k.Name), visit)
			}
		}
	case isNames:
		s.each.walk(child(place, "*"), visit)
	case isList:
		s.each.walk(child(place, "#"), visit)
	case isEither:
		for _, way := range s.ways {
			way.walk(place, visit)
		}
	}
}
