package rewrite

// Size returns how many bytes Render appends at most, but for what set members
// and recomputed totals add. Every operation of Message.Ops must be resolved.
func (v *View) Size() int {
	n := len(v.m.body)
	for i := range v.edits {
		e := &v.edits[i]
		n -= int(e.end - e.start)
		if e.op == noOp {
			n += int(e.to - e.from)
		} else {
			n += 2*len(v.m.ops[e.op].Result) + 2
		}
	}
	return n
}
