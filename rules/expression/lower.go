package expression

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// The functions that parts of an expression are lowered to. A name that begins
// with $ cannot be written in an expression.
const (
	fnReadText    = "$text"
	fnReadDecimal = "$decimal"
	fnReadFlag    = "$flag"
	fnCompare     = "$compare"
	fnAdd         = "$add"
	fnSubtract    = "$subtract"
	fnMultiply    = "$multiply"
	fnJoin        = "$join"
	fnNumberText  = "$numberText"
	fnMoneyText   = "$moneyText"
	fnRound       = "$round"
	fnRoundMoney  = "$roundMoney"
)

// placed gives a new part the place of the one that it was made of.
func placed[N ast.Node](at ast.Node, n N) N {
	n.SetLocation(at.Location())
	return n
}

// constant is a number that is written in the policy.
func constant(at ast.Node, x *Decimal) ast.Node { return placed(at, &ast.ConstantNode{Value: x}) }

// environment is the Source that the program is run with.
func environment(at ast.Node) ast.Node { return placed(at, &ast.IdentifierNode{Value: "$env"}) }

// lower makes a call.
func (w *walker) lower(at ast.Node, function string, args ...ast.Node) ast.Node {
	return placed(at, &ast.CallNode{Callee: placed(at, &ast.IdentifierNode{Value: function}), Arguments: args})
}

// read makes the look-up of a place, which has a number.
func (w *walker) read(at ast.Node, r Read) ast.Node {
	i := slices.IndexFunc(w.reads, r.same)
	if i < 0 {
		i = len(w.reads)
		w.reads = append(w.reads, r)
	}
	function := fnReadText
	switch r.Kind.Type() {
	case Number, Money:
		function = fnReadDecimal
	case Flag:
		function = fnReadFlag
	}
	return w.lower(at, function, environment(at), placed(at, &ast.IntegerNode{Value: i}))
}
