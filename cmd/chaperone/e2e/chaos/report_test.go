package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// report writes the table of a run, as Markdown that also reads as text.
func report(results []*result, seed uint64) string {
	sort.Slice(results, func(i, j int) bool { return results[i].name > results[j].name })
	var b strings.Builder
	injected, skipped := map[string]int{}, map[string]bool{}
	all := 0
	var names, times []string
	for _, r := range results {
		for kind, n := range r.injected {
			injected[kind] += n
			all += n
		}
		for what := range r.skipped {
			skipped[what] = true
		}
		names = append(names, r.name)
		times = append(times, fmt.Sprintf("%v of faults, %v in all", r.raged.Round(time.Second), r.took.Round(time.Second)))
	}
	fmt.Fprintf(&b, "Seed %d.\n\n", seed)
	table(&b, append([]string{"what"}, names...), func(line func(...string)) {
		line(append([]string{"time"}, times...)...)
		for i := range longestRows(results) {
			cells := []string{}
			for _, r := range results {
				if len(cells) == 0 {
					cells = append(cells, r.rows[i].what)
				}
				cells = append(cells, fmt.Sprint(r.rows[i].n))
			}
			line(cells...)
		}
	})
	b.WriteByte('\n')
	var kinds []string
	for kind := range injected {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	table(&b, []string{"fault", "times"}, func(line func(...string)) {
		for _, kind := range kinds {
			line(kind, fmt.Sprint(injected[kind]))
		}
		line("all", fmt.Sprint(all))
	})
	for what := range skipped {
		fmt.Fprintf(&b, "\nLeft out: %s.\n", what)
	}
	return b.String()
}

// reportMark begins the part of a page that is the report's.
const reportMark = "<!-- chaos:"

// writeReport writes the report into a file of its own, or behind the mark of a
// page that has one.
func writeReport(file, text string) error {
	page, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	head := ""
	if at := strings.Index(string(page), reportMark); at >= 0 {
		line, _, _ := strings.Cut(string(page[at:]), "\n")
		head = string(page[:at]) + line + "\n\n"
	}
	return os.WriteFile(file, []byte(head+text), 0o644)
}

func TestReportTakesItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"a new file":          {"", "new\n"},
		"a report of its own": {"old\n", "new\n"},
		"a page":              {"# Page\n<!-- chaos: here -->\n\nold\n", "# Page\n<!-- chaos: here -->\n\nnew\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "page.md")
			if c.before != "" {
				if err := os.WriteFile(file, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := writeReport(file, "new\n"); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if err != nil || string(got) != c.after {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func longestRows(results []*result) []row {
	if len(results) == 0 {
		return nil
	}
	return results[0].rows
}

// table writes a Markdown table whose columns line up.
func table(b *strings.Builder, header []string, fill func(line func(...string))) {
	rows := [][]string{header, nil}
	fill(func(cells ...string) { rows = append(rows, cells) })
	width := make([]int, len(header))
	for _, cells := range rows {
		for i, c := range cells {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for n, cells := range rows {
		for i := range header {
			text := strings.Repeat("-", width[i])
			if n != 1 {
				text = cells[i] + strings.Repeat(" ", width[i]-len([]rune(cells[i])))
			}
			b.WriteString("| " + text + " ")
		}
		b.WriteString("|\n")
	}
}
