package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// The plot is small multiples: one panel for each curve, two in a row.
const (
	panelWide, panelHigh = 460.0, 300.0
	left, right          = 64.0, 18.0
	top, bottom          = 58.0, 46.0
	columns              = 2
)

// colours tell lines apart, for those who do not see all colours as well.
var colours = []string{"#0b63a5", "#c2570c", "#5f6b73"}

// plot draws the curves as one SVG image.
func plot(curves []*curve) []byte {
	rows := (len(curves) + columns - 1) / columns
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="sans-serif" font-size="12">`+"\n",
		columns*panelWide, float64(rows)*panelHigh, columns*panelWide, float64(rows)*panelHigh)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	for i, c := range curves {
		fmt.Fprintf(&b, `<g transform="translate(%.0f %.0f)">`+"\n", float64(i%columns)*panelWide, float64(i/columns)*panelHigh)
		drawPanel(&b, c)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// axis maps values to places.
type axis struct {
	log      bool
	from, to float64 // values, or their decimal logarithms
	a, b     float64 // places of from and to
}

func (x axis) at(v float64) float64 {
	if x.log {
		v = math.Log10(v)
	}
	return x.a + (v-x.from)/(x.to-x.from)*(x.b-x.a)
}

// newAxis makes an axis that the values fit on, with a whole step at its end.
func newAxis(log bool, lo, hi, a, b float64) axis {
	if log {
		from, to := math.Log10(lo), math.Log10(hi)
		pad := max((to-from)*0.04, 0.02)
		return axis{true, from - pad, to + pad, a, b}
	}
	return axis{false, 0, hi * 1.1, a, b}
}

// ticks are the values that get a line and a number: powers of ten, with 2 and
// 5 between them where there are few, or round steps from 0.
func (x axis) ticks() []float64 {
	var list []float64
	if !x.log {
		step := math.Pow(10, math.Floor(math.Log10(x.to/4)))
		for _, times := range []float64{1, 2, 5, 10} {
			if x.to/(step*times) <= 6 {
				step *= times
				break
			}
		}
		for n := 0; float64(n)*step <= x.to; n++ {
			list = append(list, float64(n)*step)
		}
		return list
	}
	between := []float64{1}
	if x.to-x.from < 2.2 {
		between = []float64{1, 2, 5}
	}
	for e := math.Floor(x.from); e <= x.to; e++ {
		for _, m := range between {
			if v := m * math.Pow(10, e); math.Log10(v) >= x.from && math.Log10(v) <= x.to {
				list = append(list, v)
			}
		}
	}
	return list
}

// number writes a tick's value as short as can be.
func number(v float64) string {
	for _, unit := range []struct {
		size float64
		sign string
	}{{1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return strconv.FormatFloat(v/unit.size, 'g', 3, 64) + unit.sign
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func drawPanel(b *bytes.Buffer, c *curve) {
	loX, hiX, loY, hiY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, l := range c.Lines {
		for _, p := range l.Points {
			loX, hiX = min(loX, p[0]), max(hiX, p[0])
			loY, hiY = min(loY, p[1]), max(hiY, p[1])
		}
	}
	if hiX == 0 || hiY == 0 {
		return
	}
	x := newAxis(!c.FlatX, loX, hiX, left, panelWide-right)
	y := newAxis(!c.FlatY, loY, hiY, panelHigh-bottom, top)
	fmt.Fprintf(b, `<text x="%.0f" y="22" font-size="15" fill="#111">%s</text>`+"\n", left, c.Name)
	for _, v := range y.ticks() {
		at := y.at(v)
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#e3e6e8"/><text x="%.1f" y="%.1f" text-anchor="end" fill="#444">%s</text>`+"\n",
			left, at, panelWide-right, at, left-6, at+4, number(v))
	}
	for _, v := range x.ticks() {
		at := x.at(v)
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#e3e6e8"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#444">%s</text>`+"\n",
			at, top, at, panelHigh-bottom, at, panelHigh-bottom+16, number(v))
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="#444">%s</text>`+"\n", (left+panelWide-right)/2, panelHigh-12, c.X)
	fmt.Fprintf(b, `<text x="16" y="%.1f" text-anchor="middle" fill="#444" transform="rotate(-90 16 %.1f)">%s</text>`+"\n", (top+panelHigh-bottom)/2, (top+panelHigh-bottom)/2, c.Y)
	legend := left
	for i, l := range c.Lines {
		colour := colours[i%len(colours)]
		var places bytes.Buffer
		for _, p := range l.Points {
			fmt.Fprintf(&places, "%.1f,%.1f ", x.at(p[0]), y.at(p[1]))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x.at(p[0]), y.at(p[1]), colour)
		}
		fmt.Fprintf(b, "\n"+`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", bytes.TrimSpace(places.Bytes()), colour)
		fmt.Fprintf(b, `<line x1="%.1f" y1="40" x2="%.1f" y2="40" stroke="%s" stroke-width="3"/><text x="%.1f" y="44" fill="#222">%s</text>`+"\n", legend, legend+16, colour, legend+21, l.Name)
		legend += 21 + 8*float64(len(l.Name)) + 12
	}
}
