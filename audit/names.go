package audit

import (
	"math/bits"
	"unicode/utf8"
)

// Names are the names of a policy, looked through and brought into their stored
// form once, so that an entry costs a look-up for each that it bears. It is
// never changed: safe for concurrent use.
//
// A name of an entry that is among them is written as what was looked through;
// any other is looked through then and there. Nothing is taken on trust: they
// are the same if all their bytes are.
type Names struct {
	plan      ID
	planCoded []byte
	symbols   []symbol
	table     []uint16 // index of symbols plus one, by spread
	shift     uint8
}

// symbol is a name.
type symbol struct {
	text  Name
	coded []byte // without a length
	word  byte   // that it is; 0: it is none
}

// maxSymbols bounds Names, and maxProbes how far a name is from its place;
// further ones are written as those of nobody.
const (
	maxSymbols = 1 << 14
	maxProbes  = 8
)

// NewNames returns the names of the policy with the hash plan, and the words of
// the format. Those that are empty, come again, or would be redacted, are left
// out.
func NewNames(plan ID, names ...Name) *Names {
	n := &Names{plan: plan}
	if plan != "" {
		n.planCoded = appendID(nil, plan)
	}
	size := 4 * 256
	for size < 4*(len(words)+len(names)) && size < 4*maxSymbols {
		size *= 2
	}
	n.table = make([]uint16, size)
	n.shift = uint8(64 - bits.TrailingZeros(uint(size)))
	for _, text := range words {
		n.add(text)
	}
	for _, text := range names {
		n.add(text)
	}
	return n
}

// Has reports whether a name is among them.
func (n *Names) Has(text Name) bool { return n.find(text) >= 0 }

func (n *Names) add(text Name) {
	if text == "" || clean(text) != text || len(n.symbols) == maxSymbols {
		return
	}
	at := spread(text) >> n.shift
	for range maxProbes {
		slot := &n.table[at]
		if *slot == 0 {
			s := symbol{text: text, coded: appendCoded(nil, text)}
			if len(s.coded) == 1 && s.coded[0] >= firstWord {
				s.word = s.coded[0]
			}
			n.symbols = append(n.symbols, s)
			*slot = uint16(len(n.symbols))
			return
		}
		if n.symbols[*slot-1].text == text {
			return
		}
		at = (at + 1) & uint64(len(n.table)-1)
	}
}

// find returns the symbol of a name, -1 if it has none.
func (n *Names) find(text Name) int {
	at := spread(text) >> n.shift
	for range maxProbes {
		slot := n.table[at]
		if slot == 0 {
			break
		}
		if n.symbols[slot-1].text == text {
			return int(slot - 1)
		}
		at = (at + 1) & uint64(len(n.table)-1)
	}
	return -1
}

// much spreads bits: 2^64 by the golden ratio.
const much = 0x9E3779B97F4A7C15

// spread hashes a name. Its upper bits are good.
func spread(s Name) uint64 {
	n := len(s)
	h, last := uint64(n), uint64(0)
	switch {
	case n >= 8:
		for rest := s; len(rest) > 8; rest = rest[8:] {
			h = bits.RotateLeft64((h^word64(rest))*much, 32)
		}
		last = word64(s[n-8:])
	case n >= 4:
		last = uint64(word32(s))<<32 | uint64(word32(s[n-4:]))
	case n > 0:
		last = uint64(s[0])<<16 | uint64(s[n/2])<<8 | uint64(s[n-1])
	}
	h = (h ^ last) * much
	return (h ^ h>>32) * much
}

func word32(s Name) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func word64(s Name) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// clean returns the name, or Redacted in its place.
func clean(text Name) Name {
	what := look(string(text))
	if len(text) > maxName || what&seenDigits != 0 || what&seenWide != 0 && !utf8.ValidString(string(text)) {
		return Redacted
	}
	return text
}
