package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// walker checks an expression and lowers it: to calls of functions for what the
// library has no types for, and to reads by their numbers.
type walker struct {
	words    *Words
	source   []rune
	reads    []Read
	problems []Problem
}

// info is what is known of a part of an expression.
type info struct {
	typ      Type
	literal  bool // of literals alone: it is a number or an amount, as the other side is
	fraction bool // literal: it is not whole
	whole    bool // it is a whole number, or whole minor units
}

// units reports whether it can stand beside whole minor units, so that the two
// make some again. Of a literal that was looked at.
func (is info) units() bool { return is.whole || is.literal }

var untold = info{}

// numeric reports whether it can be computed with.
func (is info) numeric() bool { return is.typ == Number || is.typ == Money }

// expression checks a part, and returns what it is lowered to.
func (w *walker) expression(n ast.Node) (ast.Node, info) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n, info{typ: Flag}
	case *ast.StringNode:
		return n, info{typ: Text}
	case *ast.IntegerNode, *ast.FloatNode:
		return w.number(n)
	case *ast.IdentifierNode:
		return w.name(n)
	case *ast.CallNode:
		return w.call(n)
	case *ast.UnaryNode:
		return w.unary(n)
	case *ast.BinaryNode:
		return w.binary(n)
	case *ast.ConditionalNode:
		return w.choice(n)
	case *ast.MemberNode:
		if path, ok := dotted(n); ok {
			w.failAt(n, "expression_unsupported", fmt.Sprintf("a value of the body is read by its path in quotes, and %s is none", path),
				fmt.Sprintf("write text(%q), number(%q), money(%q), flag(%q) or has(%q)", path, path, path, path, path))
			return n, untold
		}
	case *ast.NilNode:
		w.failAt(n, "expression_unsupported", "there is no nil", `ask whether a value is there by has("…")`)
		return n, untold
	case *ast.ArrayNode:
		w.failAt(n, "expression_unsupported", "a list may stand only behind in", `write it as in text("status") in ["new", "open"]`)
		return n, untold
	}
	w.failAt(n, "expression_unsupported", "this is not part of the language of expressions", "the language has comparisons, + - *, and or not, in, and the functions of docs/expressions.md")
	return n, untold
}

// dotted writes a chain of names as a path.
func dotted(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value, true
	case *ast.MemberNode:
		before, ok := dotted(n.Node)
		switch p := n.Property.(type) {
		case *ast.StringNode:
			return before + "." + p.Value, ok
		case *ast.IntegerNode:
			return before + "." + strconv.Itoa(p.Value), ok
		}
	}
	return "", false
}

// number takes a literal from the text itself: the library's is a float.
func (w *walker) number(n ast.Node) (ast.Node, info) {
	at := n.Location().From
	end := at
	for end < len(w.source) && (w.source[end] >= '0' && w.source[end] <= '9' || w.source[end] == '.' || w.source[end] == '_') {
		end++
	}
	text := strings.ReplaceAll(string(w.source[at:end]), "_", "")
	if end < len(w.source) && (w.source[end]|0x20 >= 'a' && w.source[end]|0x20 <= 'z') {
		w.failAt(n, "expression_unsupported", "numbers are written in decimal digits", "write it out, as in 1500 or 12.50")
		return n, untold
	}
	x, err := parseDecimal(text)
	if err != nil {
		w.failAt(n, "expression_unsupported", "the number has too many digits", "")
		return n, untold
	}
	whole := x.whole()
	return constant(n, x), info{typ: Number, literal: true, fraction: !whole, whole: whole}
}

// unary checks not and a sign.
func (w *walker) unary(n *ast.UnaryNode) (ast.Node, info) {
	operand, is := w.expression(n.Node)
	switch n.Operator {
	case "not", "!":
		if is.typ != Untold && is.typ != Flag {
			w.failAt(n, "expression_type", fmt.Sprintf("not is about true or false, and this is %s", is.typ), `put the comparison into brackets, as in not (total > 500)`)
			return n, untold
		}
		return placed(n, &ast.UnaryNode{Operator: "not", Node: operand}), info{typ: Flag}
	}
	if is.typ != Untold && !is.numeric() {
		w.failAt(n, "expression_type", fmt.Sprintf("%s has no sign", is.typ), "")
		return n, untold
	}
	if n.Operator == "+" {
		return operand, is
	}
	return w.lower(n, fnSubtract, constant(n, DecimalOf(0, 0)), operand), is
}

// binary checks an operation of two parts.
func (w *walker) binary(n *ast.BinaryNode) (ast.Node, info) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		return w.logic(n)
	case "==", "!=", "<", "<=", ">", ">=":
		return w.comparison(n)
	case "+", "-", "*":
		return w.arithmetic(n)
	case "in":
		return w.in(n)
	case "contains", "startsWith", "endsWith":
		left, l := w.expression(n.Left)
		right, r := w.expression(n.Right)
		w.textual(n.Left, l, n.Operator)
		w.textual(n.Right, r, n.Operator)
		return placed(n, &ast.BinaryNode{Operator: n.Operator, Left: left, Right: right}), info{typ: Flag}
	case "matches":
		return w.matches(n)
	}
	hint := "the language has + - * and comparisons"
	if n.Operator == "/" || n.Operator == "%" {
		hint = "a quotient is seldom exact: multiply the other side, as in total > 2 * tip"
	}
	w.fail(n.Location().From, "expression_unsupported", fmt.Sprintf("there is no operator %s", n.Operator), hint)
	w.expression(n.Left)
	w.expression(n.Right)
	return n, untold
}

// textual asks that one side of a comparison of texts is one.
func (w *walker) textual(n ast.Node, is info, operator string) {
	if is.typ != Untold && is.typ != Text {
		w.failAt(n, "expression_type", fmt.Sprintf("%s compares texts, and this is %s", operator, is.typ), "")
	}
}

func (w *walker) logic(n *ast.BinaryNode) (ast.Node, info) {
	operator := map[string]string{"&&": "and", "||": "or"}[n.Operator]
	if operator == "" {
		operator = n.Operator
	}
	left, l := w.expression(n.Left)
	right, r := w.expression(n.Right)
	for _, side := range []struct {
		n  ast.Node
		is info
	}{{n.Left, l}, {n.Right, r}} {
		if side.is.typ != Untold && side.is.typ != Flag {
			w.failAt(side.n, "expression_type", fmt.Sprintf("%s joins conditions, and this is %s", operator, side.is.typ), "compare it with something, as in == or >")
		}
	}
	return placed(n, &ast.BinaryNode{Operator: operator, Left: left, Right: right}), info{typ: Flag}
}

func (w *walker) comparison(n *ast.BinaryNode) (ast.Node, info) {
	left, l := w.expression(n.Left)
	right, r := w.expression(n.Right)
	flag := info{typ: Flag}
	if l.typ == Untold || r.typ == Untold {
		return n, flag
	}
	if l.numeric() && r.numeric() {
		w.alike(n, l, r, "compared")
		order := w.lower(n, fnCompare, left, right)
		return placed(n, &ast.BinaryNode{Operator: n.Operator, Left: order, Right: placed(n, &ast.IntegerNode{Value: 0})}), flag
	}
	same := n.Operator == "==" || n.Operator == "!="
	switch {
	case l.typ != r.typ:
		hint := ""
		if l.typ == Text && r.numeric() || r.typ == Text && l.numeric() {
			hint = `read the value by number("…") or money("…"), and write the number without quotes`
		}
		w.failAt(n, "expression_type", fmt.Sprintf("%s cannot be compared with %s", l.typ, r.typ), hint)
	case !same:
		w.failAt(n, "expression_type", fmt.Sprintf("%s is not greater or less than another", l.typ), "compare by == or !=")
	case l.typ == Text:
		w.known(n.Left, n.Right)
		w.known(n.Right, n.Left)
	}
	return placed(n, &ast.BinaryNode{Operator: n.Operator, Left: left, Right: right}), flag
}

// alike asks that an amount is not put beside a number that is none.
func (w *walker) alike(n *ast.BinaryNode, l, r info, what string) {
	for _, side := range []struct {
		n        ast.Node
		is, with info
	}{{n.Left, l, r}, {n.Right, r, l}} {
		switch {
		case side.with.typ != Money || side.is.typ == Money:
		case !side.is.literal:
			w.failAt(side.n, "expression_type", fmt.Sprintf("an amount of money cannot be %s with a number", what), `read the value by money("…"), if it is one`)
		case side.is.fraction && w.words.Minor:
			w.failAt(side.n, "money_fraction", "the basket's amounts are whole numbers of the smallest coin (units: minor)", "write 500.00 as 50000")
		}
	}
}

func (w *walker) arithmetic(n *ast.BinaryNode) (ast.Node, info) {
	left, l := w.expression(n.Left)
	right, r := w.expression(n.Right)
	if l.typ == Untold || r.typ == Untold {
		return n, untold
	}
	if n.Operator == "+" && (l.typ == Text || r.typ == Text) {
		return w.join(n, left, right, l, r)
	}
	if !l.numeric() || !r.numeric() {
		at := n.Left
		if l.numeric() {
			at = n.Right
		}
		w.failAt(at, "expression_type", fmt.Sprintf("%s computes with numbers and amounts, and this is none", n.Operator), "")
		return n, untold
	}
	is := info{typ: Number, literal: l.literal && r.literal, fraction: l.fraction || r.fraction, whole: l.whole && r.whole}
	if l.typ == Money || r.typ == Money {
		is.typ = Money
		if n.Operator != "*" {
			is.whole = l.units() && r.units()
		}
	}
	switch n.Operator {
	case "*":
		if l.typ == Money && r.typ == Money {
			w.failAt(n, "expression_type", "two amounts of money cannot be multiplied", "multiply an amount by a number")
			return n, untold
		}
		return w.lower(n, fnMultiply, left, right), is
	case "-":
		w.alike(n, l, r, "computed")
		return w.lower(n, fnSubtract, left, right), is
	}
	w.alike(n, l, r, "computed")
	return w.lower(n, fnAdd, left, right), is
}

// join joins texts. Numbers and amounts are written as they are in a body.
func (w *walker) join(n *ast.BinaryNode, left, right ast.Node, l, r info) (ast.Node, info) {
	text := func(at, n ast.Node, is info) ast.Node {
		switch is.typ {
		case Number:
			return w.lower(at, fnNumberText, n)
		case Money:
			return w.lower(at, fnMoneyText, environment(at), n)
		case Flag:
			w.failAt(at, "expression_type", "true or false is no part of a text", `write it out, as in flag("paid") ? "paid" : "open"`)
		}
		return n
	}
	return w.lower(n, fnJoin, text(n.Left, left, l), text(n.Right, right, r)), info{typ: Text}
}

// matches checks a regular expression, which has to be a constant.
func (w *walker) matches(n *ast.BinaryNode) (ast.Node, info) {
	left, l := w.expression(n.Left)
	w.textual(n.Left, l, "matches")
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		w.failAt(n.Right, "expression_unsupported", "what a text is matched against must be written out", `write a regular expression in quotes, as in text("sku") matches "^TX-[0-9]+$"`)
		return n, info{typ: Flag}
	}
	if _, err := regexp.Compile(pattern.Value); err != nil {
		w.failAt(n.Right, "expression_syntax", "this is no regular expression: "+err.Error(), "see https://pkg.go.dev/regexp/syntax")
		return n, info{typ: Flag}
	}
	return placed(n, &ast.BinaryNode{Operator: "matches", Left: left, Right: pattern}), info{typ: Flag}
}

// in checks whether a value is one of some constants, or a class one of those
// of the request.
func (w *walker) in(n *ast.BinaryNode) (ast.Node, info) {
	flag := info{typ: Flag}
	if id, ok := n.Right.(*ast.IdentifierNode); ok && id.Value == "classes" {
		if class, ok := w.className(n.Left, "classes"); ok {
			return w.read(n, Read{Kind: ClassPresent, Class: class, At: w.beginning(n)}), flag
		}
		return n, flag
	}
	list, ok := n.Right.(*ast.ArrayNode)
	_, l := w.expression(n.Left)
	if !ok || len(list.Nodes) == 0 {
		w.failAt(n.Right, "expression_type", "behind in stands a list of values, or classes", `write it as in text("status") in ["new", "open"]`)
		return n, flag
	}
	var all ast.Node
	for _, e := range list.Nodes {
		switch e.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
		default:
			w.failAt(e, "expression_type", "a list holds texts or numbers that are written out", "")
			continue
		}
		one, _ := w.comparison(&ast.BinaryNode{Operator: "==", Left: n.Left, Right: e})
		all = either(n, all, one)
	}
	if l.typ == Untold || all == nil {
		return n, flag
	}
	return all, flag
}

// either joins two conditions by or.
func either(at, a, b ast.Node) ast.Node {
	if a == nil {
		return b
	}
	return placed(at, &ast.BinaryNode{Operator: "or", Left: a, Right: b})
}

// choice checks a ? b : c.
func (w *walker) choice(n *ast.ConditionalNode) (ast.Node, info) {
	cond, c := w.expression(n.Cond)
	if c.typ != Untold && c.typ != Flag {
		w.failAt(n.Cond, "expression_type", fmt.Sprintf("before ? stands a condition, and this is %s", c.typ), "compare it with something, as in == or >")
	}
	yes, y := w.expression(n.Exp1)
	no, o := w.expression(n.Exp2)
	is := info{typ: y.typ, literal: y.literal && o.literal, fraction: y.fraction || o.fraction, whole: y.whole && o.whole}
	switch {
	case y.typ == Untold || o.typ == Untold:
		return n, untold
	case y.numeric() && o.numeric():
		w.alike(&ast.BinaryNode{Left: n.Exp1, Right: n.Exp2}, y, o, "mixed")
		if y.typ == Money || o.typ == Money {
			is.typ, is.whole = Money, y.units() && o.units()
		}
	case y.typ != o.typ:
		w.failAt(n.Exp2, "expression_type", fmt.Sprintf("one way is %s, the other %s", y.typ, o.typ), "let both be of one type")
		return n, untold
	}
	return placed(n, &ast.ConditionalNode{Ternary: true, Cond: cond, Exp1: yes, Exp2: no}), is
}

// known looks whether what a name of the policy is compared with is one.
func (w *walker) known(n, with ast.Node) {
	id, ok := n.(*ast.IdentifierNode)
	text, isText := with.(*ast.StringNode)
	if !ok || !isText {
		return
	}
	switch known := w.words.Callers; {
	case id.Value == "caller" && !slices.Contains(known, text.Value):
		w.failAt(with, "undefined_caller", fmt.Sprintf("there is no caller %q", text.Value), w.suggest(text.Value, known))
	case id.Value == "method" && text.Value != w.words.Method:
		w.failAt(with, "expression_never", fmt.Sprintf("the route takes %s alone, so it is never %q", w.words.Method, text.Value), "write a route of its own for another method")
	case id.Value == "currency" && w.words.Fixed != "" && text.Value != w.words.Fixed:
		w.failAt(with, "expression_never", fmt.Sprintf("every sale is in %s, so it is never %q", w.words.Fixed, text.Value), "compare with basket.currency's own code, or leave it out")
	case id.Value == "route" && text.Value != w.words.Route:
		w.failAt(with, "expression_never", fmt.Sprintf("this is the route %s, so it is never %q", w.words.Route, text.Value), "write the condition on the other route's leg")
	}
}

// suggest is the hint for a name that does not exist.
func (w *walker) suggest(name string, known []string) string {
	if w.words.Suggest != nil {
		if hint := w.words.Suggest(name, known); hint != "" {
			return hint
		}
	}
	if len(known) == 0 {
		return "the policy has none"
	}
	return "there are: " + strings.Join(known, ", ")
}
