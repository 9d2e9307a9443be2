package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/diag"
	"chaperone/rules/ruletest"

	"github.com/goccy/go-yaml"
)

// Which codes a mistake at a key gives, the reader is asked: files that are
// right are written wrong at one place after the other, and the examples of the
// codes are wrong already.

// everywhere are the codes that any key may give, or any of its kind; the page
// names them once.
var everywhere = []string{
	"unknown_key", "missing_key", "value_missing", "wrong_type", "duplicate_key", "list_empty", "not_json",
	"unknown_value", "out_of_range", "bad_duration", "bad_size", "bad_date",
}

// nodeOf is a value of a file, with its place in the model.
type nodeOf struct {
	place  string // * for a name, # for an element
	key    string // of the map around it
	scalar any
	kind   byte // m, l, s
	kids   []*nodeOf
}

// tree makes nodes of a value, led by the schema of the file.
func tree(v any, s map[string]any, place, key string) *nodeOf {
	n := &nodeOf{place: place, key: key, kind: 's', scalar: v}
	switch v.(type) {
	case yaml.MapSlice, map[string]any:
		n.kind = 'm'
	case []any:
		n.kind = 'l'
	}
	for s["properties"] == nil && s["anyOf"] != nil {
		ways := s["anyOf"].([]any)
		s = ways[0].(map[string]any)
		for _, w := range ways {
			way := w.(map[string]any)
			if is := way["type"]; n.kind == 'm' && is == "object" || n.kind == 'l' && is == "array" || n.kind == 's' && is != "object" && is != "array" {
				s = way
				break
			}
		}
	}
	below := func(key string) (map[string]any, string) {
		if properties, known := s["properties"].(map[string]any); known {
			of, _ := properties[key].(map[string]any)
			return of, strings.TrimPrefix(place+"."+key, ".")
		}
		each, _ := s["additionalProperties"].(map[string]any)
		return each, place + ".*"
	}
	switch v := v.(type) {
	case yaml.MapSlice:
		for _, e := range v {
			name := fmt.Sprint(e.Key)
			of, at := below(name)
			n.kids = append(n.kids, tree(e.Value, of, at, name))
		}
	case map[string]any:
		for _, name := range sortedKeys(v) {
			of, at := below(name)
			n.kids = append(n.kids, tree(v[name], of, at, name))
		}
	case []any:
		each, _ := s["items"].(map[string]any)
		for _, e := range v {
			n.kids = append(n.kids, tree(e, each, place+".#", ""))
		}
	}
	return n
}

func sortedKeys(m map[string]any) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// text writes the file with one value on a line, and which place each line is.
func (n *nodeOf) text() (src []byte, places []string) {
	var b strings.Builder
	var write func(n *nodeOf, lead, tail string)
	line := func(place, text string) {
		b.WriteString(text + "\n")
		places = append(places, place)
	}
	write = func(n *nodeOf, lead, tail string) {
		if n.kind == 's' {
			text, _ := json.Marshal(n.scalar)
			line(n.place, lead+string(text)+tail)
			return
		}
		open, end := "{", "}"
		if n.kind == 'l' {
			open, end = "[", "]"
		}
		line(n.place, lead+open)
		for i, kid := range n.kids {
			before, after := "", ","
			if n.kind == 'm' {
				name, _ := json.Marshal(kid.key)
				before = string(name) + ": "
			}
			if i == len(n.kids)-1 {
				after = ""
			}
			write(kid, before, after)
		}
		line(n.place, end+tail)
	}
	write(n, "", "")
	return []byte(b.String()), places
}

// each visits a node and all below it.
func (n *nodeOf) each(visit func(*nodeOf)) {
	visit(n)
	for _, kid := range n.kids {
		kid.each(visit)
	}
}

// wrongs write a node wrong in several ways, one after the other, and call try
// in between.
func (n *nodeOf) wrongs(try func()) {
	was := *n
	defer func() { *n = was }()
	if n.key != "" && strings.HasSuffix(n.place, ".*") {
		for _, name := range []string{"a b", "zzqx", "a..b", "a.#.b"} {
			n.key = name
			try()
		}
		*n = was
	}
	switch n.kind {
	case 'l':
		if len(n.kids) == 1 {
			n.kids = []*nodeOf{was.kids[0], was.kids[0]}
			try()
		}
	case 's':
		for _, wrong := range []any{"zzqx", "a..b", "a b", "-1", "a.#.b", "@x", "http://a:b@c", "1:", "2020-01-01", "x: y", "1ms", "99999d", "900GiB", 3, 1 << 40, true} {
			n.scalar = wrong
			try()
		}
	}
}

// writtenFile is what there is to try about one of the files.
type writtenFile struct {
	of           int // among fileSchemas and readers
	sample       string
	explanations []diag.Explanation
	beside       string // what is in the file that it needs beside it
}

func (w writtenFile) schema() fileSchema { return fileSchemas()[w.of] }

var writtenFiles = map[string]writtenFile{
	"rules":      {0, rules.Sample, rules.Explanations(), ""},
	"chaperone":  {1, configSample, configExplanations, rules.Sample},
	"rules_test": {2, ruletest.Sample, ruletest.Explanations(), testedPolicySample},
}

// testedPolicySample is a policy that has the names of the sample tests, and the
// names that documents have which are made of the schema.
const testedPolicySample = `
labels: {x1: {paths: [x]}, clinical: {}}
basket: {items: items, classes: {x1: {any: [{name: a}]}, clinical: {}}, otherwise: clinical}
destinations: {x1: {url: "http://127.0.0.1:1"}}
callers: {x1: {key_sha256: 6f5b8c1d2a90e3474bd1c86a05f7e92c3d18ab64f05e79c2b3a6d7180e4f92c5, routes: all}}
routes:
  - {name: sale, match: {method: POST, path: /sale}, legs: [{to: x1, primary: true, keep: [id], success: http}]}
  - {name: refund, match: {method: POST, path: /refund}, legs: [{to: x1, primary: true, keep: [id], success: http}]}
  - {name: x1, match: {method: POST, path: /x1}, legs: [{to: x1, primary: true, keep: [id], success: http}]}
`

// fileReader reads a file as check does. It is not told of other files.
type fileReader func(src []byte, words string) rules.Diagnostics

func fileReaders(t *testing.T) map[string]fileReader {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return map[string]fileReader{
		"rules": func(src []byte, words string) rules.Diagnostics {
			write("words.txt", words)
			_, _, ds := loadPolicy(write("rules.yaml", string(src)), nil)
			return ds
		},
		"chaperone": func(src []byte, policy string) rules.Diagnostics {
			write("rules.yaml", policy)
			c := checker{checked: map[string]bool{}}
			file := write("chaperone.yaml", string(src))
			cfg, ds := parseConfig(file, src)
			if c.found = ds; cfg.rules != "" && !ds.HasErrors() {
				c.policy(cfg.rules, cfg)
			}
			return c.found
		},
		"rules_test": func(src []byte, policy string) rules.Diagnostics {
			plan, ds := rules.LoadBytes("rules.yaml", []byte(policy), nil)
			if plan == nil {
				t.Fatal(ds)
			}
			f, ds := ruletest.Read("rules_test.yaml", src, func(string) ([]byte, error) { return nil, fs.ErrNotExist })
			return append(ds, f.Check(plan)...)
		},
	}
}

// mistakesOf returns the codes of one file by the place of the key at which
// they stand.
func mistakesOf(t *testing.T, file string) map[string][]string {
	t.Helper()
	w := writtenFiles[file]
	sample, explanations, beside := w.sample, w.explanations, w.beside
	reader := readers(t)[w.of]
	read := fileReaders(t)[file]
	known := map[string]bool{}
	for _, row := range w.schema().shape.Rows() {
		known[row.Place] = true
	}
	found := map[string][]string{}
	note := func(ds rules.Diagnostics, places []string, base []string) {
		for _, d := range ds {
			if d.Position.Line == 0 || slices.Contains(base, d.Code) || slices.Contains(everywhere, d.Code) || strings.HasPrefix(d.Code, "yaml_") {
				continue
			}
			place := ""
			switch filepath.Base(d.Position.File) {
			case "words.txt": // stands for the key that names it
				place = "basket.classes.*.any.#.*.words"
			case file + ".yaml":
				place = places[d.Position.Line-1]
			}
			for place != "" && !known[place] {
				place = place[:max(strings.LastIndexByte(place, '.'), 0)]
			}
			if place != "" && !slices.Contains(found[place], d.Code) {
				found[place] = append(found[place], d.Code)
			}
		}
	}
	parse := func(src string) *nodeOf {
		var v any
		if err := yaml.UnmarshalWithOptions([]byte(src), &v, yaml.UseOrderedMap(), yaml.AllowDuplicateMapKey()); err != nil {
			return nil // what is wrong is the YAML
		}
		return tree(v, reader.tree, "", "")
	}
	var all []*nodeOf
	all = append(all, parse(sample))
	for _, doc := range variants(reader.tree) {
		all = append(all, tree(doc, reader.tree, "", ""))
	}
	for _, e := range explanations {
		if !e.HasExample() {
			continue
		}
		wrong, right, err := e.Versions(sample)
		if err != nil {
			t.Fatal(err)
		}
		with := beside
		if e.Code == "anonymous_listener" {
			with = "destinations: {shop: {url: http://127.0.0.1:8081}}\nroutes:\n  - {name: sale, match: {method: POST, path: /sale}, legs: [{to: shop, primary: true, keep: [id], success: http}]}\n"
		}
		if file == "rules" {
			with = wrong.Words
		}
		if root := parse(wrong.File); root != nil {
			src, places := root.text()
			note(slices.DeleteFunc(read(src, with), func(d diag.Diagnostic) bool { return d.Code != e.Code }), places, nil)
		}
		if root := parse(right.File); root != nil {
			all = append(all, root)
		}
	}
	tried := map[string]int{}
	for _, root := range all {
		var base []string
		src, _ := root.text()
		for _, d := range read(src, beside) {
			base = append(base, d.Code)
		}
		root.each(func(n *nodeOf) {
			if tried[n.place]++; tried[n.place] > 2 {
				return
			}
			n.wrongs(func() {
				src, places := root.text()
				for i, place := range places {
					if place != n.place {
						places[i] = ""
					}
				}
				note(read(src, beside), places, base)
			})
		})
	}
	for _, codes := range found {
		slices.Sort(codes)
	}
	return found
}
