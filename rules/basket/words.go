package basket

import (
	"math/bits"
	"unicode"
	"unicode/utf8"
)

// phrases is a set of folded phrases as a trie over words. A phrase occurs in
// a text where its words do, one after the other; what stands between words
// does not matter. A word is a run of letters, digits and marks.
//
// A word that begins no phrase costs one look at a bit set that is as sparse
// for many phrases as for few; the others at most as many look-ups as the
// longest phrase has words.
type phrases struct {
	begins []uint64         // bits by hash of the words that phrases begin with
	shift  uint             // from a hash to a bit
	words  map[string]int32 // ids of the words of all phrases
	first  []int32          // by word id: the node of phrases that begin with it, -1 for none
	next   map[edge]int32
	final  []bool // by node: a phrase ends here
}

// edge leads from a node by a word.
type edge struct{ node, word int32 }

// newPhrases compiles phrases. One without a word never occurs.
func newPhrases(list []string) *phrases {
	p := &phrases{words: map[string]int32{}, next: map[edge]int32{}}
	size := max(6, bits.Len(uint(len(list)))+4) // 16 to 32 bits a phrase
	p.begins, p.shift = make([]uint64, 1<<(size-6)), uint(64-size)
	var buf []byte
	for _, phrase := range list {
		buf = fold(buf[:0], []byte(phrase))
		node := int32(-1)
		for w := word(buf, 0); w.start < w.end; w = word(buf, w.end) {
			if node < 0 {
				bit := w.hash >> p.shift
				p.begins[bit/64] |= 1 << (bit % 64)
			}
			node = p.extend(node, p.id(string(buf[w.start:w.end])))
		}
		if node >= 0 {
			p.final[node] = true
		}
	}
	return p
}

// id returns the id of a word, a new one if need be.
func (p *phrases) id(w string) int32 {
	id, ok := p.words[w]
	if !ok {
		id = int32(len(p.first))
		p.words[w] = id
		p.first = append(p.first, -1)
	}
	return id
}

// extend returns the node that a word leads to, a new one if need be; node -1
// is the root.
func (p *phrases) extend(node, id int32) int32 {
	to, ok := p.step(node, id)
	if !ok {
		to = int32(len(p.final))
		p.final = append(p.final, false)
		if node < 0 {
			p.first[id] = to
		} else {
			p.next[edge{node, id}] = to
		}
	}
	return to
}

func (p *phrases) step(node, id int32) (int32, bool) {
	if node < 0 {
		return p.first[id], p.first[id] >= 0
	}
	to, ok := p.next[edge{node, id}]
	return to, ok
}

// occur reports whether any phrase occurs in a folded text.
func (p *phrases) occur(text []byte) bool {
	for w := word(text, 0); w.start < w.end; w = word(text, w.end) {
		bit := w.hash >> p.shift
		if p.begins[bit/64]>>(bit%64)&1 == 0 {
			continue
		}
		if id, ok := p.words[string(text[w.start:w.end])]; ok && p.first[id] >= 0 && p.follow(p.first[id], text, w.end) {
			return true
		}
	}
	return false
}

// follow reports whether the text from i on leads from a node to the end of a
// phrase.
func (p *phrases) follow(node int32, text []byte, i int) bool {
	for !p.final[node] {
		w := word(text, i)
		if w.start == w.end {
			return false
		}
		id, ok := p.words[string(text[w.start:w.end])]
		if !ok {
			return false
		}
		if node, ok = p.next[edge{node, id}]; !ok {
			return false
		}
		i = w.end
	}
	return true
}

// found is a word of a text, with a hash of its bytes.
type found struct {
	start, end int
	hash       uint64
}

// spread makes a hash of bytes that were mixed by rotation. A body's words may
// well collide: they then cost a look at the map, no more.
const spread = 0x9E3779B97F4A7C15

// word returns the next word at or behind i; start == end means none.
func word(text []byte, i int) found {
	for i < len(text) && !wordByte[text[i]] {
		if text[i] >= utf8.RuneSelf {
			ok, size := wideLetter(text[i:])
			if ok {
				break
			}
			i += size - 1
		}
		i++
	}
	w := found{start: i}
	for i < len(text) {
		c := text[i]
		if !wordByte[c] {
			if c < utf8.RuneSelf {
				break
			}
			ok, size := wideLetter(text[i:])
			if !ok {
				break
			}
			for ; size > 1; size-- { // the last byte is hashed below
				w.hash = bits.RotateLeft64(w.hash, 5) ^ uint64(text[i])
				i++
			}
			c = text[i]
		}
		w.hash = bits.RotateLeft64(w.hash, 5) ^ uint64(c)
		i++
	}
	w.end, w.hash = i, w.hash*spread
	return w
}

// wordByte marks the folded ASCII letters and digits.
var wordByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
	}
	return t
}()

// wideLetter reports whether the first character, beyond ASCII, belongs to a
// word.
func wideLetter(text []byte) (ok bool, size int) {
	r, size := utf8.DecodeRune(text)
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r), size
}
