package expression

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// The bounds of an expression. No condition that a person can follow comes near.
const (
	maxSource = 2000 // characters
	maxNodes  = 200
)

// Compile compiles the text of an expression. Wants are the types that it may
// have. The program is nil if and only if there are problems, which are all
// that could be found; the reads are there in either case.
func Compile(source string, wants []Type, words *Words) (*Program, []Read, []Problem) {
	w := &walker{words: words, source: []rune(source)}
	if utf8.RuneCountInString(source) > maxSource {
		w.fail(0, "expression_too_large", fmt.Sprintf("the expression is longer than %d characters", maxSource), "split the route, or decide before the request is sent")
		return nil, nil, w.problems
	}
	config := configuration()
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		w.syntax(err)
		return nil, nil, w.problems
	}
	node, is := w.expression(tree.Node)
	w.wanted(tree.Node, is, wants)
	if len(w.problems) > 0 {
		slices.SortStableFunc(w.problems, func(a, b Problem) int { return a.At - b.At })
		return nil, w.reads, w.problems
	}
	if is.typ == Number && slices.Contains(wants, Money) && !slices.Contains(wants, Number) {
		is.typ = Money
	}
	tree.Node = node
	if _, err = checker.Check(tree, config); err == nil {
		p := &Program{Source: source, Type: is.typ, Reads: w.reads}
		if p.code, err = compiler.Compile(tree, config); err == nil {
			return p, w.reads, nil
		}
	}
	// What was made of the tree is not what the library takes: a bug of ours.
	w.fail(0, "expression_syntax", "the expression cannot be compiled", "write it in another way, and report it")
	return nil, w.reads, w.problems
}

// configuration is the library's: its own functions are off, and those that an
// expression is lowered to are on.
func configuration() *conf.Config {
	c := conf.CreateNew()
	c.MaxNodes = maxNodes
	c.DisableIfOperator = true
	for name := range c.Builtins {
		c.Disabled[name] = true
	}
	clear(c.Builtins)
	for name, f := range functions {
		c.Functions[name] = &builtin.Function{Name: name, Func: f.call, Types: []reflect.Type{reflect.TypeOf(f.typ)}}
	}
	for _, name := range callable {
		if c.Functions[name] == nil {
			c.Functions[name] = &builtin.Function{Name: name, Func: notLowered, Types: []reflect.Type{reflect.TypeOf(notLowered)}}
		}
	}
	return c
}

// notLowered is what a function of the language does where it was not lowered,
// which cannot be.
func notLowered(...any) (any, error) {
	return nil, errors.New("expression: a function was not lowered")
}

// wanted holds the type of the whole against what is asked for.
func (w *walker) wanted(n ast.Node, is info, wants []Type) {
	if is.typ == Untold || slices.Contains(wants, is.typ) {
		if is.typ == Money && !is.whole {
			w.failAt(n, "money_not_whole", "the amount may have fractions of the smallest coin", "write round(…) around it, which rounds half to even")
		}
		return
	}
	var names []string
	for _, t := range wants {
		names = append(names, t.String())
	}
	hint := "compare it with something, as in == or >"
	if len(wants) > 1 {
		hint = ""
	}
	w.failAt(n, "expression_type", fmt.Sprintf("the expression is %s, and has to be %s", is.typ, strings.Join(names, ", or ")), hint)
}

// fail records a problem at a character.
func (w *walker) fail(at int, code, message, hint string) {
	p := Problem{At: max(0, min(at, len(w.source))), Code: code, Message: message, Hint: hint}
	if !slices.Contains(w.problems, p) {
		w.problems = append(w.problems, p)
	}
}

// failAt records a problem at a part of the expression.
func (w *walker) failAt(n ast.Node, code, message, hint string) {
	w.fail(w.beginning(n), code, message, hint)
}

// beginning is where a part of the expression begins: the library puts an
// operation where its operator stands.
func (w *walker) beginning(n ast.Node) int {
	switch n := n.(type) {
	case *ast.BinaryNode:
		return w.beginning(n.Left)
	case *ast.ConditionalNode:
		return w.beginning(n.Cond)
	case *ast.MemberNode:
		return w.beginning(n.Node)
	case *ast.UnaryNode:
		if b, ok := n.Node.(*ast.BinaryNode); ok && n.Location().From >= b.Location().From {
			return w.beginning(b) // a not in b
		}
	}
	return n.Location().From
}

// syntax reports what the parser stumbled over. The hints answer what people
// write who have other languages in mind.
func (w *walker) syntax(err error) {
	at, message := 0, "the expression cannot be read"
	var where *file.Error
	if errors.As(err, &where) {
		at, message = where.From, where.Message
	}
	if strings.Contains(message, "exceeds maximum allowed nodes") {
		w.fail(0, "expression_too_large", fmt.Sprintf("the expression has more than %d parts", maxNodes), "split the route, or decide before the request is sent")
		return
	}
	hint := `write comparisons, and join them by and, or and not, as in total > 500 and currency == "USD"`
	for _, h := range []struct{ found, hint string }{
		{"“", `write straight quotes: "`}, {"”", `write straight quotes: "`}, {"‘", "write straight quotes: '"}, {"’", "write straight quotes: '"},
		{" AND ", "write and in small letters"}, {" OR ", "write or in small letters"}, {"NOT ", "write not in small letters"},
		{"<>", "write != for is not"}, {"=>", "write >="}, {"=<", "write <="},
	} {
		if strings.Contains(string(w.source), h.found) {
			hint = h.hint
		}
	}
	if strings.Contains(message, `Operator("=")`) {
		hint = "write == to compare"
	}
	if strings.Contains(message, "EOF") || strings.Contains(message, "end of expression") {
		at = len(w.source)
		message = "something is missing at the end"
	}
	w.fail(at, "expression_syntax", "this is no expression: "+message, hint)
}
