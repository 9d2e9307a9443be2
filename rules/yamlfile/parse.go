package yamlfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"chaperone/rules/diag"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The bounds of a file. They keep the recursive parser from deep stacks; no
// file that a person wrote comes near.
const (
	MaxSize  = 1 << 20 // bytes
	MaxDepth = 64      // levels of maps and lists
	maxMarks = 32      // explicit markers (- and ?) on one line
)

// document is what the nodes of one file share.
type document struct {
	file  string
	diags *diag.Diagnostics
}

func (d *document) at(tk *token.Token) diag.Position {
	if tk == nil || tk.Position == nil {
		return diag.Position{File: d.file}
	}
	return diag.Position{File: d.file, Line: max(tk.Position.Line, 1), Column: max(tk.Position.Column, 1)}
}

func (d *document) fail(at diag.Position, code, message, hint string) {
	d.diags.Add(diag.Diagnostic{Position: at, Severity: diag.Error, Code: code, Message: message, Hint: hint})
}

// Parse parses a file's text and returns its root. Whatever is wrong is added
// to diags; the root of a file that cannot be read at all is not Present, and
// that has been said. An empty file is an empty map. Parse never panics.
func Parse(file string, src []byte, diags *diag.Diagnostics) (root Node) {
	d := &document{file: file, diags: diags}
	whole := diag.Position{File: file}
	switch {
	case len(src) > MaxSize:
		d.fail(whole, "file_too_large", fmt.Sprintf("the file is larger than %d bytes", MaxSize), "split long lists into files of their own")
		return Node{}
	case !utf8.Valid(src):
		d.fail(lineOfInvalid(file, src), "file_not_utf8", "the file is not UTF-8 text", "save it as UTF-8")
		return Node{}
	}
	// The parser is another's: a panic there is a file that cannot be read,
	// not the end of a running proxy.
	defer func() {
		if r := recover(); r != nil {
			d.fail(whole, "yaml_syntax", "the file cannot be read as YAML", "check quotes, brackets and indentation")
			root = Node{}
		}
	}()
	tokens := lexer.Tokenize(strings.TrimPrefix(string(src), "\ufeff"))
	refused, ok := d.checkTokens(tokens)
	if !ok {
		return Node{}
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	switch {
	case err != nil && refused:
		return Node{} // what is left out is what the parser stumbled over
	case err != nil:
		d.syntax(err)
		return Node{}
	}
	root = d.body(f)
	unread, deep := survey(f.Docs, tokens)
	switch {
	case deep != nil:
		d.fail(d.at(deep), "yaml_depth", "the file is nested too deeply", "")
		return Node{}
	case unread != nil && !refused:
		d.fail(d.at(unread), "yaml_syntax", "this text belongs to nothing before it", "check quotes, brackets and indentation")
		return Node{}
	}
	return root
}

// body returns the root of the one document.
func (d *document) body(f *ast.File) Node {
	var docs []*ast.DocumentNode
	for _, doc := range f.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.DirectiveType {
			docs = append(docs, doc)
		}
	}
	if len(docs) == 0 {
		return Node{doc: d, kind: Mapping, at: diag.Position{File: d.file, Line: 1, Column: 1}}
	}
	if len(docs) > 1 {
		d.fail(d.at(first(docs[1].Body)), "yaml_documents", "the file holds more than one YAML document", "remove the line --- and what follows it")
	}
	return d.node(docs[0].Body, "")
}

// checkTokens refuses what the subset leaves out, before the recursive parser
// sees it. It reports whether it refused any, and whether the parser may go on.
func (d *document) checkTokens(tokens token.Tokens) (refused, ok bool) {
	depth, line, marks, features := 0, 0, 0, 0
	for i, tk := range tokens {
		if tk.Position.Line != line {
			line, marks = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			marks++
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType:
			if i > 0 && tk.Type == token.AliasType && tokens[i-1].Type == token.AliasType {
				continue // the second star of **
			}
			features++
			d.feature(tk)
		}
		if depth > MaxDepth || marks > maxMarks || features > maxMarks {
			d.fail(d.at(tk), "yaml_depth", "the file is nested too deeply", "")
			return true, false
		}
	}
	return features > 0, true
}

// feature reports a part of YAML that is left out.
func (d *document) feature(tk *token.Token) {
	switch tk.Type {
	case token.AliasType:
		d.fail(d.at(tk), "yaml_feature", "YAML aliases (*name) are not read", `put a value that begins with * in quotes, as in "**.name" or "*"`)
	case token.AnchorType:
		d.fail(d.at(tk), "yaml_feature", "YAML anchors (&name) are not read", "write the value out, or put it in quotes")
	case token.TagType:
		d.fail(d.at(tk), "yaml_feature", "YAML tags (!name) are not read", "put the value in quotes instead")
	case token.MergeKeyType:
		d.fail(d.at(tk), "yaml_feature", "YAML merges (<<) are not read", "write the keys out")
	default:
		d.fail(d.at(tk), "yaml_feature", "YAML directives (%NAME) are not read", "remove the line")
	}
}

// syntax reports the parser's own error.
func (d *document) syntax(err error) {
	var at interface {
		error
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &at) {
		d.fail(diag.Position{File: d.file}, "yaml_syntax", "the file cannot be read as YAML", "check quotes, brackets and indentation")
		return
	}
	message, hint := at.GetMessage(), "check quotes, brackets and indentation"
	switch {
	case strings.Contains(message, "reserved character"):
		hint = `put a value that begins with @ in quotes, as in "@header.X-Patient"`
	case strings.Contains(message, "cannot start any token"):
		hint = "indent with spaces, not with tabs"
	}
	d.fail(d.at(at.GetToken()), "yaml_syntax", "this is not YAML: "+message, hint)
}

// survey returns the first value of the token stream that is in no tree, and
// the first one that is nested too deeply. The parser may skip what it does not
// expect; a rule that nobody reads would be a rule that does not hold.
func survey(docs []*ast.DocumentNode, tokens token.Tokens) (unread, deep *token.Token) {
	seen := map[*token.Token]bool{}
	for _, doc := range docs {
		if doc.Body == nil {
			continue
		}
		ast.Walk(&visitor{depth: 0, visit: func(n ast.Node, depth int) {
			if depth > MaxDepth && deep == nil {
				deep = n.GetToken()
			}
			seen[n.GetToken()] = true
		}}, doc.Body)
	}
	for _, tk := range tokens {
		switch tk.Type {
		case token.StringType, token.SingleQuoteType, token.DoubleQuoteType, token.IntegerType, token.FloatType,
			token.BoolType, token.NullType, token.HexIntegerType, token.OctetIntegerType, token.BinaryIntegerType,
			token.InfinityType, token.NanType:
			if !seen[tk] {
				return tk, deep
			}
		}
	}
	return nil, deep
}

// visitor passes every node of a tree on, with the maps and lists around it.
type visitor struct {
	depth int
	visit func(n ast.Node, depth int)
}

// Visit implements ast.Visitor.
func (v *visitor) Visit(n ast.Node) ast.Visitor {
	v.visit(n, v.depth)
	switch n.(type) {
	case *ast.MappingNode, *ast.SequenceNode:
		return &visitor{v.depth + 1, v.visit}
	}
	return v
}

// first returns the token with which a node begins. A map's own token is its
// first colon.
func first(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 && (n.Start == nil || n.Start.Type != token.MappingStartType) {
			return first(n.Values[0])
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

// lineOfInvalid finds the first byte that is not UTF-8.
func lineOfInvalid(file string, src []byte) diag.Position {
	at := diag.Position{File: file, Line: 1, Column: 1}
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		if r == utf8.RuneError && size == 1 {
			break
		}
		at.Column++
		if r == '\n' {
			at.Line, at.Column = at.Line+1, 1
		}
		src = src[size:]
	}
	return at
}
