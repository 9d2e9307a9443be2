package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// A frame of the journal:
//
//	length of the rest   4 bytes, big-endian
//	CRC-32C of the rest  4 bytes
//	sort                 'u' a unit, 'f' forget a unit
//	number               8 bytes: the unit's
//	unit                 chain, entries, commands; numbers are varints
const (
	frameUnit   = 'u'
	frameForget = 'f'
	frameHead   = 4 + 4 + 1 + 8

	// muteBit marks the kind of a command whose sender was told that it lost.
	muteBit = 0x80
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendFrame(dst []byte, sort byte, id uint64, body []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+8+len(body)))
	dst = append(dst, 0, 0, 0, 0, sort)
	dst = binary.BigEndian.AppendUint64(dst, id)
	dst = append(dst, body...)
	binary.BigEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst
}

// journalEntry is a unit read from a journal.
type journalEntry struct {
	id        uint64
	unit      *Unit
	size      int
	forgotten bool
}

// readJournal reads the frames of a journal, and tells how many bytes are
// whole frames.
func readJournal(data []byte) (entries []journalEntry, n int) {
	at := make(map[uint64]int)
	for {
		rest := data[n:]
		if len(rest) < frameHead {
			return entries, n
		}
		size := int(binary.BigEndian.Uint32(rest))
		if size < 1+8 || size > len(rest)-8 {
			return entries, n
		}
		body := rest[8 : 8+size]
		if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(rest[4:]) {
			return entries, n
		}
		id := binary.BigEndian.Uint64(body[1:])
		switch body[0] {
		case frameUnit:
			u, err := decodeUnit(body[9:])
			if err != nil {
				return entries, n
			}
			at[id] = len(entries)
			entries = append(entries, journalEntry{id: id, unit: u, size: size})
		case frameForget:
			if i, ok := at[id]; ok {
				entries[i].forgotten = true
			}
		default:
			return entries, n
		}
		n += 8 + size
	}
}

// encodeUnit writes what a unit is to do. Bodies that went ahead are in it,
// since what went ahead may end before the unit is stored.
func encodeUnit(u *Unit) []byte {
	b := make([]byte, 0, u.encodedSize())
	b = appendText(b, u.Chain)
	b = binary.AppendUvarint(b, uint64(len(u.Entries)))
	for _, e := range u.Entries {
		b = appendText(b, e)
	}
	b = binary.AppendUvarint(b, uint64(len(u.Commands)))
	for i := range u.Commands {
		c := &u.Commands[i]
		kind := byte(c.Kind)
		if c.mute {
			kind |= muteBit
		}
		b = append(b, kind, byte(c.Queue))
		b = appendText(b, c.Key)
		b = appendText(b, c.Member)
		b = appendText(b, c.Value)
		b = binary.AppendUvarint(b, uint64(c.TTL.Milliseconds()))
		b = binary.AppendUvarint(b, uint64(c.Score))
		b = binary.AppendUvarint(b, uint64(c.From))
		if c.Kind == SetUnless {
			b = appendText(b, c.Unless)
		}
	}
	return b
}

func (u *Unit) encodedSize() int {
	n := len(u.Chain) + 32
	for _, e := range u.Entries {
		n += len(e) + 5
	}
	for i := range u.Commands {
		c := &u.Commands[i]
		n += len(c.Key) + len(c.Unless) + len(c.Member) + len(c.Value) + 48
	}
	return n
}

func appendText[T string | []byte](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

var errUnit = errors.New("store: malformed unit in the journal")

// decodeUnit is the inverse of encodeUnit. The unit shares no memory with b.
func decodeUnit(b []byte) (*Unit, error) {
	r := &unitReader{rest: b}
	u := &Unit{Chain: string(r.text())}
	for range r.count() {
		u.Entries = append(u.Entries, r.text())
	}
	for range r.count() {
		kind := r.byte()
		c := Command{Kind: Kind(kind &^ muteBit), mute: kind&muteBit != 0, Queue: Queue(r.byte())}
		c.Key, c.Member, c.Value = string(r.text()), string(r.text()), r.text()
		c.TTL = time.Duration(r.number()) * time.Millisecond
		c.Score, c.From = int64(r.number()), int64(r.number())
		if c.Kind == SetUnless {
			c.Unless = string(r.text())
		}
		if err := c.valid(); err != nil {
			return nil, errors.Join(errUnit, err)
		}
		u.Commands = append(u.Commands, c)
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errUnit
	}
	return u, nil
}

// unitReader reads a unit's parts; after a mistake it gives zeroes, and bad is
// set.
type unitReader struct {
	rest []byte
	bad  bool
}

func (r *unitReader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *unitReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > 1<<62 {
		r.bad = true
		r.rest = nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads how many parts follow, of at least one byte each.
func (r *unitReader) count() int {
	v := r.number()
	if v > uint64(len(r.rest)) {
		r.bad = true
		r.rest = nil
		return 0
	}
	return int(v)
}

func (r *unitReader) text() []byte {
	n := r.count()
	if n == 0 {
		return nil
	}
	t := append(make([]byte, 0, n), r.rest[:n]...)
	r.rest = r.rest[n:]
	return t
}
