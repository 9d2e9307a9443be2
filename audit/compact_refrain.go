package audit

// A refrain is the lists of an entry as they were written before: its legs, its
// prepared decisions and its tokens. Sales of one shape have the same ones, but
// for how many values each decision is about, which is half a byte of it, and
// for the tokens' keys. So they are written out once, and copied from then on.
//
// Nothing is taken on trust: what is copied stood behind the same names, and
// was written of the same legs, the same templates and tokens of the same names.
type refrain struct {
	hash   uint64
	names  *Names  // nil: there is none yet
	behind []int32 // the symbols that had slots already
	legs   []Leg
	lines  []line
	tokens []Token // without their keys
	mask   uint32
	coded  []byte // without the counts of decisions and the keys of tokens
	cuts   []int  // where in coded the keys belong
}

// line is a decision of a refrain.
type line struct {
	template *Template
	at       uint16 // where in coded the byte is that has its count
}

// Bounds of what an encoder keeps.
const (
	refrainBits = 4       // as many refrains, as a power of two
	maxRefrain  = 1 << 10 // bytes of one
	maxLines    = 64      // of its legs, its decisions and its tokens
)

// refrain writes an entry's lists as they were written before. It reports false
// where they were not, or would not be the same again; nothing is written then.
func (w *encoder) refrain(e *Entry) bool {
	if w.names == nil || w.loose || len(e.Decisions) > 0 || len(e.Chains) > 0 || max(len(e.Prepared), len(e.Legs), len(e.Tokens)) > maxLines {
		return false
	}
	hash := uint64(len(e.Tokens))<<16 | uint64(len(e.Legs))<<8 | uint64(w.used)
	for i := range e.Legs {
		hash = (hash ^ uint64(e.Legs[i].Status)<<8 ^ uint64(e.Legs[i].State)) * much
	}
	for i := range e.Prepared {
		hash = (hash ^ e.Prepared[i].Template.spread) * much
	}
	r := &w.refrains[hash>>(64-refrainBits)]
	switch {
	case r.hash != hash:
		// It is written out when it comes again: what comes once is not worth it.
		r.hash, r.names = hash, nil
		return false
	case r.names == nil:
		return w.learn(r, e)
	}
	return r.is(w, e) && w.repeat(r, e)
}

// is reports whether a refrain is that of an entry, but for its decisions.
func (r *refrain) is(w *encoder, e *Entry) bool {
	if r.names != w.names || len(r.behind) != w.used || len(r.legs) != len(e.Legs) || len(r.lines) != len(e.Prepared) || len(r.tokens) != len(e.Tokens) {
		return false
	}
	for i, symbol := range r.behind {
		if w.slots[i].symbol != symbol {
			return false
		}
	}
	for i := range r.legs {
		if r.legs[i] != e.Legs[i] {
			return false
		}
	}
	for i := range r.tokens {
		if a, b := &r.tokens[i], &e.Tokens[i]; a.Scope != b.Scope || a.Label != b.Label || a.Format != b.Format {
			return false
		}
	}
	return true
}

// repeat writes a refrain with the counts and the keys of an entry, if that has
// its decisions.
func (w *encoder) repeat(r *refrain, e *Entry) bool {
	from, done := len(w.b), 0
	for i, cut := range r.cuts {
		w.b = appendID(append(w.b, r.coded[done:cut]...), e.Tokens[i].Key)
		done = cut
	}
	w.b = append(w.b, r.coded[done:]...)
	again := w.b[from:]
	for i, l := range r.lines {
		p := &e.Prepared[i]
		if p.Template != l.template || uint(p.Count) >= countMore {
			w.b = w.b[:from]
			return false
		}
		again[l.at] |= byte(p.Count) << countShift
	}
	w.mask |= r.mask
	return true
}

// learn writes an entry's lists, and keeps how. It reports false where they are
// not of the kind that it can keep; nothing is written then.
//
//go:noinline
func (w *encoder) learn(r *refrain, e *Entry) bool {
	for i := range e.Prepared {
		if p := &e.Prepared[i]; p.Template.names != w.names || uint(p.Count) >= countMore {
			return false
		}
	}
	r.behind, r.lines, r.coded, r.cuts = r.behind[:0], r.lines[:0], r.coded[:0], r.cuts[:0]
	for i := range w.slots[:w.used] {
		r.behind = append(r.behind, w.slots[i].symbol)
	}
	from, before := len(w.b), w.mask
	w.mask = 0
	w.legs(e)
	if len(e.Prepared) > 0 {
		w.count(hasDecisions, len(e.Prepared))
	}
	last := decided{nothing, nothing, nothing}
	for i := range e.Prepared {
		p := &e.Prepared[i]
		// The second byte of a decision has its count.
		r.lines = append(r.lines, line{p.Template, uint16(min(len(w.b)-from+1, maxRefrain))})
		w.prepared(p.Template, p.Count, &last)
	}
	if len(e.Tokens) > 0 {
		w.count(hasTokens, len(e.Tokens))
	}
	for i := range e.Tokens {
		w.token(&e.Tokens[i])
		r.coded = append(r.coded, w.b[from:]...)
		r.cuts = append(r.cuts, len(r.coded))
		w.b = appendID(w.b, e.Tokens[i].Key)
		from = len(w.b)
	}
	r.coded = append(r.coded, w.b[from:]...)
	r.mask = w.mask
	w.mask |= before
	if !w.loose && len(r.coded) <= maxRefrain {
		r.keep(w.names, e)
	}
	return true
}

// keep makes what was learnt of an entry a refrain.
func (r *refrain) keep(names *Names, e *Entry) {
	for _, l := range r.lines {
		r.coded[l.at] &= formBits
	}
	r.legs = append(r.legs[:0], e.Legs...)
	r.tokens = append(r.tokens[:0], e.Tokens...)
	for i := range r.tokens {
		r.tokens[i].Key = ""
	}
	r.names = names
}
