package basket

import (
	"unicode"
	"unicode/utf8"
)

// phrases is a set of folded phrases as a trie over words. A phrase occurs in
// a text where its words do, one after the other; what stands between words
// does not matter. A word is a run of letters, digits and marks.
//
// A text costs one look-up per word that begins no phrase, however many
// phrases there are, and at most as many as the longest phrase has words.
type phrases struct {
	words map[string]int32 // ids of the words of all phrases
	first []int32          // by word id: the node of phrases that begin with it, -1 for none
	next  map[edge]int32
	final []bool // by node: a phrase ends here
}

// edge leads from a node by a word.
type edge struct{ node, word int32 }

// newPhrases compiles phrases. One without a word never occurs.
func newPhrases(list []string) *phrases {
	p := &phrases{words: map[string]int32{}, next: map[edge]int32{}}
	var buf []byte
	for _, phrase := range list {
		buf = fold(buf[:0], []byte(phrase))
		node := int32(-1)
		for start, end := word(buf, 0); start < end; start, end = word(buf, end) {
			node = p.extend(node, p.id(string(buf[start:end])))
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
	for start, end := word(text, 0); start < end; start, end = word(text, end) {
		if id, ok := p.words[string(text[start:end])]; ok && p.first[id] >= 0 && p.follow(p.first[id], text, end) {
			return true
		}
	}
	return false
}

// follow reports whether the text from i on leads from a node to the end of a
// phrase.
func (p *phrases) follow(node int32, text []byte, i int) bool {
	for !p.final[node] {
		start, end := word(text, i)
		if start == end {
			return false
		}
		id, ok := p.words[string(text[start:end])]
		if !ok {
			return false
		}
		if node, ok = p.next[edge{node, id}]; !ok {
			return false
		}
		i = end
	}
	return true
}

// word returns the next word at or behind i; start == end means none.
func word(text []byte, i int) (start, end int) {
	for i < len(text) {
		ok, size := inWord(text[i:])
		if ok {
			break
		}
		i += size
	}
	start = i
	for i < len(text) {
		ok, size := inWord(text[i:])
		if !ok {
			break
		}
		i += size
	}
	return start, i
}

// inWord reports whether the first character belongs to a word.
func inWord(text []byte) (ok bool, size int) {
	c := text[0]
	if c < utf8.RuneSelf {
		return c >= 'a' && c <= 'z' || c-'0' <= 9, 1
	}
	r, size := utf8.DecodeRune(text)
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r), size
}
