package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// words are those of a leg of the sample sale.
func words() *Words {
	return &Words{
		Basket: true, Classes: []string{"clinical", "retail"}, Currency: true, Totals: []string{"subtotal", "tax", "total"}, Shares: true, Amount: true,
		Method: "POST", Route: "checkout", Callers: []string{"front-desk", "web"}, Headers: []string{"X-Store"}, Query: []string{"store"},
		Suggest: func(name string, known []string) string {
			for _, k := range known {
				if len(k) == len(name) && strings.EqualFold(k[:1], name[:1]) {
					return "did you mean " + k + "?"
				}
			}
			return ""
		},
	}
}

// sale is a Source of fixed values, by what is read.
type sale struct {
	reads  []Read
	values map[string]any // by the key of the read
	places int
}

func key(r Read) string { return strings.Trim(fmt.Sprintf("%d:%s:%s", r.Kind, r.Name, r.Class), ":") }

var errNone = &Missing{"it is not there"}

func (s *sale) get(i int) (any, error) {
	if v, ok := s.values[key(s.reads[i])]; ok {
		return v, nil
	}
	return nil, errNone
}

func (s *sale) Text(i int) (string, error) {
	v, err := s.get(i)
	if err != nil {
		return "", err
	}
	return v.(string), nil
}

func (s *sale) Decimal(i int) (*Decimal, error) {
	v, err := s.get(i)
	if err != nil {
		return nil, err
	}
	return parseDecimal(v.(string))
}

func (s *sale) Flag(i int) (bool, error) {
	v, err := s.get(i)
	if err != nil {
		return false, err
	}
	return v.(bool), nil
}

func (s *sale) Places() (int, error) { return s.places, nil }

func of(kind Kind, name string, class ...string) string {
	r := Read{Kind: kind, Name: name}
	if len(class) > 0 {
		r.Class = class[0]
	}
	return key(r)
}

var sampleValues = map[string]any{
	of(BodyText, "payment.method"): "card", of(BodyText, "note"): "  For HER  ", of(BodyNumber, "age"): "41", of(BodyNumber, "dose"): "0.1",
	of(BodyMoney, "tip"): "12.50", of(BodyFlag, "gift"): true, of(BodyHas, "coupon"): false, of(BodyHas, "note"): true,
	of(Total, "total"): "627.00", of(Total, "tax"): "27.00", of(ClassTotal, "total", "clinical"): "500.00", of(ClassTotal, "total", "retail"): "127.00",
	of(Amount, ""): "100.00", of(ClassAmount, "", "retail"): "20.25",
	of(Items, ""): "3", of(ClassItems, "", "clinical"): "1", of(ClassItems, "", "retail"): "2",
	of(ClassPresent, "", "clinical"): true, of(ClassPresent, "", "retail"): true,
	of(Currency, ""): "USD", of(Caller, ""): "front-desk", of(HeaderText, "X-Store"): "7", of(HeaderPresent, "X-Store"): true,
	of(QueryText, "store"): "north", of(QueryPresent, "store"): false,
}

func TestRun(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"an amount above another", `total > 500`, "true"},
		{"an amount and its decimals", `total == 627`, "true"},
		{"an amount below", `total < 626.995`, "false"},
		{"the example of the language", `total > 500 and method == "POST"`, "true"},
		{"not", `not (total > 500)`, "false"},
		{"signs for words", `!(total > 500) || items >= 3 && true`, "true"},
		{"a class is there", `"clinical" in classes`, "true"},
		{"a class is not there", `"clinical" not in classes`, "false"},
		{"items of a class", `count("retail") == items - count("clinical")`, "true"},
		{"the part of a class", `total("clinical") + total("retail") == total`, "true"},
		{"the part of a class in an amount that follows a sale", `amount - amount("retail") == 79.75`, "true"},
		{"a text", `text("payment.method") == "card"`, "true"},
		{"one of some texts", `text("payment.method") in ["cash", "card"]`, "true"},
		{"none of some texts", `text("payment.method") not in ["cash", "cheque"]`, "true"},
		{"one of some numbers", `number("age") in [40, 41.0]`, "true"},
		{"an amount among some", `total in [626, 627]`, "true"},
		{"letters of any size", `lower(trim(text("note"))) == "for her"`, "true"},
		{"upper", `upper("a") == "A"`, "true"},
		{"contains", `text("note") contains "HER"`, "true"},
		{"startsWith", `text("payment.method") startsWith "ca"`, "true"},
		{"endsWith", `not (text("payment.method") endsWith "rd")`, "false"},
		{"not contains", `text("note") not contains "him"`, "true"},
		{"matches", `text("payment.method") matches "^c[a-z]+$"`, "true"},
		{"a flag", `flag("gift") and not flag("gift") == false`, "true"},
		{"what is not there is asked for first", `has("coupon") and text("coupon") == "X"`, "false"},
		{"what is not there is not read behind or", `has("note") or text("coupon") == "X"`, "true"},
		{"three tenths are three tenths", `number("dose") + 0.2 == 0.3`, "true"},
		{"a great number is exact", `number("age") * 100000000000000000 + 1 == 4100000000000000001`, "true"},
		{"a product of an amount", `total * 2 == 1254`, "true"},
		{"min and max", `max(min(total, 100), 7) == 100`, "true"},
		{"abs", `abs(10 - number("age")) == 31`, "true"},
		{"round half to even", `round(2.5) == 2 and round(3.5) == 4 and round(-2.5) == -2`, "true"},
		{"the caller", `caller == "front-desk"`, "true"},
		{"the route", `route == "checkout"`, "true"},
		{"the currency", `currency != "EUR"`, "true"},
		{"a header", `header("x-store") == "7" and has_header("X-Store")`, "true"},
		{"a query member", `query("store") == "north" and not has_query("store")`, "true"},
		{"a choice", `(flag("gift") ? 1 : 2) == 1`, "true"},
		{"a number with separators", `total < 1_000_000`, "true"},
		{"an amount from a path", `money("tip") >= 12.5`, "true"},
		{"over two lines", "total > 500\nand items == 3", "true"},

		{"a computed text", `"Purchase: " + count("retail") + " articles, " + total("retail")`, "Purchase: 2 articles, 127.00"},
		{"a chosen text", `flag("gift") ? "gift" : "sale"`, "gift"},
		{"a text of a text", `text("payment.method") + "/" + currency`, "card/USD"},
		{"a number", `items * 2`, "6"},
		{"a fraction", `number("dose") * 3`, "0.3"},
		{"an amount", `total - tax`, "600.00"},
		{"an amount, rounded", `round(total * 0.015)`, "9.40"}, // 9.405
		{"an amount, rounded up", `round(total * 0.025)`, "15.68"},
		{"a sum of money and a literal", `total + 0.5`, "627.50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, problems := Compile(c.source, []Type{Flag, Text, Number, Money}, words())
			if p == nil {
				t.Fatalf("%+v", problems)
			}
			v, err := p.Run(&sale{p.Reads, sampleValues, 2})
			if err != nil {
				t.Fatal(err)
			}
			got := v.Text
			switch v.Type {
			case Flag:
				got = fmt.Sprint(v.Flag)
			case Number, Money:
				got = string(v.Decimal.Append(nil))
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestUndecided(t *testing.T) {
	for _, c := range []struct {
		name, source string
		want         error
	}{
		{"a value that is not there", `text("coupon") == "X"`, errNone},
		{"it is reached by and", `total > 1 and text("coupon") == "X"`, errNone},
		{"an amount that is not there", `total > money("deposit")`, errNone},
		{"more digits than are exact", `number("dose") * 100000000000000001 * 100000000000000001 * 100000000000000001 > 1`, ErrRange},
		{"a text that grows too long", strings.Repeat(`text("long") + `, 3) + `"" == ""`, ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, problems := Compile(c.source, []Type{Flag}, words())
			if p == nil {
				t.Fatalf("%+v", problems)
			}
			values := map[string]any{of(BodyText, "long"): strings.Repeat("x", MaxText/2+1)}
			for k, v := range sampleValues {
				values[k] = v
			}
			_, err := p.Run(&sale{p.Reads, values, 2})
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "xxx") {
				t.Error("the error holds a value")
			}
		})
	}
}

func TestProblems(t *testing.T) {
	minor := words()
	minor.Minor = true
	bare := &Words{Method: "GET", Route: "ping"}
	for _, c := range []struct {
		name, source string
		words        *Words
		want         []string // column, code
	}{
		{"nothing", ``, nil, []string{"0 expression_syntax"}},
		{"a comparison that is not finished", `total >`, nil, []string{"7 expression_syntax"}},
		{"a single sign", `total = 5`, nil, []string{"6 expression_syntax"}},
		{"words in capitals", `total > 5 AND items > 1`, nil, []string{"10 expression_syntax"}},
		{"no condition", `total`, nil, []string{"0 expression_type"}},
		{"an unknown name", `totel > 5`, nil, []string{"0 expression_unknown"}},
		{"an unknown function", `texxt("a") == "b"`, nil, []string{"0 expression_unknown"}},
		{"several at once", `totel > 5 and caller == "nobody" and count("retial") > 0`, nil, []string{"0 expression_unknown", "24 undefined_caller", "43 undefined_class"}},
		{"a misspelt class", `"clinicel" in classes`, nil, []string{"0 undefined_class"}},
		{"a text beside an amount", `total > "500"`, nil, []string{"0 expression_type"}},
		{"a number beside an amount", `total > number("limit")`, nil, []string{"8 expression_type"}},
		{"a fraction of the smallest coin", `total > 500.50`, minor, []string{"8 money_fraction"}},
		{"a decimal that is whole", `total > 500.0`, minor, nil},
		{"a count beside an amount", `total > count("retail")`, nil, []string{"8 expression_type"}},
		{"an amount times an amount", `total * total > 1`, nil, []string{"0 expression_type"}},
		{"a quotient", `total / 2 > 1`, nil, []string{"6 expression_unsupported"}},
		{"a power", `2 ** 2 > 1`, nil, []string{"2 expression_unsupported"}},
		{"a path that is not in quotes", `patient.name == "x"`, nil, []string{"0 expression_unsupported"}},
		{"a path without quotes in a function", `text(patient.name) == "x"`, nil, []string{"0 expression_type"}},
		{"a loop", `filter([1, 2], # > 1) == 1`, nil, []string{"0 expression_unsupported"}},
		{"a built-in function", `now() == 1`, nil, []string{"0 expression_unknown"}},
		{"a variable", `let x = 1; x > 0`, nil, []string{"4 expression_unsupported"}},
		{"a sequence", `total > 1; total > 2`, nil, []string{"6 expression_unsupported"}},
		{"nil", `text("a") == nil`, nil, []string{"13 expression_unsupported"}},
		{"a list alone", `["a"] == "a"`, nil, []string{"0 expression_unsupported"}},
		{"not of a number", `not total > 5`, nil, []string{"0 expression_type"}},
		{"and of a text", `text("a") and total > 5`, nil, []string{"0 expression_type"}},
		{"greater texts", `text("a") > "b"`, nil, []string{"0 expression_type"}},
		{"a pattern that is not written out", `text("a") matches text("b")`, nil, []string{"18 expression_unsupported"}},
		{"a pattern that is none", `text("a") matches "["`, nil, []string{"18 expression_syntax"}},
		{"a header that is not forwarded", `header("X-Other") == "1"`, nil, []string{"7 expression_not_forwarded"}},
		{"a query member that is not forwarded", `query("Store") == "1"`, nil, []string{"6 expression_not_forwarded"}},
		{"another method", `method == "GET"`, nil, []string{"10 expression_never"}},
		{"another route", `"refund" == route`, nil, []string{"0 expression_never"}},
		{"a total of which the place is not known", `tip > 5`, nil, []string{"0 totals_missing"}},
		{"no basket", `items > 1 and total > 5 and currency == "USD" and "a" in classes and count("a") > 1`, bare, []string{"0 basket_missing", "14 totals_missing", "28 currency_missing", "50 basket_missing", "75 basket_missing"}},
		{"the currency that every sale is in", `currency == "USD"`, &Words{Fixed: "USD"}, nil},
		{"a currency that no sale is in", `currency == "EUR"`, &Words{Fixed: "USD"}, []string{"12 expression_never"}},
		{"no line", `total("a") > 1`, &Words{Basket: true, Classes: []string{"a"}, Totals: TotalNames}, []string{"0 line_missing"}},
		{"no amount", `amount > 1`, bare, []string{"0 expression_unknown"}},
		{"hexadecimal", `total > 0x10`, nil, []string{"8 expression_unsupported"}},
		{"an exponent", `total > 1e3`, nil, []string{"8 expression_unsupported"}},
		{"a nested bracket bomb", strings.Repeat("(", maxSource) + "1", nil, []string{"0 expression_too_large"}},
		{"many parts", strings.Repeat("1+", maxNodes) + "1 > 0", nil, []string{"0 expression_too_large"}},
		{"the library's own names", `$env == 1 or $compare(1, 2) == 0`, nil, []string{"0 expression_unknown", "13 expression_unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.words
			if w == nil {
				w = words()
			}
			p, _, problems := Compile(c.source, []Type{Flag}, w)
			if (p == nil) != (len(problems) > 0) {
				t.Fatalf("program %v, problems %+v", p, problems)
			}
			var got []string
			for _, q := range problems {
				got = append(got, fmt.Sprintf("%d %s", q.At, q.Code))
				if q.Message == "" {
					t.Errorf("%+v says nothing", q)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q\n%+v", got, c.want, problems)
			}
		})
	}
}

func TestWantedTypes(t *testing.T) {
	for _, c := range []struct {
		source string
		want   string
	}{
		{`total * 0.1`, "0 money_not_whole"},
		{`round(total * 0.1)`, ""},
		{`total * items`, ""},
		{`total * 0.5 > 3`, "0 expression_type"},
	} {
		t.Run(c.source, func(t *testing.T) {
			_, _, problems := Compile(c.source, []Type{Text, Number, Money}, words())
			got := ""
			for _, q := range problems {
				got = fmt.Sprintf("%d %s", q.At, q.Code)
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
