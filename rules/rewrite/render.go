package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/reason"
)

// Render appends the party's body to dst: the original bytes with the edits,
// the recomputed totals and the set members. Every operation of Message.Ops
// must be resolved. The error is token_unknown, or internal where an operation
// has no result; dst is returned as it was then. Of the body nothing stands behind
// what is returned.
func (v *View) Render(dst []byte) ([]byte, *reason.Error) {
	if err := v.resolved(v.edits); err != nil {
		return dst, err
	}
	before := len(dst)
	dst = v.splice(dst, v.m.body, v.edits)
	if len(v.deep) == 0 {
		return dst, nil
	}
	body, err := v.renderDeep(dst[before:])
	if err != nil {
		clear(dst[before:])
		return dst[:before], err
	}
	spliced := dst[before:]
	dst = append(dst[:before], body...)
	if n := len(dst) - before; n < len(spliced) {
		clear(spliced[n:])
	}
	return dst, nil
}

// resolved checks that the operations of the edits, and those of tokens that
// stay, have come out well.
func (v *View) resolved(edits []edit) *reason.Error {
	for _, i := range v.uses {
		if op := &v.m.ops[i]; op.Unknown {
			return v.unknown(op)
		}
	}
	for i := range edits {
		if edits[i].op == noOp {
			continue
		}
		switch op := &v.m.ops[edits[i].op]; {
		case op.Unknown:
			return v.unknown(op)
		case len(op.Result) == 0:
			return refuse(reason.Internal, -1, "a token operation has no result")
		}
	}
	return nil
}

func (v *View) unknown(op *TokenOp) *reason.Error {
	err := refuse(reason.TokenUnknown, -1, "")
	if op.Label != rules.NoLabel {
		err.Rule = v.m.prog.engine.fixed.labels[op.Label]
	}
	return err
}

// splice appends src with the edits.
func (v *View) splice(dst, src []byte, edits []edit) []byte {
	at := uint32(0)
	for i := range edits {
		e := &edits[i]
		dst = append(dst, src[at:e.start]...)
		if e.op == noOp {
			dst = append(dst, v.text[e.from:e.to]...)
		} else {
			dst = appendResult(dst, &v.m.ops[e.op], e.style)
		}
		at = e.end
	}
	return append(dst, src[at:]...)
}

// appendResult writes what an operation came out as.
func appendResult(dst []byte, op *TokenOp, s style) []byte {
	if op.Kind == Reveal && op.Format != rules.FormatPAN && !op.Card {
		return appendRevealed(dst, op, s)
	}
	if s == styleString || s == styleNumber && !allDigits(op.Result) {
		dst = append(dst, '"')
		dst = append(dst, op.Result...)
		return append(dst, '"')
	}
	return append(dst, op.Result...)
}

// appendRevealed writes the plaintext of a sealed token: text, or a JSON
// literal.
func appendRevealed(dst []byte, op *TokenOp, s style) []byte {
	r := op.Result
	inner := r
	quoted := !op.Fragment && len(r) >= 2 && r[0] == '"'
	if quoted {
		inner = r[1 : len(r)-1]
	}
	switch {
	case s == styleText && quoted:
		n := len(dst)
		dst = append(dst, inner...) // room for the decoded text, which is no longer
		end := n + decode(dst[n:], inner)
		clear(dst[end:])
		return dst[:end]
	case s == styleText:
		return append(dst, r...)
	case s == stylePart && op.Fragment:
		return appendQuoted(dst, r)
	case s == stylePart:
		return append(dst, inner...)
	case op.Fragment:
		return append(appendQuoted(append(dst, '"'), r), '"')
	}
	return append(dst, r...)
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}
