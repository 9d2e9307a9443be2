package audit

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// A name is written as one byte, and perhaps more:
//
//	0            the empty name
//	1 … 62       that many bytes follow, which have a slot from then on
//	63           a length of 63 or more follows, and so many bytes
//	64 … 127     the name in a slot
//	128 … 254    a word
//
// The bytes of a name are its text. A byte of 128 to 254 among them stands for
// a word; the longest that fits is always taken. Where the first is 255 the
// rest is the text as it is, of which some is not ASCII.
const (
	nameLong  = 63
	firstSlot = 64
	maxSlots  = 64
	firstWord = 128
	codedRaw  = 255
)

// slot is a name that an entry bears already: where its bytes are in
// encoder.b.
type slot struct {
	from, to uint32
	symbol   int32 // noSymbol: none
}

// found is a name that is fit to be written.
type found struct {
	text   Name
	symbol int // of the encoder's Names; noSymbol: none
}

const noSymbol = -1

// begin makes an encoder ready for an entry that bears names of a policy.
func (w *encoder) begin(names *Names) {
	w.names = names
	if names != nil && len(w.given) < len(names.symbols) {
		w.given = make([]uint8, len(names.symbols))
	}
}

// end forgets the entry.
func (w *encoder) end() {
	for i := range w.slots[:w.used] {
		if s := w.slots[i].symbol; s >= 0 {
			w.given[s] = 0
		}
	}
	w.used, w.loose, w.names = 0, false, nil
}

// find looks a name up, or through.
func (w *encoder) find(text Name) found {
	if w.names != nil {
		if s := w.names.find(text); s >= 0 {
			return found{text, s}
		}
	}
	return found{clean(text), noSymbol}
}

// text writes a name.
func (w *encoder) text(text Name) { w.put(w.find(text)) }

// put writes a name that was found.
func (w *encoder) put(f found) {
	if f.symbol < 0 {
		w.putLoose(f.text)
		return
	}
	s := &w.names.symbols[f.symbol]
	if s.word != 0 {
		w.b = append(w.b, s.word)
		return
	}
	if at := w.given[f.symbol]; at != 0 {
		w.b = append(w.b, firstSlot+at-1)
		return
	}
	if w.loose && w.again(s.coded) {
		return
	}
	from := w.bytes(len(s.coded))
	w.b = append(w.b, s.coded...)
	w.give(uint32(from), uint32(len(w.b)), int32(f.symbol))
}

// give gives a symbol, which stands in b, a slot, if there is one left.
func (w *encoder) give(from, to uint32, symbol int32) {
	if w.used < maxSlots {
		w.slots[w.used] = slot{from, to, symbol}
		w.used++
		w.given[symbol] = uint8(w.used)
	}
}

// putLoose writes a name that is no symbol.
func (w *encoder) putLoose(text Name) {
	if text == "" {
		w.b = append(w.b, 0)
		return
	}
	w.coded = appendCoded(w.coded[:0], text)
	if len(w.coded) == 1 && w.coded[0] >= firstWord {
		w.b = append(w.b, w.coded[0])
		return
	}
	if w.again(w.coded) {
		return
	}
	from := w.bytes(len(w.coded))
	w.b = append(w.b, w.coded...)
	if w.used < maxSlots {
		w.slots[w.used] = slot{uint32(from), uint32(len(w.b)), -1}
		w.used, w.loose = w.used+1, true
	}
}

// again writes the slot of a name that has one.
func (w *encoder) again(coded []byte) bool {
	for i := range w.slots[:w.used] {
		if s := &w.slots[i]; bytes.Equal(w.b[s.from:s.to], coded) {
			w.b = append(w.b, firstSlot+byte(i))
			return true
		}
	}
	return false
}

// bytes writes the length of a name's bytes, and returns where they begin.
func (w *encoder) bytes(n int) (from int) {
	if n < nameLong {
		w.b = append(w.b, byte(n))
	} else {
		w.b = binary.AppendUvarint(append(w.b, nameLong), uint64(n))
	}
	return len(w.b)
}

// appendCoded appends the bytes of a name.
func appendCoded(dst []byte, text Name) []byte {
	if look(string(text))&seenWide != 0 {
		return append(append(dst, codedRaw), text...)
	}
	for i := 0; i < len(text); {
		n := 0
		for _, w := range wordsBy[text[i]] {
			if word := words[w]; len(text)-i >= len(word) && text[i:i+len(word)] == word {
				dst, n = append(dst, firstWord+w), len(word)
				break
			}
		}
		if n == 0 {
			dst, n = append(dst, text[i]), 1
		}
		i += n
	}
	return dst
}

// wordsBy are the numbers of words by their first byte, the longest first.
var wordsBy = func() (by [256][]byte) {
	for i, w := range words {
		by[w[0]] = append(by[w[0]], byte(i))
	}
	for _, of := range by {
		slices.SortStableFunc(of, func(a, b byte) int { return len(words[b]) - len(words[a]) })
	}
	return by
}()

// name reads what put wrote.
func (d *decoder) name() Name {
	switch c := d.byte(); {
	case c == 0:
		return ""
	case c < nameLong:
		return d.coded(int(c))
	case c == nameLong:
		return d.coded(d.size(2 * maxName))
	case c < firstWord:
		at := int(c - firstSlot)
		if at >= len(d.slots) {
			d.fail("a name that it does not bear")
			return ""
		}
		return d.slots[at]
	default:
		return d.word(c)
	}
}

func (d *decoder) word(c byte) Name {
	if int(c)-firstWord >= len(words) {
		d.fail("a word that this program does not know")
		return ""
	}
	return words[c-firstWord]
}

// coded reads the n bytes of a name.
func (d *decoder) coded(n int) Name {
	b := d.bytes(n)
	if d.why != "" {
		return ""
	}
	var text Name
	if b[0] == codedRaw {
		text = Name(b[1:])
	} else {
		d.scratch = d.scratch[:0]
		for _, c := range b {
			if c < firstWord {
				d.scratch = append(d.scratch, c)
			} else {
				d.scratch = append(d.scratch, d.word(c)...)
			}
		}
		text = Name(d.scratch)
	}
	if len(d.slots) < maxSlots {
		d.slots = append(d.slots, text)
	}
	return text
}
