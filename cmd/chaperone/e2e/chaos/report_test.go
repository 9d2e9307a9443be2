package chaos

import (
	"fmt"
	"sort"
	"strings"
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
