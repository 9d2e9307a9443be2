package rewrite

import (
	"bytes"
	"hash/maphash"

	"chaperone/rules"
	"chaperone/rules/reason"
)

// aliasIndex finds the aliases that a request minted for one destination.
type aliasIndex struct {
	seed   maphash.Seed
	seeded bool
	ops    []TokenOp
	slots  []int32 // index plus one, zero for free
}

// build takes the resolved aliases of whole values, and reports whether there
// are any.
func (x *aliasIndex) build(ops []TokenOp, destination int) bool {
	if !x.seeded {
		x.seed, x.seeded = maphash.MakeSeed(), true
	}
	x.ops = ops
	if size := 2 * (len(ops) + 1); size > len(x.slots) {
		n := 16
		for n < size {
			n *= 2
		}
		x.slots = make([]int32, n)
	} else {
		clear(x.slots)
	}
	some := false
	for i := range ops {
		op := &ops[i]
		if op.Kind != Alias || op.Destination != destination || op.literal == nil || op.Unknown || len(op.Result) == 0 {
			continue
		}
		if slot := x.place(op.Result); *slot == 0 {
			*slot = int32(i + 1)
			some = true
		}
	}
	return some
}

func (x *aliasIndex) place(alias []byte) *int32 {
	mask := uint64(len(x.slots) - 1)
	for at := maphash.Bytes(x.seed, alias); ; at++ {
		slot := &x.slots[at&mask]
		if *slot == 0 || bytes.Equal(x.ops[*slot-1].Result, alias) {
			return slot
		}
	}
}

// unaliased turns a string that is one of the request's aliases back into the
// value that it stands for, as far as the caller may see that. done is false
// for any other string.
func (v *View) unaliased(x *value) (done, alive bool, err *reason.Error) {
	slot := v.aliases.place(v.m.valueText(x))
	if *slot == 0 {
		return false, true, nil
	}
	op := &v.request.ops[*slot-1]
	label := op.Label
	if label != rules.NoLabel {
		x.form = max(x.form, v.party.sees.Of(label))
	}
	if op.card && v.party.pan > x.form {
		x.form, label = v.party.pan, v.party.panLabel
	}
	if op.found != 0 && len(v.party.ids) > 0 {
		if of, _ := v.party.strictest(op.found); of.form > x.form {
			x.form, label = of.form, of.label
		}
	}
	if x.form == rules.Generalize {
		x.form = rules.Drop
	}
	v.tallyPlace(x, x.form)
	if x.form == rules.Plain {
		from := len(v.text)
		v.text = append(v.text, op.literal...)
		v.put(x.start, x.end, from)
		return true, true, nil
	}
	original := *x
	original.raw, original.kind, original.node, original.spans = op.literal, op.literal[0], nil, nil
	if original.kind == '"' {
		original.kind = 0 // its raw bytes are not those of the answer
	}
	if l := v.deciding(x); l != rules.NoLabel {
		label = l
	}
	alive, err = v.whole(&original, label)
	return true, alive, err
}
