package audit

import (
	"encoding/base32"
	"encoding/binary"
)

// The stored form of an ID: a byte that says what follows, and that. The first
// of these that an ID is, it is written as.
const (
	idText  = 0    // the length, and the text
	idNode  = 0x80 // "node-", and how many letters, and these
	idShell = 0x81 // "cli-", likewise
	idHash  = 0x82 // 32 bytes, whose text is base32
	// 1 to maxLetters is how many letters follow, five bits each.
	maxLetters = 0x7f
)

const (
	prefixNode  = "node-"
	prefixShell = "cli-"
	hashBytes   = 32
	hashLetters = 52
)

// alphabet is vault/letters'. It is part of the format.
const alphabet = "abcdefghijkmnpqrstuvwxyzACDEFHJK"

// letterValues are the values of the alphabet's letters; noLetter for what is
// none.
var letterValues = func() (of [256]byte) {
	for i := range of {
		of[i] = noLetter
	}
	for i := range len(alphabet) {
		of[alphabet[i]] = byte(i)
	}
	return of
}()

const noLetter = 0xff

// base32lower writes the hash of a plan.
var base32lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// appendID appends the stored form of an ID, of Redacted where it is none. The
// empty ID is an empty text.
func appendID(dst []byte, id ID) []byte {
	if out, ok := appendLetters(dst, string(id)); ok {
		return out
	}
	if len(id) > len(prefixNode) && id[:len(prefixNode)] == prefixNode {
		if out, ok := appendLetters(append(dst, idNode), string(id[len(prefixNode):])); ok {
			return out
		}
	}
	if len(id) > len(prefixShell) && id[:len(prefixShell)] == prefixShell {
		if out, ok := appendLetters(append(dst, idShell), string(id[len(prefixShell):])); ok {
			return out
		}
	}
	if len(id) == hashLetters {
		if out, ok := appendHash(dst, string(id)); ok {
			return out
		}
	}
	if len(id) > maxID || look(string(id)) != 0 {
		id = Redacted
	}
	dst = append(dst, idText)
	dst = binary.AppendUvarint(dst, uint64(len(id)))
	return append(dst, id...)
}

// appendLetters appends how many letters a text has, and these, if it has no
// other bytes. Letters hold no digit, so that there is no more to ask.
func appendLetters(dst []byte, s string) ([]byte, bool) {
	if s == "" || len(s) > maxLetters {
		return nil, false
	}
	end := len(dst) + 1 + (5*len(s)+7)/8
	dst = append(dst, byte(len(s)))
	var seen byte
	for ; len(s) >= 8; s = s[8:] {
		c := letterValues[s[0]]
		v := uint64(c)
		seen |= c
		c = letterValues[s[1]]
		v, seen = v<<5|uint64(c), seen|c
		c = letterValues[s[2]]
		v, seen = v<<5|uint64(c), seen|c
		c = letterValues[s[3]]
		v, seen = v<<5|uint64(c), seen|c
		c = letterValues[s[4]]
		v, seen = v<<5|uint64(c), seen|c
		c = letterValues[s[5]]
		v, seen = v<<5|uint64(c), seen|c
		c = letterValues[s[6]]
		v, seen = v<<5|uint64(c), seen|c
		c = letterValues[s[7]]
		v, seen = v<<5|uint64(c), seen|c
		dst = binary.BigEndian.AppendUint64(dst, v<<24)[:len(dst)+5]
	}
	if len(s) > 0 {
		v := uint64(0)
		for i := range len(s) {
			c := letterValues[s[i]]
			v, seen = v<<5|uint64(c), seen|c
		}
		dst = binary.BigEndian.AppendUint64(dst, v<<(64-5*len(s)))
	}
	if seen == noLetter {
		return nil, false
	}
	return dst[:end], true
}

// appendHash appends the bytes of a hash whose text is s, if s is that of one.
func appendHash(dst []byte, s string) ([]byte, bool) {
	var text, again [hashLetters]byte
	var hash [hashBytes]byte
	copy(text[:], s)
	if n, err := base32lower.Decode(hash[:], text[:]); err != nil || n != hashBytes {
		return dst, false
	}
	base32lower.Encode(again[:], hash[:])
	if again != text || look(s)&seenDigits != 0 {
		return dst, false
	}
	return append(append(dst, idHash), hash[:]...), true
}

// id reads what appendID wrote.
func (d *decoder) id() ID {
	switch tag := d.byte(); tag {
	case idText:
		n := d.varint()
		if n > maxID {
			d.fail("a length that none has")
		}
		return ID(d.bytes(int(min(n, maxID))))
	case idNode:
		return prefixNode + d.letters(int(d.byte()))
	case idShell:
		return prefixShell + d.letters(int(d.byte()))
	case idHash:
		b := d.bytes(hashBytes)
		if len(b) != hashBytes {
			return ""
		}
		return ID(base32lower.EncodeToString(b))
	default:
		if tag > maxLetters {
			d.fail("an id of a kind that this program does not know")
			return ""
		}
		return d.letters(int(tag))
	}
}

// letters reads n letters.
func (d *decoder) letters(n int) ID {
	if n == 0 || n > maxLetters {
		d.fail("an id of no length")
		return ""
	}
	b := d.bytes((5*n + 7) / 8)
	if d.why != "" {
		return ""
	}
	var text [maxLetters]byte
	v, bits, at := uint64(0), 0, 0
	for i := range n {
		if bits < 5 {
			v, bits, at = v<<8|uint64(b[at]), bits+8, at+1
		}
		bits -= 5
		text[i] = alphabet[v>>bits&31]
	}
	return ID(text[:n])
}
