package audit

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Append appends the entry's text to dst: compact JSON on one line, members in
// the order of the struct. It allocates nothing beyond dst. Time is written in
// UTC; negative numbers are written as 0.
func (e *Entry) Append(dst []byte) []byte {
	w := object{b: append(dst, `{"v":`...)}
	w.b = strconv.AppendInt(w.b, Version, 10)
	w.b = append(w.b, `,"time":"`...)
	w.b = appendTime(w.b, e.Time)
	w.b = append(w.b, '"')
	w.word("kind", e.Kind.String())
	w.word("action", e.Action.String())
	w.id("chain", e.Chain)
	w.id("request", e.Request)
	w.name("caller", e.Caller)
	if e.Origin.IsValid() {
		w.member("origin")
		w.b = append(w.b, '"')
		w.b = e.Origin.Unmap().WithZone("").AppendTo(w.b)
		w.b = append(w.b, '"')
	}
	w.name("route", e.Route)
	w.id("plan", e.Plan)
	w.name("purpose", e.Purpose)
	w.id("subject", e.Subject)
	w.id("key", e.Key)
	w.number("attempt", int64(e.Attempt))
	w.word("result", e.Result.String())
	w.id("reason", ID(e.Reason))
	w.name("rule", e.Rule)
	w.name("pattern", e.Pattern)
	w.number("status", int64(e.Status))
	w.number("upstream", int64(e.Upstream))
	w.number("took_us", int64(e.Took))
	w.number("waited_us", int64(e.Waited))
	w.number("repeats", int64(e.Repeats))
	w.name("build", e.Build)
	w.name("target", e.Target)
	w.name("why", e.Why)
	w.legs(e.Legs)
	w.decisions(e)
	w.tokens(e.Tokens)
	w.stretches(e.Chains)
	return append(w.b, '}')
}

// object appends the members of a JSON object. Empty ones are left out.
type object struct {
	b     []byte
	first bool // no member yet
}

func (w *object) member(name string) {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// word writes a text that is a constant of ours.
func (w *object) word(name, text string) {
	if text != "" {
		w.member(name)
		w.b = append(w.b, '"')
		w.b = append(w.b, text...)
		w.b = append(w.b, '"')
	}
}

func (w *object) id(name string, id ID) {
	if id == "" {
		return
	}
	if len(id) > maxID || look(string(id)) != 0 {
		id = Redacted
	}
	w.word(name, string(id))
}

func (w *object) name(name string, text Name) {
	if text == "" {
		return
	}
	text = clean(text)
	what := look(string(text))
	if what&(seenEscape|seenWide) == 0 {
		w.word(name, string(text))
		return
	}
	w.member(name)
	w.b = appendString(w.b, string(text))
}

func (w *object) number(name string, n int64) {
	if n > 0 {
		w.member(name)
		w.b = strconv.AppendInt(w.b, n, 10)
	}
}

func (w *object) legs(legs []Leg) {
	for i := range legs {
		l := &legs[i]
		w.open("legs", i)
		w.name("name", l.Name)
		w.name("to", l.To)
		w.word("state", l.State.String())
		w.number("status", int64(l.Status))
		w.number("tries", int64(l.Tries))
		w.close(i == len(legs)-1)
	}
}

func (w *object) decisions(e *Entry) {
	n := len(e.Decisions) + len(e.Prepared)
	for i := range e.Decisions {
		w.decision(&e.Decisions[i], i, n)
	}
	for i := range e.Prepared {
		d := e.Prepared[i].Template.decision
		d.Count = e.Prepared[i].Count
		w.decision(&d, len(e.Decisions)+i, n)
	}
}

// decision writes the i-th of n decisions.
func (w *object) decision(d *Decision, i, n int) {
	w.open("decisions", i)
	w.name("rule", d.Rule)
	w.name("pattern", d.Pattern)
	w.name("label", d.Label)
	w.name("class", d.Class)
	w.name("form", d.Form)
	w.name("to", d.To)
	w.number("count", int64(d.Count))
	w.close(i == n-1)
}

func (w *object) tokens(tokens []Token) {
	for i := range tokens {
		t := &tokens[i]
		w.open("tokens", i)
		w.name("scope", t.Scope)
		w.name("label", t.Label)
		w.name("format", t.Format)
		w.id("key", t.Key)
		w.close(i == len(tokens)-1)
	}
}

func (w *object) stretches(chains []Stretch) {
	for i := range chains {
		c := &chains[i]
		w.open("chains", i)
		w.id("chain", c.Chain)
		w.number("from", int64(min(c.From, math.MaxInt64)))
		w.number("to", int64(min(c.To, math.MaxInt64)))
		w.digest("hash", &c.Hash)
		w.digest("file", &c.File)
		w.close(i == len(chains)-1)
	}
}

func (w *object) digest(name string, d *Digest) {
	if *d != (Digest{}) {
		w.member(name)
		w.b = append(w.b, '"')
		w.b = base64url.AppendEncode(w.b, d[:])
		w.b = append(w.b, '"')
	}
}

// open begins the i-th object of an array member.
func (w *object) open(name string, i int) {
	if i == 0 {
		w.member(name)
		w.b = append(w.b, '[')
	} else {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '{')
	w.first = true
}

// close ends what open began, and with the last object its array.
func (w *object) close(last bool) {
	w.b = append(w.b, '}')
	w.first = false
	if last {
		w.b = append(w.b, ']')
	}
}

// appendTime writes RFC 3339 with nanoseconds. A year that has not four digits
// cannot be written in it: the zero time stands for such a one.
func appendTime(dst []byte, t time.Time) []byte {
	return yearOfFour(t).AppendFormat(dst, time.RFC3339Nano)
}

// yearOfFour returns a time in UTC that can be written.
func yearOfFour(t time.Time) time.Time {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return time.Time{}
	}
	return t
}

const (
	maxName   = 256
	maxID     = 128
	maxDigits = 12 // the shortest card number
)

// What look has seen in a text.
const (
	seenOther  = 1 << iota // ASCII that an ID does not hold
	seenEscape             // ASCII that JSON escapes
	seenWide               // bytes beyond ASCII
	seenDigits             // as many digits in a row as a card number has
	seenDigit              // any digit
)

// look says what is in a text. Single spaces and dashes between digits do not
// end a row of digits.
func look(s string) (what uint8) {
	for i := range len(s) {
		what |= seenOf[s[i]]
	}
	if what&seenDigit == 0 || len(s) < maxDigits {
		return what &^ seenDigit // nearly all names
	}
	what &^= seenDigit
	run, gap := 0, false
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			if run++; run >= maxDigits {
				what |= seenDigits
			}
			gap = false
		case run > 0 && !gap && (c == ' ' || c == '-'):
			gap = true
		default:
			run, gap = 0, false
		}
	}
	return what
}

// seenOf says what one byte is; an ID holds those of 0 and digits.
var seenOf = func() (of [256]uint8) {
	for i := range of {
		c := byte(i)
		switch {
		case c >= utf8.RuneSelf:
			of[i] = seenWide
		case c < ' ' || c == 0x7f || c == '"' || c == '\\':
			of[i] = seenEscape
		case '0' <= c && c <= '9':
			of[i] = seenDigit
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '-', c == '.', c == ':':
		default:
			of[i] = seenOther
		}
	}
	return of
}()

// appendString writes a JSON string. s is valid UTF-8. Control characters, DEL
// and the line separators U+2028 and U+2029 are escaped, so that an entry is
// one line for every reader.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[r>>4], hex[r&15])
		case r == '\u2028':
			dst = append(dst, `\u2028`...)
		case r == '\u2029':
			dst = append(dst, `\u2029`...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
