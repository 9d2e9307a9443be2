package rewrite

import (
	"bytes"
	"strconv"
	"time"

	"chaperone/rules"
	"chaperone/rules/detect"
)

// over is what stands for an age above 89, and for a year that tells of one.
const over = "90+"

// oldest is the age from which on nothing tells of it (45 CFR
// 164.514(b)(2)(i)(C)). A year is taken to tell of the age that is reached in it.
const oldest = 90

// maxAge is the greatest number that is taken for an age.
const maxAge = 130

// thisYear is the current year, UTC.
func thisYear() int { return time.Now().UTC().Year() }

// coarser decides a value whose form is generalize. It reports whether the value
// can be made coarser, and so stays: as it is, where it is coarse enough, or by an
// edit.
func (v *View) coarser(x *value) bool {
	from := v.quote(x)
	mark := len(v.text)
	text := bytes.TrimSpace(v.m.valueText(x))
	var ok bool
	if v.text, ok = v.appendCoarser(v.text, v.generalization(x), text, x.class); !ok {
		v.text = v.text[:from]
		return false
	}
	raw := x.raw
	if x.kind == '"' {
		raw = raw[1 : len(raw)-1]
	}
	if bytes.Equal(v.text[mark:], raw) {
		v.text = v.text[:from]
		return true
	}
	v.unquote(x, from)
	return true
}

// generalization returns what the value is, by the first of its labels that is to
// be made coarser and says it: by its place, then its class, then what detectors
// found.
func (v *View) generalization(x *value) rules.Generalization {
	e := v.m.prog.engine
	says := func(l rules.LabelID) rules.Generalization {
		if l == rules.NoLabel || v.party.sees.Of(l) != rules.Generalize {
			return rules.GeneralizeNothing
		}
		return e.plan.Labels[l].Generalize
	}
	refs := v.m.prog.table.Sets[x.set>>1]
	if x.outside {
		refs = e.texts[x.set].refs
	}
	for _, ref := range refs {
		if g := says(rules.LabelID(ref.Label)); g != rules.GeneralizeNothing {
			return g
		}
	}
	if !x.outside {
		if g := says(e.classLabel(x.class)); g != rules.GeneralizeNothing {
			return g
		}
	}
	for i := range x.spans {
		if x.spans[i].found != 0 {
			if _, label := v.party.identified(&x.spans[i]); says(label) != rules.GeneralizeNothing {
				return says(label)
			}
		}
	}
	return rules.GeneralizeNothing
}

// coarserPart returns the form that a span comes to: drop where it should be made
// coarser and cannot be.
func (v *View) coarserPart(s *span, form rules.Form, label rules.LabelID, class rules.ClassID) rules.Form {
	if form != rules.Generalize {
		return form
	}
	from := len(v.text)
	ok := v.appendPart(s, label, class)
	if v.text = v.text[:from]; !ok {
		return rules.Drop
	}
	return form
}

// appendPart appends what a span within a text becomes.
func (v *View) appendPart(s *span, label rules.LabelID, class rules.ClassID) (ok bool) {
	if s.token() || s.hasCard() || label == rules.NoLabel {
		return false
	}
	v.text, ok = v.appendCoarser(v.text, v.m.prog.engine.plan.Labels[label].Generalize, s.text, class)
	return ok
}

// appendCoarser appends what a text becomes, in ASCII letters, digits and a plus
// sign. It is false, and dst as it was, where the text is not what it should be.
func (v *View) appendCoarser(dst []byte, g rules.Generalization, text []byte, class rules.ClassID) ([]byte, bool) {
	switch g {
	case rules.GeneralizeDate:
		if year := yearOf(text); year != 0 {
			return appendYear(dst, year, v.m.prog.engine.year()), true
		}
	case rules.GeneralizeAge:
		return appendAge(dst, text)
	case rules.GeneralizePostcode:
		return appendArea(dst, text)
	case rules.GeneralizeClass:
		if class != rules.NoClass {
			return append(dst, v.m.prog.engine.fixed.class(class)...), true
		}
	}
	return dst, false
}

// appendYear appends a year, unless it tells of an age above 89.
func appendYear(dst []byte, year, now int) []byte {
	if now-year >= oldest {
		return append(dst, over...)
	}
	return strconv.AppendInt(dst, int64(year), 10)
}

// yearOf returns the year of a date, zero where a text is none: one that
// detect.Date reads, with a time behind it or not, a year and a month, or a year.
func yearOf(text []byte) int {
	if size, year := detect.Date(text); size > 0 {
		if !timeOrNothing(text[size:]) {
			return 0
		}
		return year
	}
	if len(text) == len("1950-01") && text[4] == '-' && month(text[5], text[6]) {
		text = text[:4]
	}
	if len(text) != 4 {
		return 0
	}
	year, err := strconv.Atoi(string(text))
	if err != nil || !detect.ValidYear(year) {
		return 0
	}
	return year
}

// month reports whether two bytes are the number of a month.
func month(tens, ones byte) bool {
	return tens == '0' && ones >= '1' && ones <= '9' || tens == '1' && ones >= '0' && ones <= '2'
}

// timeOrNothing reports whether what follows a date is a time of ISO 8601, in
// hours, minutes and what is usual behind them.
func timeOrNothing(rest []byte) bool {
	if len(rest) == 0 {
		return true
	}
	if len(rest) < len("T10:30") || len(rest) > maxTime || rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' || rest[3] != ':' {
		return false
	}
	for i, c := range rest[1:] {
		if c-'0' <= 9 || i == 2 || i > 4 && bytes.IndexByte([]byte(":.,+-Zz"), c) >= 0 {
			continue
		}
		return false
	}
	return true
}

// maxTime is the length of the longest time: T10:30:00.123456789+01:00.
const maxTime = 26

// appendAge appends an age: itself, or what stands for those above 89.
func appendAge(dst, text []byte) ([]byte, bool) {
	age, n := 0, 0
	for n < len(text) && n < 3 && text[n]-'0' <= 9 {
		age = age*10 + int(text[n]-'0')
		n++
	}
	if n == 0 || n < len(text) || age > maxAge {
		return dst, false
	}
	if age >= oldest {
		return append(dst, over...), true
	}
	return append(dst, text...), true
}

// appendArea appends the area of a postcode: the letters that a UK postcode
// begins with, or the first three digits of a US ZIP code.
func appendArea(dst, text []byte) ([]byte, bool) {
	if len(text) > 0 && text[0]-'0' <= 9 {
		return appendZIP(dst, text)
	}
	var buf [maxPostcode]byte
	n := 0
	for _, c := range text {
		switch {
		case c == ' ' && n > 0:
			continue
		case n == maxPostcode:
			return dst, false
		case c-'0' <= 9:
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			c &^= 0x20
		default:
			return dst, false
		}
		buf[n] = c
		n++
	}
	area, ok := ukArea(buf[:n])
	if !ok {
		return dst, false
	}
	return append(dst, area...), true
}

const maxPostcode = 7

// ukArea returns the area of a UK postcode of capitals and digits, or of its
// outward part: A9, A99, AA9, AA99, A9A and AA9A, with 9AA behind or not.
func ukArea(code []byte) ([]byte, bool) {
	digit := func(i int) bool { return i < len(code) && code[i]-'0' <= 9 }
	area := 0
	for area < len(code) && !digit(area) {
		area++
	}
	if area < 1 || area > 2 || !digit(area) {
		return nil, false
	}
	district := code[area:]
	if n := len(district); n >= 4 && district[n-3]-'0' <= 9 && district[n-2] >= 'A' && district[n-1] >= 'A' {
		district = district[:n-3] // without the inward part
	}
	if len(district) > 2 {
		return nil, false
	}
	return code[:area], true
}

// appendZIP appends the first three digits of a ZIP code of five digits, or of
// nine with a dash. Those of areas with 20,000 people or fewer become 000.
func appendZIP(dst, text []byte) ([]byte, bool) {
	if len(text) != 5 && (len(text) != 10 || text[5] != '-') {
		return dst, false
	}
	for i, c := range text {
		if c-'0' > 9 && i != 5 {
			return dst, false
		}
	}
	if sparse[int(text[0]-'0')*100+int(text[1]-'0')*10+int(text[2]-'0')] {
		return append(dst, "000"...), true
	}
	return append(dst, text[:3]...), true
}

// sparse are the first three digits of the seventeen areas with 20,000 people or
// fewer, as the Department of Health and Human Services lists them in its guidance
// on de-identification, by the census of 2000.
var sparse = func() (t [1000]bool) {
	for _, zip := range [...]int{36, 59, 63, 102, 203, 556, 692, 790, 821, 823, 830, 831, 878, 879, 884, 890, 893} {
		t[zip] = true
	}
	return t
}()
