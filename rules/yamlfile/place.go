package yamlfile

import (
	"strings"

	"chaperone/rules/diag"

	"github.com/goccy/go-yaml/ast"
)

// PositionIn returns the place of a character of the node's text, counted from
// zero. Of a text that is folded or has escapes it is where the text begins:
// nobody could point at a single character of it.
func (n Node) PositionIn(character int) diag.Position {
	at := n.at
	tk := first(n.ast)
	if n.kind != Scalar || tk == nil {
		return at
	}
	if literal, ok := n.ast.(*ast.LiteralNode); ok {
		return n.inBlock(literal, character)
	}
	written := strings.TrimSpace(tk.Origin)
	switch {
	case written == n.text:
		at.Column += character
	case len(written) == len(n.text)+2 && written[1:len(written)-1] == n.text:
		at.Column += character + 1
	}
	return at
}

// inBlock is PositionIn for a text that is written as lines of its own, behind
// a bar.
func (n Node) inBlock(literal *ast.LiteralNode, character int) diag.Position {
	at := n.at
	if literal.Start == nil || !strings.HasPrefix(literal.Start.Value, "|") || literal.Value.GetToken() == nil {
		return at
	}
	before := []rune(n.text)
	before = before[:min(character, len(before))]
	line, column := 0, 0
	for _, c := range before {
		if column++; c == '\n' {
			line, column = line+1, 0
		}
	}
	lines := strings.Split(literal.Value.GetToken().Origin, "\n")
	own := strings.Split(n.text, "\n")
	if line >= len(lines) || line >= len(own) || !strings.HasSuffix(lines[line], own[line]) {
		return at
	}
	at.Line = literal.Start.Position.Line + 1 + line
	at.Column = len([]rune(lines[line])) - len([]rune(own[line])) + column + 1
	return at
}
