package yamlfile

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Extents is how long what begins at a place of a file is: of a key or a value
// its own characters, of a map or list in brackets all of it. What goes over
// several lines has the extent of its first character.
type Extents map[[2]int]int

// ExtentsOf reads a file's tokens. A file that cannot be read has none.
func ExtentsOf(src []byte) (all Extents) {
	all = Extents{}
	if len(src) > MaxSize || !utf8.Valid(src) {
		return all
	}
	defer func() { _ = recover() }() // as in Parse: the lexer is another's
	var open []*token.Token
	for _, tk := range lexer.Tokenize(strings.TrimPrefix(string(src), "\ufeff")) {
		at := [2]int{tk.Position.Line, tk.Position.Column}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			open = append(open, tk)
		case token.MappingEndType, token.SequenceEndType:
			if len(open) == 0 {
				continue
			}
			begin := open[len(open)-1].Position
			if open = open[:len(open)-1]; begin.Line == at[0] {
				all[[2]int{begin.Line, begin.Column}] = at[1] - begin.Column + 1
			}
		default:
			if text := strings.TrimSpace(tk.Origin); !strings.Contains(text, "\n") {
				all[at] = utf8.RuneCountInString(text)
			}
		}
	}
	return all
}

// At returns the extent of what begins there, at least 1.
func (e Extents) At(line, column int) int { return max(e[[2]int{line, column}], 1) }
