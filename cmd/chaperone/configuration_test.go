package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/yamlfile"
)

// docs/configuration.md and docs/testing-rules.md are written by hand but for
// their tables of keys, which are written from the models of the files.

const (
	configurationFile = "docs/configuration.md"
	testingFile       = "docs/testing-rules.md"
)

// keyTable is a table of a page: the keys below a place of a file that no other
// table has.
var keyTable = regexp.MustCompile(`(?ms)^<!-- keys of (rules|chaperone|rules_test)\.yaml(?:: (\S+))? -->\n(.*?)^<!-- end -->$`)

// tableOfKeys is one of them, by its place.
type tableOfKeys struct {
	file, place string
	anchor      string // of the heading above it
}

// pageOfKeys returns a page with its tables of the keys of some files as they
// have to be now.
func pageOfKeys(t *testing.T, page string, files ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	var tables []tableOfKeys
	for _, m := range keyTable.FindAllSubmatchIndex(text, -1) {
		above := anchorsOf(text[:m[0]])
		at := tableOfKeys{file: string(text[m[2]:m[3]]), anchor: above[len(above)-1]}
		if m[4] >= 0 {
			at.place = string(text[m[4]:m[5]])
		}
		tables = append(tables, at)
	}
	written := map[tableOfKeys]string{}
	for _, file := range files {
		writeTables(t, page, file, tables, written)
	}
	next := 0
	return keyTable.ReplaceAllFunc(text, func(old []byte) []byte {
		first, _, _ := strings.Cut(string(old), "\n")
		next++
		return []byte(first + "\n" + written[tables[next-1]] + "<!-- end -->")
	})
}

// writeTables writes the tables of one file.
func writeTables(t *testing.T, page, file string, tables []tableOfKeys, written map[tableOfKeys]string) {
	t.Helper()
	mistakes := mistakesOf(t, file)
	for _, row := range writtenFiles[file].schema().shape.Rows() {
		if row.Refused {
			continue
		}
		var home, own *tableOfKeys
		for i := range tables {
			switch at := &tables[i]; {
			case at.file != file:
			case strings.TrimRight(at.place, ".*#") == cmp.Or(row.Keys, row.Place):
				own = at
			case at.place == "" || strings.HasPrefix(row.Place, at.place+"."):
				if home == nil || len(at.place) > len(home.place) {
					home = at
				}
			}
		}
		if home == nil {
			t.Fatalf("no table of %s has a place for %s.yaml: %s", page, file, row.Place)
		}
		if written[*home] == "" {
			written[*home] = "\n| key | value | without it | meaning |\n| --- | --- | --- | --- |\n"
		}
		written[*home] += keyRow(row, *home, own, mistakes[row.Place])
	}
	for _, at := range tables {
		if at.file == file && written[at] == "" {
			t.Errorf("%s.yaml has no keys below %q", file, at.place)
		}
		if at.file == file {
			written[at] += "\n"
		}
	}
}

// keyRow is a line of a table. A key that has a table of its own leads there.
func keyRow(row yamlfile.Row, home tableOfKeys, own *tableOfKeys, codes []string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(row.Place, home.place), ".")
	name = strings.ReplaceAll(strings.ReplaceAll(name, ".#", "[]"), "*", "NAME")
	without := cmp.Or(row.Default, "–")
	if row.Must {
		without = "**needed**"
	}
	meaning := row.Doc
	if row.Example != "" {
		meaning += " As in " + row.Example + "."
	}
	var links []string
	if own != nil {
		links = append(links, "[its keys](#"+own.anchor+")")
	}
	for _, page := range row.See {
		file, _, _ := strings.Cut(page, "#")
		links = append(links, fmt.Sprintf("[%s](%s)", file, page))
	}
	if len(links) > 0 {
		meaning += " More: " + strings.Join(links, ", ") + "."
	}
	if len(codes) > 0 {
		for i, c := range codes {
			codes[i] = fmt.Sprintf("[`%s`](codes.md#%s)", c, c)
		}
		meaning += " *Mistakes:* " + strings.Join(codes, ", ") + "."
	}
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, cell(row.Value), without, cell(meaning))
}

var headings = regexp.MustCompile(`(?m)^#+ (.*)$`)

// anchorsOf are the anchors of the headings of a page, in their order.
func anchorsOf(page []byte) (all []string) {
	for _, h := range headings.FindAllSubmatch(fence.ReplaceAll(page, nil), -1) {
		all = append(all, anchor(string(h[1])))
	}
	return all
}

// anchor is what a heading is linked by.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ' || r == '-':
			b.WriteByte('-')
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_':
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestConfigurationExamples checks each example of the page, as a reader would:
// it is whole, and there is nothing to say about it.
func TestConfigurationExamples(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(configurationFile)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
		if block[1] != "yaml" {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(block[2], "# "), "\n")
		found[name]++
		t.Run(fmt.Sprintf("%s %d", name, found[name]), func(t *testing.T) {
			t.Chdir(t.TempDir())
			for file, content := range map[string]string{"rules.yaml": rules.Sample, "procedures.txt": "botox\nfiller\n", name: block[2]} {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out, said strings.Builder
			if code := run([]string{"check", "--strict", name}, strings.NewReader(""), &out, &said); code != exitOK {
				t.Errorf("exit code %d\n%s%s", code, out.String(), said.String())
			}
		})
	}
	if sections := strings.Count(string(text), "\n### "); found["rules.yaml"]+found["chaperone.yaml"] < sections || sections < 10 {
		t.Errorf("%v examples in %d sections", found, sections)
	}
}

// TestDocsLinks follows every link from one page of the docs to another, and
// to a heading in it.
func TestDocsLinks(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string][]string{}
	headingsOf := func(page string) []string {
		if anchors[page] == nil {
			text, err := os.ReadFile(page)
			if err != nil {
				return nil
			}
			anchors[page] = anchorsOf(text)
		}
		return anchors[page]
	}
	links := regexp.MustCompile(`\]\(([^):\s]+)\)`)
	found := 0
	for _, page := range slices.Concat(pages, more, []string{"README.md"}) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links.FindAllStringSubmatch(string(fence.ReplaceAll(text, nil)), -1) {
			found++
			name, at, deep := strings.Cut(link[1], "#")
			target := page
			if name != "" {
				target = filepath.Join(filepath.Dir(page), name)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", page, link[1])
			} else if deep && !slices.Contains(headingsOf(target), at) {
				t.Errorf("%s links to %s, and the page has no such heading", page, link[1])
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d links", found)
	}
}
