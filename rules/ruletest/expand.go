package ruletest

import (
	"encoding/json"
	"regexp"

	"chaperone/rules/diag"
)

// reference is what a test writes for a token or an alias that only a keyring
// can make: ${token:LABEL:VALUE} and ${alias:DESTINATION:VALUE}.
var reference = regexp.MustCompile(`\$\{(token|alias):([^:{}]*):([^{}]*)\}`)

// The kinds of a reference.
const (
	RefToken = "token"
	RefAlias = "alias"
)

// Maker makes the token of a value under a label, or the alias of a value at a
// destination: kind is RefToken or RefAlias, of is the label or destination.
type Maker func(kind, of, value string) (string, error)

// Expand puts what the maker gives in the places of the references in a text.
func Expand(text string, maker Maker) (string, error) {
	var failed error
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		made, err := maker(m[1], m[2], m[3])
		if err != nil {
			failed = err
		}
		return made
	})
	return out, failed
}

// ExpandJSON is Expand for a JSON text, in which the values stand as they do in
// a JSON string. What is made needs no escape.
func ExpandJSON(text []byte, maker Maker) ([]byte, error) {
	if !reference.Match(text) {
		return text, nil
	}
	out, err := Expand(string(text), func(kind, of, value string) (string, error) {
		var decoded string
		if json.Unmarshal([]byte(`"`+value+`"`), &decoded) == nil {
			value = decoded
		}
		return maker(kind, of, value)
	})
	return []byte(out), err
}

// expand gives a copy of an expected value in which the references are made.
func (v *Value) expand(maker Maker) (*Value, error) {
	out := *v
	var err error
	if v.Kind == String {
		out.Text, err = Expand(v.Text, maker)
		return &out, err
	}
	out.Items = nil
	for _, item := range v.Items {
		made, failed := item.expand(maker)
		if failed != nil {
			return nil, failed
		}
		out.Items = append(out.Items, made)
	}
	return &out, nil
}

// refUse is a reference, with its place.
type refUse struct {
	kind, of string
	at       diag.Position
}

func usesOf(text string, at diag.Position) []refUse {
	var all []refUse
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		all = append(all, refUse{m[1], m[2], at})
	}
	return all
}

func (v *Value) uses() []refUse {
	if v == nil {
		return nil
	}
	var all []refUse
	if v.Kind == String {
		all = usesOf(v.Text, v.At)
	}
	for _, item := range v.Items {
		all = append(all, item.uses()...)
	}
	return all
}
