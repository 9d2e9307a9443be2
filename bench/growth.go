package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"chaperone/bench/peers"
)

// The curves that have a budget.
const (
	nameBody  = "size of the body"
	nameDepth = "depth of nesting, 64 kB"
	nameRules = "path rules"
	nameWords = "words of the catalogue"
)

// curve is how something grows with something else.
type curve struct {
	Name string `json:"name"`
	X    string `json:"x"`
	Y    string `json:"y"`
	// Axes are logarithmic unless these say that they begin at 0.
	FlatX bool   `json:"-"`
	FlatY bool   `json:"-"`
	Lines []line `json:"lines"`
}

// line is one thing's points: x and the median of y.
type line struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

// slope is the line's exponent between its first and last point: 1 is linear.
func (l line) slope() float64 {
	if len(l.Points) < 2 {
		return 0
	}
	a, b := l.Points[0], l.Points[len(l.Points)-1]
	return math.Log(b[1]/a[1]) / math.Log(b[0]/a[0])
}

// factor is the last point in first ones.
func (l line) factor() float64 {
	if len(l.Points) == 0 {
		return 0
	}
	return l.Points[len(l.Points)-1][1] / l.Points[0][1]
}

// growth measures all curves.
func (r *rig) growth(ctx context.Context) ([]*curve, error) {
	var curves []*curve
	for _, measure := range []func(ctx context.Context) (*curve, error){r.byBody, r.byDepth, r.byRules, r.byWords, r.byLegs, r.byConnections} {
		c, err := measure(ctx)
		if err != nil {
			return curves, err
		}
		curves = append(curves, c)
	}
	return curves, nil
}

// upTo leaves the largest out of a quick look.
func (r *rig) upTo(n ...int) []int {
	if r.short {
		return n[:len(n)-2]
	}
	return n
}

// point is one that is to be measured: what is called, and its x.
type point struct {
	line string
	x    float64
	unit float64 // divides the nanoseconds
	call func() error
}

// fill measures points in turns, so that what the machine does besides falls
// on all of them, and puts the medians on the curve's lines. Points of a line
// come in the order of x; one whose predecessor took very long is left out.
func (r *rig) fill(ctx context.Context, c *curve, points []point) (*curve, error) {
	turns, each := 7, 10*time.Millisecond
	if r.short {
		turns, each = 3, 2*time.Millisecond
	}
	const tooLong = 150 * time.Millisecond
	took := make([][]float64, len(points))
	slow := map[string]int{} // by line: the first point that is left out
	for range turns {
		for i, p := range points {
			if at, ok := slow[p.line]; ok && i >= at {
				continue
			}
			ns, err := repeat(each, p.call)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, fmt.Errorf("%s, %s at %v: %w", c.Name, p.line, p.x, err)
			}
			took[i] = append(took[i], ns/p.unit)
			if ns > float64(tooLong) {
				slow[p.line] = i + 1
			}
		}
	}
	for i, p := range points {
		if len(took[i]) == 0 {
			continue
		}
		n := len(c.Lines)
		if n == 0 || c.Lines[n-1].Name != p.line {
			c.Lines, n = append(c.Lines, line{Name: p.line}), n+1
		}
		c.Lines[n-1].Points = append(c.Lines[n-1].Points, [2]float64{p.x, statOf(took[i]).Median})
	}
	return c, nil
}

func editing(edit peers.Edit, body []byte) func() error {
	return func() error { _, err := edit(body); return err }
}

const perLeg = "µs for a leg"

// byBody has ever more items in the basket.
func (r *rig) byBody(ctx context.Context) (*curve, error) {
	e, err := compilePolicy(rulesTemplate)
	if err != nil {
		return nil, err
	}
	var points []point
	for _, p := range []struct {
		name string
		edit peers.Edit
	}{{"engine", withEngine(e, routeTokenize, 1)}, {"encoding/json", peers.Standard}, {"gjson+sjson", peers.GJSON}} {
		for _, times := range r.upTo(1, 4, 16, 64, 256, 1024, 4096, 16384) {
			body := manyItems(times)
			points = append(points, point{p.name, float64(len(body)) / 1000, 1000, editing(p.edit, body)})
		}
	}
	return r.fill(ctx, &curve{Name: nameBody, X: "kB", Y: perLeg}, points)
}

// byDepth has bodies of about 64 kB whose values stand ever deeper.
func (r *rig) byDepth(ctx context.Context) (*curve, error) {
	e, err := compilePolicy(rulesTemplate)
	if err != nil {
		return nil, err
	}
	var points []point
	for _, p := range []struct {
		name string
		edit peers.Edit
	}{{"engine", withEngine(e, routeTokenize, 1)}, {"encoding/json", peers.Standard}} {
		for _, depth := range r.upTo(2, 8, 32, 128, 512, 2048, 8192) {
			body := nested(64<<10, depth)
			points = append(points, point{p.name, float64(depth), float64(len(body)), editing(p.edit, body)})
		}
	}
	return r.fill(ctx, &curve{Name: nameDepth, X: "levels", Y: "ns for a byte", FlatY: true}, points)
}

// nested makes an object of about n bytes, of chains of containers so deep.
func nested(n, depth int) []byte {
	chain := strings.Repeat(`{"section":`, depth) + `"text of a field"` + strings.Repeat(`}`, depth)
	var b bytes.Buffer
	b.WriteString(`{"transaction_id":"IDIDIDIDIDID"`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `,"f%d":%s`, i, chain)
	}
	b.WriteString(`}`)
	return b.Bytes()
}

// withEdit compiles the policy with a part of it replaced.
func withEdit(old, new string) (peers.Edit, error) {
	if bytes.Count(rulesTemplate, []byte(old)) != 1 {
		return nil, fmt.Errorf("%q does not stand once in the policy", old)
	}
	e, err := compilePolicy(bytes.Replace(rulesTemplate, []byte(old), []byte(new), 1))
	if err != nil {
		return nil, err
	}
	return withEngine(e, routeTokenize, 1), nil
}

// phiPaths is where the policy lists paths.
const phiPaths = "paths: [patient, consent,"

// withRules is the policy with n path rules, nearly all of which the body does
// not meet.
func withRules(n int) string {
	var b strings.Builder
	b.WriteString("paths: [")
	for i := range n {
		fmt.Fprintf(&b, "section%d.field%d, ", i%40, i)
	}
	return b.String() + strings.TrimPrefix(phiPaths, "paths: [")
}

func (r *rig) byRules(ctx context.Context) (*curve, error) {
	var points []point
	for _, n := range r.upTo(10, 30, 100, 300, 1000, 3000) {
		edit, err := withEdit(phiPaths, withRules(n))
		if err != nil {
			return nil, err
		}
		points = append(points, point{"engine", float64(n), 1000, editing(edit, basket)})
	}
	return r.fill(ctx, &curve{Name: nameRules, X: "rules", Y: perLeg, FlatY: true}, points)
}

// byWords classifies by ever more names of treatments, which the basket's are
// not among.
func (r *rig) byWords(ctx context.Context) (*curve, error) {
	var points []point
	for _, n := range r.upTo(30, 100, 300, 1000, 3000, 10000) {
		var words strings.Builder
		for i := range n {
			fmt.Fprintf(&words, "treatment%d of kind%d, ", i, i%7)
		}
		const rule = "- {category: [injectable, treatment, laser]}"
		edit, err := withEdit(rule, rule+"\n        - {name: ["+strings.TrimSuffix(words.String(), ", ")+"]}")
		if err != nil {
			return nil, err
		}
		points = append(points, point{"engine", float64(n), 1000, editing(edit, basket)})
	}
	return r.fill(ctx, &curve{Name: nameWords, X: "words", Y: perLeg, FlatY: true}, points)
}

// byLegs scans once, and decides and renders ever more legs.
func (r *rig) byLegs(ctx context.Context) (*curve, error) {
	const most = 16
	var to, legs strings.Builder
	for i := range most {
		fmt.Fprintf(&to, "  copy%d: {url: http://STUB/ledger, sees: {pan: mask}}\n", i)
		if i > 0 {
			fmt.Fprintf(&legs, "      - {to: copy%d, keep: all}\n", i)
		}
	}
	policy := strings.Replace(string(rulesTemplate), "\ncallers:", "\n"+to.String()+"\ncallers:", 1) + fmt.Sprintf(`
  - name: many
    match: {method: POST, path: /many}
    idempotency: {key: transaction_id}
    legs:
      - {to: copy0, primary: true, keep: all, success: http}
%s`, legs.String())
	e, err := compilePolicy([]byte(policy))
	if err != nil {
		return nil, err
	}
	var points []point
	for n := 1; n <= most; n *= 2 {
		points = append(points, point{"engine", float64(n), 1000, editing(withEngine(e, len(e.Plan().Routes)-1, n), basket)})
	}
	return r.fill(ctx, &curve{Name: "legs", X: "legs", Y: "µs for a request", FlatX: true, FlatY: true}, points)
}

// byConnections drives whole proxies.
func (r *rig) byConnections(ctx context.Context) (*curve, error) {
	c := &curve{Name: "connections", X: "connections", Y: "requests/s"}
	list := chosen("tokenize")
	if err := r.serve(ctx, list); err != nil {
		return nil, err
	}
	for _, s := range list {
		c.Lines = append(c.Lines, line{Name: s.name})
	}
	for _, n := range r.upTo(1, 4, 16, 64, 256, 1024) {
		for i, s := range list {
			var rates []float64
			for range min(3, r.settings.rounds) {
				t, err := r.turnOf(ctx, s, load{connections: n, duration: min(r.round, time.Second)})
				if err != nil {
					return nil, fmt.Errorf("%s, %d connections: %w", s.name, n, err)
				}
				rates = append(rates, t.rate())
			}
			c.Lines[i].Points = append(c.Lines[i].Points, [2]float64{float64(n), statOf(rates).Median})
		}
	}
	return c, nil
}
