package expression

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// everything are words with which all that the page shows can be written.
func everything() *Words {
	w := words()
	w.Totals = TotalNames
	return w
}

// TestDocumentedExpressions compiles every line that docs/expressions.md shows.
func TestDocumentedExpressions(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "expressions.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```expressions\n(.*?)^```$").FindSubmatch(text)
	if block == nil {
		t.Fatal("the page shows no expressions")
	}
	for line := range strings.Lines(string(block[1])) {
		if _, _, problems := Compile(strings.TrimSpace(line), []Type{Flag, Text, Number, Money}, everything()); len(problems) > 0 {
			t.Errorf("%s: %+v", line, problems)
		}
	}
	for _, name := range append(append([]string{}, nouns...), callable...) {
		if !strings.Contains(string(text), "`"+name) && !strings.Contains(string(text), "in "+name) && !strings.Contains(string(text), name+"`") {
			t.Errorf("the page does not say what %s is", name)
		}
	}
}

// sum is an expression with its exact value.
type sum struct {
	text  string
	value *big.Rat
}

// someSum makes an expression of literals and amounts at random.
func someSum(r *rand.Rand, values map[string]any, depth int) sum {
	if depth == 0 || r.IntN(4) == 0 {
		units, places := r.Int64N(1e9)-5e8, r.IntN(4)
		literal := string(DecimalOf(units, -places).Append(nil))
		value, _ := new(big.Rat).SetString(literal)
		path := fmt.Sprintf("p%d", len(values))
		values[of(BodyMoney, path)] = literal
		return sum{fmt.Sprintf("money(%q)", path), value}
	}
	a, b := someSum(r, values, depth-1), someSum(r, values, depth-1)
	switch r.IntN(5) {
	case 0:
		return sum{"(" + a.text + " - " + b.text + ")", new(big.Rat).Sub(a.value, b.value)}
	case 1:
		factor := r.Int64N(2000)
		value := new(big.Rat).Mul(a.value, big.NewRat(factor, 1000))
		return sum{fmt.Sprintf("(%s * %d.%03d)", a.text, factor/1000, factor%1000), value}
	case 2:
		if a.value.Cmp(b.value) > 0 {
			return sum{"max(" + a.text + ", " + b.text + ")", a.value}
		}
		return sum{"max(" + a.text + ", " + b.text + ")", b.value}
	}
	return sum{"(" + a.text + " + " + b.text + ")", new(big.Rat).Add(a.value, b.value)}
}

// TestMoneyIsExact holds sums, differences and products of amounts against
// rational numbers, and comparisons against theirs.
func TestMoneyIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 4))
	for range 400 {
		values := map[string]any{}
		a, b := someSum(r, values, 3), someSum(r, values, 2)
		run := func(source string, want Type) Value {
			p, _, problems := Compile(source, []Type{want}, words())
			if p == nil {
				t.Fatalf("%s: %+v", source, problems)
			}
			v, err := p.Run(&sale{p.Reads, values, 6})
			if err != nil {
				t.Fatalf("%s: %v", source, err)
			}
			return v
		}
		got, _ := new(big.Rat).SetString(string(run("round("+a.text+")", Money).Decimal.Append(nil)))
		off := new(big.Rat).Sub(got, a.value)
		if off.Abs(off).Cmp(big.NewRat(1, 2e6)) > 0 {
			t.Fatalf("%s is %s, not %s", a.text, got.FloatString(9), a.value.FloatString(9))
		}
		if v := run(a.text+" < "+b.text, Flag); v.Flag != (a.value.Cmp(b.value) < 0) {
			t.Fatalf("%s < %s is %v", a.text, b.text, v.Flag)
		}
		if v := run(a.text+" == "+a.text+" + 0.0", Flag); !v.Flag {
			t.Fatalf("%s is not itself", a.text)
		}
	}
}

// FuzzExpression compiles and runs any text: nothing panics, what compiles ends
// with a value of its type or an error of ours, and the error holds no value.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{
		`total > 500 and method == "POST"`, `"clinical" in classes`, `count("retail") + " articles"`, `round(total * 0.015)`,
		`has("coupon") and text("coupon") matches "^[A-Z]+$"`, `flag("gift") ? total : 0`, `text("payment.method") in ["a", "b"]`,
		`((((1))))`, `let x = 1; x`, `map(1..9, # * 2)`, `$env["x"]`, `"\u{10ffff}"`, `1_000.50 - -2`, `not not flag("gift")`, "total\n>\t5 // why",
		`a?.b ?? c | d`, `b"x" == "x"`, `0b1 + 0o7`, `"a" + 1 + total + "b"`,
	} {
		f.Add(s)
	}
	values := map[string]any{}
	for k, v := range sampleValues {
		values[k] = v
	}
	values[of(BodyText, "payment.method")] = "secret-value"
	f.Fuzz(func(t *testing.T, source string) {
		p, reads, problems := Compile(source, []Type{Flag, Text, Number, Money}, everything())
		if (p == nil) != (len(problems) > 0) {
			t.Fatalf("program %v, %+v", p != nil, problems)
		}
		for _, q := range problems {
			if q.At < 0 || q.At > len([]rune(source)) || q.Code == "" || q.Message == "" {
				t.Fatalf("%+v", q)
			}
		}
		if p == nil {
			return
		}
		v, err := p.Run(&sale{reads, values, 2})
		switch {
		case err != nil && (strings.Contains(err.Error(), "secret-value") || err == ErrFault):
			t.Fatalf("%q: %v", source, err)
		case err == nil && v.Type != p.Type:
			t.Fatalf("%q is %v, not %v", source, v.Type, p.Type)
		case err == nil && (v.Type == Number || v.Type == Money) && strings.ContainsAny(string(v.Decimal.Append(nil)), "eENI"):
			t.Fatalf("%q is written %s", source, v.Decimal.Append(nil))
		}
	})
}
