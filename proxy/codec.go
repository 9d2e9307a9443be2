package proxy

import (
	"encoding/binary"
	"errors"
)

// errRegister says that a register's content is not what this version writes.
var errRegister = errors.New("proxy: malformed register")

// Registers are written as a version byte and then members in a fixed order:
// numbers as unsigned varints, texts with their length in front. There are no
// optional members and no tags: a new layout gets a new version.

// These are calls, and not written out wherever they are used: a register is
// written by a few dozen of them, once, and its code would have to be fetched
// for each request.

//go:noinline
func appendNumber(dst []byte, n uint64) []byte { return appendVarint(dst, n) }

func appendSigned(dst []byte, n int64) []byte {
	return appendNumber(dst, uint64(n<<1)^uint64(n>>63))
}

//go:noinline
func appendBytes(dst, b []byte) []byte {
	return append(appendVarint(dst, uint64(len(b))), b...)
}

// appendTexts appends texts, one after the other.
//
//go:noinline
func appendTexts(dst []byte, texts ...string) []byte {
	for _, s := range texts {
		dst = append(appendVarint(dst, uint64(len(s))), s...)
	}
	return dst
}

// appendVarint is binary.AppendUvarint, with the numbers of one byte, which are
// nearly all, first. It is written out in those above.
func appendVarint(dst []byte, n uint64) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	return binary.AppendUvarint(dst, n)
}

func appendFlag(dst []byte, f bool) []byte {
	if f {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// decoder reads what the append functions wrote. After the first fault every
// read gives nothing.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) version(want byte) { d.versionOf(want, want) }

// versionOf reads a version that is one of those from first to last, and gives
// it.
func (d *decoder) versionOf(first, last byte) byte {
	if len(d.b) == 0 || d.b[0] < first || d.b[0] > last {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.b)
	if d.bad || size <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[size:]
	return n
}

// signed reads what appendSigned wrote.
func (d *decoder) signed() int64 {
	n := d.number()
	return int64(n>>1) ^ -int64(n&1)
}

// count reads a number of members of at least one byte each.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.b)) {
		d.bad = true
		return 0
	}
	return int(n)
}

// small reads a number that fits a positive int32.
func (d *decoder) small() int {
	n := d.number()
	if n > 1<<31-1 {
		d.bad = true
		return 0
	}
	return int(n)
}

// bytes returns a part of the decoder's own slice.
func (d *decoder) bytes() []byte {
	n := d.count()
	if d.bad {
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) flag() bool { return d.small() == 1 }

func (d *decoder) done() error {
	if d.bad || len(d.b) != 0 {
		return errRegister
	}
	return nil
}
