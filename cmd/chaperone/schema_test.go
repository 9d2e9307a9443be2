package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/ruletest"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// structural are the codes of mistakes that a schema can see in a value alone.
var structural = map[string]bool{
	"unknown_key": true, "wrong_type": true, "unknown_value": true, "missing_key": true,
	"list_empty": true, "unknown_form": true, "unknown_detector": true, "unknown_token_format": true,
	"bad_duration": true, "bad_size": true, "bad_hash": true, "when_not_available": true,
	"vault_auth": true, "two_keyrings": true, "two_keys": true,
	"body_twice": true, "body_missing": true, "expects_nothing": true,
	"request_incomplete": true, "request_twofold": true, "bad_date": true, "value_missing": true,
}

// reader is how one of the files is read, and its schema.
type reader struct {
	name   string
	schema *jsonschema.Schema
	tree   map[string]any // the schema itself
	read   func(src []byte) rules.Diagnostics
	// load reads a file of that name, with those that it names.
	load func(name string, src []byte) rules.Diagnostics
}

func readers(t *testing.T) []reader {
	t.Helper()
	read := map[string]func([]byte) rules.Diagnostics{
		"rules": func(src []byte) rules.Diagnostics {
			_, ds := rules.LoadBytes("rules.yaml", src, nil)
			return ds
		},
		"config": func(src []byte) rules.Diagnostics {
			_, ds := parseConfig("chaperone.yaml", src)
			return ds
		},
		"tests": func(src []byte) rules.Diagnostics {
			_, ds := ruletest.Read("rules_test.yaml", src, func(string) ([]byte, error) { return []byte("{}"), nil })
			return ds
		},
	}
	load := map[string]func(string, []byte) rules.Diagnostics{
		"rules": func(name string, _ []byte) rules.Diagnostics {
			_, ds := rules.Load(name)
			return ds
		},
		"config": func(_ string, src []byte) rules.Diagnostics { return read["config"](src) },
		"tests": func(name string, src []byte) rules.Diagnostics {
			_, ds := ruletest.Read(name, src, os.ReadFile)
			return ds
		},
	}
	var all []reader
	for _, f := range fileSchemas() {
		text, err := f.shape.JSONSchema(f.id, f.title)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		c.AssertFormat()
		if err := c.AddResource(f.id, doc); err != nil {
			t.Fatal(err)
		}
		schema, err := c.Compile(f.id)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, reader{f.name, schema, doc.(map[string]any), read[f.name], load[f.name]})
	}
	return all
}

// validate reads YAML as an editor does, and holds it against the schema.
func (r reader) validate(t *testing.T, src []byte) error {
	t.Helper()
	var v any
	if err := yaml.UnmarshalWithOptions(src, &v, yaml.AllowDuplicateMapKey()); err != nil {
		return err
	}
	if v == nil {
		v = map[string]any{}
	}
	text, err := json.Marshal(jsonable(v))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r.schema.Validate(doc)
}

// jsonable gives maps text keys, and puts addresses together again that this
// YAML parser takes for maps: [127.0.0.1:6379].
func jsonable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = jsonable(v[k])
		}
	case map[any]any:
		m := map[string]any{}
		for k := range v {
			m[fmt.Sprint(k)] = jsonable(v[k])
		}
		return m
	case []any:
		for i := range v {
			m, isMap := v[i].(map[string]any)
			if v[i] = jsonable(v[i]); !isMap || len(m) != 1 {
				continue
			}
			for host, port := range m {
				if strings.Contains(host, ".") && strings.Count(fmt.Sprint(port), " ") == 0 {
					if n, ok := port.(uint64); ok {
						v[i] = fmt.Sprintf("%s:%d", host, n)
					}
				}
			}
		}
	}
	return v
}

func structuralIn(ds rules.Diagnostics) (codes []string) {
	for _, d := range ds {
		if structural[d.Code] && d.Severity == rules.Error {
			codes = append(codes, d.Code)
		}
	}
	return codes
}

// TestSchemaAgreesOnFixtures holds every policy and configuration of the tree
// against the schemas: what the reader takes validates, and a mistake of
// structure is refused by both.
func TestSchemaAgreesOnFixtures(t *testing.T) {
	// What the reader calls structural, and a schema cannot see.
	beyond := map[string]string{
		"redis_address_with_space.yaml": "the space after the colon",
		"duplicate_keys.yaml":           "a key that is written twice",
		"leg_compute.yaml":              "an expression is missing where a constant may be null",
	}
	globs := map[string][]string{
		"rules":  {"../../rules/testdata/*/*.yaml", "../../deploy/*/rules.yaml", "e2e/testdata/*/rules.yaml"},
		"config": {"testdata/config/*.yaml", "../../deploy/*/chaperone.yaml"},
		"tests":  {"../../rules/ruletest/testdata/*/*.yaml", "../../deploy/*/rules_test.yaml", "../../rules/propose/testdata/*/proposed/rules_test.yaml"},
	}
	for _, r := range readers(t) {
		documented(t, r)
		var files []string
		for _, g := range globs[r.name] {
			found, err := filepath.Glob(g)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, found...)
		}
		if len(files) < 25 {
			t.Fatalf("%s: only %d files", r.name, len(files))
		}
		refused := 0
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ds := r.load(file, src)
			err = r.validate(t, src)
			codes := structuralIn(ds)
			switch {
			case err != nil && !ds.HasErrors():
				t.Errorf("%s is fine, and the schema refuses it: %v", file, err)
			case err == nil && len(codes) > 0 && beyond[filepath.Base(file)] == "":
				t.Errorf("%s is refused for %v, and the schema takes it", file, codes)
			case err != nil:
				refused++
			}
		}
		if refused < 8 {
			t.Errorf("%s: the schema refuses only %d files", r.name, refused)
		}
	}
}

// TestSchemaAgreesOnEveryKey makes a document for each key, word and shape of
// the schema: the reader knows them all. Then it breaks each of them: both
// refuse it.
func TestSchemaAgreesOnEveryKey(t *testing.T) {
	for _, r := range readers(t) {
		docs := variants(r.tree)
		if len(docs) < 50 {
			t.Fatalf("%s: only %d documents", r.name, len(docs))
		}
		for _, doc := range docs {
			src := mustJSON(t, doc)
			if err := r.validate(t, src); err != nil {
				t.Errorf("%s: the schema refuses what is made of it: %s\n%v", r.name, src, err)
				continue
			}
			if ds := r.read(src); len(structuralIn(ds)) > 0 {
				t.Errorf("%s: the schema takes it, and the reader does not: %s\n%v", r.name, src, ds)
			}
		}
		broken := 0
		for _, doc := range docs {
			for what, bad := range breaks(r.tree, doc) {
				broken++
				src := mustJSON(t, bad)
				if r.validate(t, src) == nil {
					t.Errorf("%s: %s, and the schema takes it: %s", r.name, what, src)
				}
				if ds := r.read(src); !ds.HasErrors() {
					t.Errorf("%s: %s, and the reader takes it: %s", r.name, what, src)
				}
			}
		}
		if broken < 200 {
			t.Errorf("%s: only %d broken documents", r.name, broken)
		}
	}
}

// titledFence is a fence of the docs, which may say more than the language.
var titledFence = regexp.MustCompile("(?ms)^ *```([\\w ]*)\n(.*?)^ *```$")

// documented holds the files that the docs show against the schema.
func documented(t *testing.T, r reader) {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]*regexp.Regexp{
		"rules": regexp.MustCompile(`(?ms)^destinations:.*^routes:`), "config": regexp.MustCompile(`(?ms)^rules:.*^listen:`),
		"tests": regexp.MustCompile(`(?m)^tests:$`),
	}[r.name]
	found := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range titledFence.FindAllStringSubmatch(string(text), -1) {
			if lang, _, _ := strings.Cut(block[1], " "); lang != "yaml" || !whole.MatchString(block[2]) {
				continue
			}
			found++
			if err := r.validate(t, []byte(block[2])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if found == 0 {
		t.Errorf("no page shows a whole file for %s", r.name)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// least is the smallest value that a schema takes.
func least(s map[string]any) any {
	if words, ok := s["enum"].([]any); ok {
		return words[0]
	}
	if pattern, _ := s["pattern"].(string); strings.Contains(pattern, "{64}") {
		return strings.Repeat("ab", 32)
	}
	if s["properties"] == nil && s["anyOf"] != nil {
		return least(s["anyOf"].([]any)[0].(map[string]any))
	}
	for _, given := range []any{s["default"], first(s["examples"])} {
		if given != nil && s["properties"] == nil {
			return given
		}
	}
	switch s["type"] {
	case "boolean":
		return true
	case "integer":
		return s["minimum"]
	case "array":
		if s["minItems"] == nil {
			return []any{}
		}
		return []any{least(s["items"].(map[string]any))}
	case "object":
		return leastObject(s)
	}
	return "x1"
}

func leastObject(s map[string]any) any {
	doc := map[string]any{}
	properties, known := s["properties"].(map[string]any)
	if !known {
		if s["minProperties"] != nil {
			doc["x1"] = least(s["additionalProperties"].(map[string]any))
		}
		return doc
	}
	required, _ := s["required"].([]any)
	if ways, ok := s["anyOf"].([]any); ok {
		required = append(required, ways[0].(map[string]any)["required"].([]any)...)
	}
	if s["minProperties"] != nil {
		required = append(required, slices.Sorted(maps.Keys(properties))[0])
	}
	for _, key := range required {
		doc[key.(string)] = least(properties[key.(string)].(map[string]any))
	}
	return doc
}

func first(v any) any {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return list[0]
	}
	return nil
}

// variants are values of a schema that differ from the least one in one thing
// each: a key more, another word, another kind of value.
func variants(s map[string]any) []any {
	var all []any
	if words, ok := s["enum"].([]any); ok {
		return words
	}
	if s["properties"] == nil && s["anyOf"] != nil {
		for _, way := range s["anyOf"].([]any) {
			all = append(all, variants(way.(map[string]any))...)
		}
		return all
	}
	switch s["type"] {
	case "array":
		for _, v := range variants(s["items"].(map[string]any)) {
			all = append(all, []any{v})
		}
	case "object":
		if properties, ok := s["properties"].(map[string]any); ok {
			for _, key := range slices.Sorted(maps.Keys(properties)) {
				for _, v := range variants(properties[key].(map[string]any)) {
					doc := maps.Clone(leastObject(s).(map[string]any))
					for _, other := range rivals(s, key) {
						delete(doc, other)
					}
					if beside := companions(s, key); beside != nil {
						doc[beside[0]] = least(properties[beside[0]].(map[string]any))
					}
					doc[key] = v
					all = append(all, doc)
				}
			}
			break
		}
		for _, v := range variants(s["additionalProperties"].(map[string]any)) {
			all = append(all, map[string]any{"x1": v})
		}
	}
	if len(all) == 0 {
		all = append(all, least(s))
	}
	return all
}

// rivals are the keys that may not stand beside a key.
func rivals(s map[string]any, key string) (keys []string) {
	rules, _ := s["allOf"].([]any)
	for _, rule := range rules {
		var pair []string
		for _, k := range rule.(map[string]any)["not"].(map[string]any)["required"].([]any) {
			pair = append(pair, k.(string))
		}
		if i := slices.Index(pair, key); i >= 0 {
			keys = append(keys, pair[1-i])
		}
	}
	return keys
}

// companions are the keys of which a key wants one beside it.
func companions(s map[string]any, key string) (keys []string) {
	dependent, _ := s["dependentSchemas"].(map[string]any)
	rule, _ := dependent[key].(map[string]any)
	ways, _ := rule["anyOf"].([]any)
	for _, way := range ways {
		keys = append(keys, way.(map[string]any)["required"].([]any)[0].(string))
	}
	return keys
}

// breaks are documents with one thing wrong in each, by what it is. The
// schema's shape leads through the document.
func breaks(s map[string]any, doc any) map[string]any {
	all := map[string]any{}
	breakAt(s, doc, "", func(what string, bad any) { all[what] = bad })
	return all
}

func breakAt(s map[string]any, doc any, place string, add func(string, any)) {
	if s["properties"] == nil && s["anyOf"] != nil {
		breakWays(s, doc, place, add)
		return
	}
	if s["enum"] != nil {
		add(place+" has a word that is none", "zzqx")
	}
	switch s["type"] {
	case "boolean":
		add(place+" is no truth value", "zzqx")
	case "integer":
		add(place+" is no number", "zzqx")
		add(place+" is too large", s["maximum"].(json.Number)+"0")
		add(place+" is too small", "-1")
	case "array":
		for i, v := range doc.([]any) {
			breakAt(s["items"].(map[string]any), v, fmt.Sprintf("%s[%d]", place, i), func(what string, bad any) {
				list := slices.Clone(doc.([]any))
				list[i] = bad
				add(what, list)
			})
		}
	case "object":
		breakObject(s, doc.(map[string]any), place, add)
	}
}

func breakObject(s, doc map[string]any, place string, add func(string, any)) {
	with := func(key string, v any) map[string]any {
		m := maps.Clone(doc)
		m[key] = v
		return m
	}
	properties, known := s["properties"].(map[string]any)
	if known {
		add(place+" has a key that is none", with("zzqx", true))
		required, _ := s["required"].([]any)
		for _, key := range required {
			m := maps.Clone(doc)
			delete(m, key.(string))
			add(fmt.Sprintf("%s lacks %s", place, key), m)
		}
		for key := range doc {
			if beside := companions(s, key); beside != nil {
				m := maps.Clone(doc)
				maps.DeleteFunc(m, func(key string, _ any) bool { return slices.Contains(beside, key) })
				add(fmt.Sprintf("%s has %s without %v", place, key, beside), m)
			}
			for _, other := range rivals(s, key) {
				add(fmt.Sprintf("%s has %s beside %s", place, other, key), with(other, least(properties[other].(map[string]any))))
			}
		}
		if s["minProperties"] != nil {
			add(place+" is empty", map[string]any{})
		}
		add(place+" is a list", []any{doc})
	}
	for key, v := range doc {
		below, _ := s["additionalProperties"].(map[string]any)
		if known {
			below = properties[key].(map[string]any)
		}
		breakAt(below, v, place+"."+key, func(what string, bad any) { add(what, with(key, bad)) })
	}
}

// breakWays breaks a value that may have several shapes only within the one
// that it has.
func breakWays(s map[string]any, doc any, place string, add func(string, any)) {
	for _, w := range s["anyOf"].([]any) {
		way := w.(map[string]any)
		_, isMap := doc.(map[string]any)
		_, isList := doc.([]any)
		if isMap && way["type"] == "object" || isList && way["type"] == "array" {
			breakAt(way, doc, place, add)
		}
	}
}
