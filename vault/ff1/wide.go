package ff1

import (
	"crypto/aes"
	"encoding/binary"
	"math/big"
)

// wide is FF1 for any length, word for word as SP 800-38G has it. It allocates.
func (c *Cipher) wide(dst, tweak, digits []byte, encrypt bool) []byte {
	n := len(digits)
	u := n / 2
	v := n - u
	a, _ := new(big.Int).SetString(string(digits[:u]), radix)
	b, _ := new(big.Int).SetString(string(digits[u:]), radix)
	modU := new(big.Int).Exp(big.NewInt(radix), big.NewInt(int64(u)), nil)
	modV := new(big.Int).Exp(big.NewInt(radix), big.NewInt(int64(v)), nil)
	mods := [2]*big.Int{modU, modV}
	byteLen := (new(big.Int).Sub(modV, big.NewInt(1)).BitLen() + 7) / 8

	if encrypt {
		for i := range rounds {
			y := c.wideRound(tweak, n, i, byteLen, b)
			y.Add(a, y).Mod(y, mods[i&1])
			a, b = b, y
		}
	} else {
		for i := rounds - 1; i >= 0; i-- {
			y := c.wideRound(tweak, n, i, byteLen, a)
			y.Sub(b, y).Mod(y, mods[i&1])
			a, b = y, a
		}
	}
	return wideFormat(wideFormat(dst, a, u), b, v)
}

// wideRound returns y of steps 6.i to 6.iv.
func (c *Cipher) wideRound(tweak []byte, n, round, byteLen int, half *big.Int) *big.Int {
	const size = aes.BlockSize
	p := make([]byte, size, size+len(tweak)+byteLen+size)
	copy(p, []byte{1, 2, 1, 0, 0, radix, rounds, byte(n / 2)})
	binary.BigEndian.PutUint32(p[8:], uint32(n))
	binary.BigEndian.PutUint32(p[12:], uint32(len(tweak)))
	p = append(p, tweak...)
	for (len(p)+1+byteLen)%size != 0 {
		p = append(p, 0)
	}
	p = append(p, byte(round))
	p = append(p, half.FillBytes(make([]byte, byteLen))...)

	r := make([]byte, size)
	for i, b := range p { // CBC-MAC
		r[i%size] ^= b
		if i%size == size-1 {
			c.block.Encrypt(r, r)
		}
	}
	d := 4*((byteLen+3)/4) + 4
	s := append(make([]byte, 0, d+size), r...)
	for j := uint64(1); len(s) < d; j++ {
		next := append([]byte(nil), r...)
		low := binary.BigEndian.Uint64(next[8:])
		binary.BigEndian.PutUint64(next[8:], low^j)
		c.block.Encrypt(next, next)
		s = append(s, next...)
	}
	return new(big.Int).SetBytes(s[:d])
}

// wideFormat appends v as exactly n digits.
func wideFormat(dst []byte, v *big.Int, n int) []byte {
	text := v.Text(radix)
	for range n - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}
