package rewrite

import (
	"encoding/binary"
	"unsafe"
)

// wordAt returns the eight bytes at p[i], little-endian. The caller knows that
// they are there: the scan looks at the body's end once for all that it reads of
// a member, which a slice's own checks would do for each word.
func wordAt(p unsafe.Pointer, i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, i))[:])
}

// halfAt is wordAt for four bytes.
func halfAt(p unsafe.Pointer, i int) uint32 {
	return binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(p, i))[:])
}

// byteAt is wordAt for one byte.
func byteAt(p unsafe.Pointer, i int) byte { return *(*byte)(unsafe.Add(p, i)) }

const (
	blanks = 0x2020202020202020
	zeros  = 0x3030303030303030
	beyond = 0x7676767676767676 // 0x80 - 10
)

// nonDigits sets the high bit of the first byte of x that is no ASCII digit.
// Bits above the first may be wrong where x is not ASCII.
func nonDigits(x uint64) uint64 { return ((x ^ zeros) + beyond | x) & highs }

// digitsAt counts the digits of an ASCII text of n bytes at p[i], from 8 to 127.
func digitsAt(p unsafe.Pointer, i, n int) int {
	others, at := uint64(0), 0 // a counter in each byte
	for ; at <= n-8; at += 8 {
		others += nonDigits(wordAt(p, i+at)) >> 7
	}
	if at < n { // the last word without what was counted before
		others += nonDigits(wordAt(p, i+n-8)>>(uint(8-n+at)*8)) >> 7
		at += 8
	}
	return at - int(others*ones>>56)
}
