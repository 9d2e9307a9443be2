package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// callable are the functions of the language.
var callable = []string{
	"text", "number", "money", "flag", "has", "header", "has_header", "query", "has_query",
	"count", "subtotal", "tax", "tip", "discount", "total", "amount",
	"round", "abs", "min", "max", "lower", "upper", "trim",
}

// nouns are the names of the language that stand without brackets.
var nouns = []string{"items", "classes", "subtotal", "tax", "tip", "discount", "total", "amount", "currency", "caller", "method", "route"}

// ofBody are the functions that read a path.
var ofBody = map[string]Kind{"text": BodyText, "number": BodyNumber, "money": BodyMoney, "flag": BodyFlag, "has": BodyHas}

// ofHead are those that read what a leg forwards of the request's head.
var ofHead = map[string]Kind{"header": HeaderText, "has_header": HeaderPresent, "query": QueryText, "has_query": QueryPresent}

// name checks a word without brackets.
func (w *walker) name(n *ast.IdentifierNode) (ast.Node, info) {
	switch at := n.Location().From; {
	case slices.Contains(TotalNames, n.Value):
		if !slices.Contains(w.words.Totals, n.Value) {
			w.fail(at, "totals_missing", fmt.Sprintf("the policy does not say where the basket's %s is", n.Value), fmt.Sprintf("write basket.totals.%s, or read the amount by money(\"…\")", n.Value))
			return n, info{typ: Money, whole: true}
		}
		return w.read(n, Read{Kind: Total, Name: n.Value, At: at}), info{typ: Money, whole: true}
	case n.Value == "amount":
		w.amount(n)
		return w.read(n, Read{Kind: Amount, At: at}), info{typ: Money, whole: true}
	case n.Value == "items":
		w.basket(n)
		return w.read(n, Read{Kind: Items, At: at}), info{typ: Number, whole: true}
	case n.Value == "classes":
		w.failAt(n, "expression_type", "classes stands behind in alone", `write it as in "clinical" in classes, or count them by count("clinical")`)
		return n, untold
	case n.Value == "currency":
		if w.words.Fixed != "" {
			return placed(n, &ast.StringNode{Value: w.words.Fixed}), info{typ: Text}
		}
		if !w.words.Currency {
			w.failAt(n, "currency_missing", "the policy does not say where the currency is", "write basket.currency, or read it by text(\"…\")")
		}
		return w.read(n, Read{Kind: Currency, At: at}), info{typ: Text}
	case n.Value == "caller":
		return w.read(n, Read{Kind: Caller, At: at}), info{typ: Text}
	case n.Value == "method":
		return placed(n, &ast.StringNode{Value: w.words.Method}), info{typ: Text}
	case n.Value == "route":
		return placed(n, &ast.StringNode{Value: w.words.Route}), info{typ: Text}
	case slices.Contains(callable, n.Value):
		w.failAt(n, "expression_type", fmt.Sprintf("%s needs brackets", n.Value), fmt.Sprintf("write %s(\"…\")", n.Value))
		return n, untold
	}
	w.unknown(n, n.Value, fmt.Sprintf("a value of the body is read by text(%q), number(%q), money(%q), flag(%q) or has(%q)", n.Value, n.Value, n.Value, n.Value, n.Value))
	return n, untold
}

func (w *walker) unknown(n ast.Node, name, hint string) {
	if w.words.Suggest != nil {
		if nearest := w.words.Suggest(name, slices.Concat(nouns, callable)); nearest != "" {
			hint = nearest
		}
	}
	w.failAt(n, "expression_unknown", fmt.Sprintf("%q is no name that an expression can use", name), hint)
}

// basket asks for one in the policy.
func (w *walker) basket(n ast.Node) bool {
	if !w.words.Basket {
		w.failAt(n, "basket_missing", "the policy has no basket, so there are no items and classes", "write the basket: where the items are, and their classes")
	}
	return w.words.Basket
}

func (w *walker) amount(n ast.Node) {
	if !w.words.Amount {
		w.failAt(n, "expression_unknown", "the route has no amount that is split as a sale was", `read the value by money("…"), or write follows: {amount: …} on the route`)
	}
}

// call checks a function.
func (w *walker) call(n *ast.CallNode) (ast.Node, info) {
	id, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		w.failAt(n, "expression_unsupported", "this is not part of the language of expressions", "the functions are: "+strings.Join(callable, ", "))
		return n, untold
	}
	name := id.Value
	if kind, ok := ofBody[name]; ok {
		is := info{typ: kind.Type(), whole: kind == BodyMoney}
		path, ok := w.constant(n, name, "the path of a value, as in "+name+`("payment.method")`)
		if !ok {
			return n, is
		}
		return w.read(n, Read{Kind: kind, Name: path, At: w.beginning(n.Arguments[0]) + 1}), is
	}
	if kind, ok := ofHead[name]; ok {
		return w.head(n, name, kind)
	}
	switch {
	case name == "count":
		if class, ok := w.argumentClass(n, name); ok {
			return w.read(n, Read{Kind: ClassItems, Class: class, At: n.Location().From}), info{typ: Number, whole: true}
		}
		return n, info{typ: Number, whole: true}
	case slices.Contains(TotalNames, name):
		return w.share(n, name)
	case name == "amount":
		w.amount(n)
		if class, ok := w.argumentClass(n, name); ok {
			return w.read(n, Read{Kind: ClassAmount, Class: class, At: n.Location().From}), info{typ: Money, whole: true}
		}
		return n, info{typ: Money, whole: true}
	case slices.Contains(callable, name):
		return w.compute(n, name)
	case slices.Contains(nouns, name):
		w.failAt(n, "expression_type", fmt.Sprintf("%s stands without brackets", name), "remove them")
		return n, untold
	}
	w.unknown(n, name, "the functions are: "+strings.Join(callable, ", "))
	return n, untold
}

// constant returns the one argument of a function, a text that is written out.
func (w *walker) constant(n *ast.CallNode, name, what string) (string, bool) {
	if len(n.Arguments) == 1 {
		if s, ok := n.Arguments[0].(*ast.StringNode); ok && s.Value != "" {
			return s.Value, true
		}
	}
	hint := fmt.Sprintf("write it in quotes, as in %s(\"…\")", name)
	if len(n.Arguments) == 1 {
		if path, ok := dotted(n.Arguments[0]); ok {
			hint = fmt.Sprintf("write it in quotes: %s(%q)", name, path)
		}
	}
	w.failAt(n, "expression_type", fmt.Sprintf("%s needs %s", name, what), hint)
	return "", false
}

// className reads the name of a class.
func (w *walker) className(n ast.Node, of string) (string, bool) {
	if !w.basket(n) {
		return "", false
	}
	s, ok := n.(*ast.StringNode)
	if !ok {
		w.failAt(n, "expression_type", of+" is about a class of items, by its name in quotes", "the classes are: "+strings.Join(w.words.Classes, ", "))
		return "", false
	}
	if !slices.Contains(w.words.Classes, s.Value) {
		w.failAt(n, "undefined_class", fmt.Sprintf("there is no class %q", s.Value), w.suggest(s.Value, w.words.Classes))
		return "", false
	}
	return s.Value, true
}

func (w *walker) argumentClass(n *ast.CallNode, name string) (string, bool) {
	if len(n.Arguments) != 1 {
		w.failAt(n, "expression_type", name+" needs a class of items, by its name in quotes", fmt.Sprintf("write it as in %s(\"…\")", name))
		return "", false
	}
	return w.className(n.Arguments[0], name)
}

// share checks the part of a class in one of the basket's amounts.
func (w *walker) share(n *ast.CallNode, name string) (ast.Node, info) {
	is := info{typ: Money, whole: true}
	class, ok := w.argumentClass(n, name)
	if !ok {
		return n, is
	}
	if !w.words.Shares {
		w.failAt(n, "line_missing", "the policy does not say where an item's amounts are, so no class's part is known", "write basket.line")
		return n, is
	}
	return w.read(n, Read{Kind: ClassTotal, Name: name, Class: class, At: n.Location().From}), is
}

// head checks what is read of the request besides its body.
func (w *walker) head(n *ast.CallNode, name string, kind Kind) (ast.Node, info) {
	is := info{typ: kind.Type()}
	field, ok := w.constant(n, name, "the name of one that the leg forwards")
	if !ok {
		return n, is
	}
	known, block := w.words.Headers, "headers"
	if kind == QueryText || kind == QueryPresent {
		known, block = w.words.Query, "query"
	}
	i := slices.IndexFunc(known, func(k string) bool {
		return k == field || block == "headers" && strings.EqualFold(k, field)
	})
	if i < 0 {
		w.failAt(n.Arguments[0], "expression_not_forwarded", fmt.Sprintf("the leg does not forward %q", field), fmt.Sprintf("write it under forward: {%s: […]}; an expression reads nothing that the leg may not carry", block))
		return n, is
	}
	return w.read(n, Read{Kind: kind, Name: known[i], At: w.beginning(n.Arguments[0]) + 1}), is
}

// compute checks the functions that compute.
func (w *walker) compute(n *ast.CallNode, name string) (ast.Node, info) {
	var args []ast.Node
	var are []info
	for _, a := range n.Arguments {
		lowered, is := w.expression(a)
		args, are = append(args, lowered), append(are, is)
	}
	wants := 1
	if name == "min" || name == "max" {
		wants = 2
	}
	if len(args) != wants {
		w.failAt(n, "expression_type", fmt.Sprintf("%s needs %d value(s) in its brackets", name, wants), "")
		return n, untold
	}
	for i, is := range are {
		texts := name == "lower" || name == "upper" || name == "trim"
		switch {
		case is.typ == Untold:
			return n, untold
		case texts && is.typ != Text:
			w.failAt(n.Arguments[i], "expression_type", fmt.Sprintf("%s takes a text, and this is %s", name, is.typ), "")
			return n, untold
		case !texts && !is.numeric():
			w.failAt(n.Arguments[i], "expression_type", fmt.Sprintf("%s takes numbers and amounts, and this is %s", name, is.typ), "")
			return n, untold
		}
	}
	is := are[0]
	switch name {
	case "round":
		is.whole, is.literal, is.fraction = true, false, false
		if is.typ == Money {
			return w.lower(n, fnRoundMoney, environment(n), args[0]), is
		}
		return w.lower(n, fnRound, args[0]), is
	case "min", "max":
		w.alike(&ast.BinaryNode{Left: n.Arguments[0], Right: n.Arguments[1]}, are[0], are[1], "compared")
		a, b := are[0], are[1]
		is = info{typ: Number, literal: a.literal && b.literal, fraction: a.fraction || b.fraction, whole: a.whole && b.whole}
		if a.typ == Money || b.typ == Money {
			is.typ, is.whole = Money, a.units() && b.units()
		}
	}
	return w.lower(n, name, args...), is
}
