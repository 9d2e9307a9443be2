package store

import "encoding/binary"

// A batch's log records go into few stream entries, for Redis takes as long for
// an entry of one record as for an entry of many. An entry's id is the sequence
// number of its last record. Its fields:
//
//	e  the records' entries, one after the other
//	h  their hashes, of 32 bytes each
//	l  the lengths of the entries, 4 bytes each, big-endian; none where there is
//	   one record, which is how all were written once
//
// So a record cannot be removed without those beside it, but is as it was in
// all else: the chain runs through its hash, and what it holds is under that.

const (
	packRecords = 128
	packBytes   = 32 << 10
)

// packOf gives how many of the first records share an entry. It depends on the
// records alone: a batch that is sent again has the entries that it had.
func packOf(recs []LogRecord) int {
	n, size := 0, 0
	for n < len(recs) && n < packRecords {
		if size += len(recs[n].Entry); n > 0 && size > packBytes {
			break
		}
		n++
	}
	return n
}

const (
	headAdd     = "\r\n$4\r\nxadd\r\n"
	argNoMake   = "$10\r\nnomkstream\r\n"
	fieldEntry  = "$1\r\ne\r\n"
	fieldHash   = "$1\r\nh\r\n"
	fieldLength = "$1\r\nl\r\n"
)

// log appends a batch's records and the question for the log's length.
func (p *program) log(b *Batch) {
	if len(b.Records) == 0 {
		return
	}
	key := p.d.logKey(b.Chain)
	for recs := b.Records; len(recs) > 0; {
		n := packOf(recs)
		p.pack(key, recs[:n])
		recs = recs[n:]
	}
	p.call(2, "xlen")
	arg(p, key)
	p.sink(sink{to: toLength, shape: number})
}

// pack appends one entry of the log's stream. Only the first of a chain may
// make the stream: where it is missing later, the store has lost it.
func (p *program) pack(key string, recs []LogRecord) {
	n := byte(7)
	if recs[0].Seq > 1 {
		n++
	}
	if len(recs) > 1 {
		n += 2
	}
	if n < 10 {
		p.buf = append(p.buf, '*', '0'+n)
	} else {
		p.buf = append(p.buf, '*', '1', '0')
	}
	p.put(headAdd)
	p.key(key)
	if recs[0].Seq > 1 {
		p.put(argNoMake)
	}
	p.id(recs[len(recs)-1].Seq)
	p.put(fieldEntry)
	if len(recs) == 1 {
		arg(p, recs[0].Entry)
		p.put(fieldHash)
		arg(p, recs[0].Hash[:])
	} else {
		p.several(recs)
	}
	p.sink(sink{to: toLog})
}

// several appends the fields of an entry of several records.
func (p *program) several(recs []LogRecord) {
	size := 0
	for i := range recs {
		size += len(recs[i].Entry)
	}
	p.length(size)
	for i := range recs {
		p.buf = append(p.buf, recs[i].Entry...)
	}
	p.put("\r\n" + fieldHash)
	p.length(32 * len(recs))
	for i := range recs {
		p.buf = append(p.buf, recs[i].Hash[:]...)
	}
	p.put("\r\n" + fieldLength)
	p.length(4 * len(recs))
	for i := range recs {
		p.buf = binary.BigEndian.AppendUint32(p.buf, uint32(len(recs[i].Entry)))
	}
	p.put("\r\n")
}

// unpack appends the records of a stream entry, the last of which has number
// last. What was edited comes out as far as it can: bytes that belong to no
// record are put to the last, whose hash shows it.
func unpack(recs []LogRecord, last uint64, entries, hashes, lengths []byte) []LogRecord {
	n := max(len(lengths)/4, 1)
	if len(lengths)%4 != 0 || uint64(n) > last {
		n = 1
	}
	for i := range n {
		r := LogRecord{Seq: last - uint64(n-1-i)}
		size := len(entries)
		if i < n-1 {
			size = min(size, int(binary.BigEndian.Uint32(lengths[4*i:])))
		}
		r.Entry, entries = entries[:size:size], entries[size:]
		hashes = hashes[copy(r.Hash[:], hashes):]
		recs = append(recs, r)
	}
	return recs
}
