package vault

import (
	"crypto/subtle"
	"encoding/binary"

	"chaperone/vault/keys"
)

// A pan token of a card number of n digits d1 … dn has n digits too:
//
//	t1            the first digit of the symbol: 1, 7 or 8
//	t2 … t(n-5)   FF1 of d2 … d(n-5) under the key of the generation; the tweak
//	              is the scope, n, d1, the generation and the last four
//	t(n-4)        whatever gives the whole the symbol's Luhn remainder, 1 to 9
//	the rest      the last four digits, as they are
//
// The symbol names the card's first digit and the slot of the generation, by
// the table below. d(n-4) needs no room: a card number is valid by Luhn, so the
// others give it. The token never is, and is below 9·10^(n-1): as a JSON number
// it has no leading zero, and of 16 digits it is below 2^53, of 19 below 2^63.
const (
	minPAN = 12 // so that FF1 has six digits at least
	maxPAN = 19
	last   = 4 // digits that stay
)

// symbol is a first digit and a Luhn remainder.
type symbol struct {
	first     byte
	remainder int
}

// symbols is frozen: every token ever minted depends on it. The row is the
// card's first digit, 2 to 6; the column is the slot of the generation. Of the
// 27 symbols, (8, 8) and (8, 9) are not in use and no token has them.
var symbols = [5][keys.PANSlots]symbol{
	{{'1', 1}, {'1', 2}, {'1', 3}, {'1', 4}, {'1', 5}},
	{{'1', 6}, {'1', 7}, {'1', 8}, {'1', 9}, {'7', 1}},
	{{'7', 2}, {'7', 3}, {'7', 4}, {'7', 5}, {'7', 6}},
	{{'7', 7}, {'7', 8}, {'7', 9}, {'8', 1}, {'8', 2}},
	{{'8', 3}, {'8', 4}, {'8', 5}, {'8', 6}, {'8', 7}},
}

const firstPANDigit = '2' // of the first row

// bySymbol is symbols turned round: by first digit (1, 7, 8) and remainder, the
// row and column plus one, or zeros.
var bySymbol = func() (t [3][10]struct{ row, column int }) {
	for row := range symbols {
		for column, s := range symbols[row] {
			e := &t[firstIndex(s.first)][s.remainder]
			e.row, e.column = row+1, column+1
		}
	}
	return t
}()

// firstIndex orders the first digits of tokens; -1 for any other byte.
func firstIndex(first byte) int {
	switch first {
	case '1':
		return 0
	case '7':
		return 1
	case '8':
		return 2
	}
	return -1
}

// luhn returns the sum of Luhn's formula modulo ten, zero for a valid number;
// ok is false where there is anything but digits.
func luhn(digits []byte) (sum int, ok bool) {
	total, wrong := uint64(0), uint64(0)
	for len(digits) > 0 {
		// Eight digits from the end, the last one in the uppermost byte; zeros
		// stand in for those that there are not.
		eight := zeros
		if n := len(digits) - 8; n >= 0 {
			eight, digits = binary.LittleEndian.Uint64(digits[n:]), digits[:n]
		} else {
			for _, d := range digits {
				eight = eight>>8 | uint64(d)<<56
			}
			digits = nil
		}
		// A digit has a three above, also with six more.
		wrong |= (eight&upper ^ zeros) | ((eight+sixes)&upper ^ zeros)
		eight &^= upper
		once, twice := eight>>8&each, eight&each
		over := (twice + each&fives) >> 7 & ones // twice five to nine is ten to eighteen, whose digits are nine less
		total += (once + 2*twice - 9*over) * ones >> 48
	}
	return int(total % 10), wrong == 0
}

// Words of eight digits, and of four in the lower bytes of pairs.
const (
	zeros = uint64(0x3030303030303030)
	upper = 0xf0f0f0f0f0f0f0f0
	sixes = 0x0606060606060606
	each  = 0x00ff00ff00ff00ff
	fives = 0x7b7b7b7b7b7b7b7b // and five is 128
	ones  = 0x0001000100010001
)

// symbolOf returns the card's first digit and the slot that a token names; ok
// is false where token does not have the shape of a pan token.
func symbolOf(token []byte) (first byte, slot int, ok bool) {
	if len(token) < minPAN || len(token) > maxPAN {
		return 0, 0, false
	}
	i := firstIndex(token[0])
	if i < 0 {
		return 0, 0, false
	}
	remainder, ok := luhn(token)
	if !ok {
		return 0, 0, false
	}
	e := bySymbol[i][remainder]
	if e.row == 0 {
		return 0, 0, false
	}
	return byte(firstPANDigit + e.row - 1), e.column - 1, true
}

// IsPANToken says whether digits have the shape of a pan token: 12 to 19 of
// them, the first one 1, 7 or 8, and one of the 25 symbols in use. No valid
// card number has it; of all other numbers of that length, about a quarter have.
func IsPANToken(digits []byte) bool {
	_, _, ok := symbolOf(digits)
	return ok
}

// The tweak of FF1: the scope's digest, n, d1, the generation, the last four.
const (
	scopeTweak = 16
	tweakSize  = scopeTweak + 3 + last
)

func (t *Tokens) panTweak(n int, first byte, generation int, lastFour []byte) (tweak [tweakSize]byte) {
	copy(tweak[:], t.tweak[:])
	tweak[scopeTweak], tweak[scopeTweak+1], tweak[scopeTweak+2] = byte(n), first, byte(generation)
	copy(tweak[scopeTweak+3:], lastFour)
	return tweak
}

// MintPAN appends the token of a card number (digits only) to dst, which must
// not overlap it. The same card has the same token until the keys rotate. The
// caller stores the token's IndexKey before anybody sees the token. ErrNotPAN
// says that a pan token cannot stand for the value; dst is then returned as it
// was. It does not allocate where dst has room.
func (t *Tokens) MintPAN(dst, digits []byte) ([]byte, error) {
	n := len(digits)
	if n < minPAN || n > maxPAN || digits[0] < firstPANDigit || int(digits[0]-firstPANDigit) >= len(symbols) {
		return dst, ErrNotPAN
	}
	if sum, ok := luhn(digits); !ok || sum != 0 || !plausible(digits) {
		return dst, ErrNotPAN
	}
	live := t.ring.PAN()
	key := live.Slots[live.Current]
	s := symbols[digits[0]-firstPANDigit][live.Current]
	tweak := t.panTweak(n, digits[0], key.Generation, digits[n-last:])

	from := len(dst)
	out, err := key.Cipher.Encrypt(append(dst, s.first), tweak[:], digits[1:n-last-1])
	if err != nil {
		return dst, ErrNotPAN
	}
	out = append(append(out, '0'), digits[n-last:]...)
	setRemainder(out[from:], s.remainder)
	return out, nil
}

// setRemainder changes the digit before the last four, which is '0', so that
// the number has a Luhn remainder. Four digits stand behind it, so the formula
// counts it once.
func setRemainder(number []byte, remainder int) {
	sum, _ := luhn(number)
	number[len(number)-last-1] = byte('0' + (remainder-sum+10)%10)
}

// RevealPAN appends the card number of a token to dst, which must not overlap
// it. It tells neither a forged nor a mistyped token from a real one: those
// decode to some other card number. The caller must have found the token's
// IndexKey in the store, and then RevealKnown is the one to call. ErrUnknown
// says that no card can be behind the token; dst is then returned as it was.
// It does not allocate where dst has room.
func (t *Tokens) RevealPAN(dst, token []byte) ([]byte, error) {
	first, slot, ok := symbolOf(token)
	if !ok {
		return dst, ErrUnknown
	}
	return t.revealPAN(dst, token, t.ring.PAN(), first, slot)
}

// RevealKnown is RevealPAN for a token that the index knows under key, which
// IndexKey gave. Where the keyring has changed since, so that the token would
// now be decoded by another generation than the one that was asked for, it is
// ErrUnknown.
func (t *Tokens) RevealKnown(dst, token, key []byte) ([]byte, error) {
	live := t.ring.PAN()
	first, slot, ok := symbolOf(token)
	if !ok {
		return dst, ErrUnknown
	}
	var buf [IndexKeyLen]byte
	if subtle.ConstantTimeCompare(t.indexKey(buf[:0], token, live.Slots[slot].Generation), key) != 1 {
		return dst, ErrUnknown
	}
	return t.revealPAN(dst, token, live, first, slot)
}

// revealPAN is RevealPAN for a token whose symbol names the card's first digit
// and the slot.
func (t *Tokens) revealPAN(dst, token []byte, live *keys.PANKeys, first byte, slot int) ([]byte, error) {
	if live.Slots[slot].Cipher == nil {
		return dst, ErrUnknown
	}
	n := len(token)
	key := live.Slots[slot]
	tweak := t.panTweak(n, first, key.Generation, token[n-last:])

	from := len(dst)
	out, err := key.Cipher.Decrypt(append(dst, first), tweak[:], token[1:n-last-1])
	if err != nil {
		return dst, ErrUnknown
	}
	out = append(append(out, '0'), token[n-last:]...)
	setRemainder(out[from:], 0)
	if !plausible(out[from:]) {
		clear(out[from:])
		return dst, ErrUnknown
	}
	return out, nil
}
