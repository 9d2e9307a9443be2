package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestPlot(t *testing.T) {
	curves := []*curve{
		{Name: nameBody, X: "kB", Y: perLeg, Lines: []line{{"engine", [][2]float64{{1, 5}, {1000, 5000}}}, {"other", [][2]float64{{1, 20}, {1000, 20_000_000}}}}},
		{Name: nameRules, X: "rules", Y: perLeg, FlatY: true, Lines: []line{{"engine", [][2]float64{{10, 4}, {1000, 4.4}}}}},
		{Name: "nothing was measured"},
	}
	svg := plot(curves)
	elements := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
		}
	}
	if elements["polyline"] != 3 || elements["circle"] != 6 {
		t.Errorf("%v", elements)
	}
	if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
		t.Errorf("%s", svg)
	}
	if got := curves[0].Lines[1].slope(); math.Abs(got-2) > 1e-9 {
		t.Errorf("the slope of a quadratic line is %v", got)
	}
	got := (&results{Growth: curves}).budgets()
	if len(got) != 2 || !got[0].met || !got[1].met {
		t.Errorf("%+v", got)
	}
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		name   string
		log    bool
		lo, hi float64
		want   string
	}{
		{"three powers", true, 1, 1000, "1 10 100 1k"},
		{"two powers", true, 10, 300, "10 20 50 100 200"},
		{"from zero", false, 3, 9, "0 2 4 6 8"},
		{"thousands", false, 3, 15_000, "0 5k 10k 15k"},
	} {
		x := newAxis(c.log, c.lo, c.hi, 0, 100)
		var got []string
		for _, v := range x.ticks() {
			got = append(got, number(v))
			if at := x.at(v); at < 0 || at > 100 {
				t.Errorf("%s: %v is at %v", c.name, v, at)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
}
