package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// segmentWriter writes one segment to a file that has no name of its own yet.
type segmentWriter struct {
	segment Segment
	file    *os.File
	out     *bufio.Writer
	body    *counted
	zip     *zstd.Encoder
	scratch []byte
}

// counted counts and hashes what is written.
type counted struct {
	w   io.Writer
	sum hash.Hash
	n   uint64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.sum.Write(b[:n]) // never fails
	c.n += uint64(n)
	return n, err
}

// zipWindow is how far back the compression looks. Sealed entries hardly
// shrink, so that more would only cost memory.
const zipWindow = 1 << 20

// newSegmentWriter makes the file at path, or empties the one that a crash
// left there. before is the hash of the chain before its first record. Whoever
// knows the times of the entries sets them in segment.
func newSegmentWriter(path, chain string, before Hash) (*segmentWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: segment: %w", err)
	}
	w := &segmentWriter{segment: Segment{Chain: chain, Before: before}, file: f, out: bufio.NewWriterSize(f, 64<<10)}
	w.body = &counted{w: w.out, sum: sha256.New()}
	if _, err = f.Seek(headSize, io.SeekStart); err == nil {
		w.zip, err = zstd.NewWriter(w.body, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zipWindow), zstd.WithEncoderCRC(true))
	}
	if err != nil {
		return nil, fmt.Errorf("audit: segment: %w", errors.Join(err, f.Close()))
	}
	return w, nil
}

// add appends a record.
func (w *segmentWriter) add(r *Record) error {
	if w.segment.From == 0 {
		w.segment.From = r.Seq
	}
	w.segment.To, w.segment.Last = r.Seq, r.Hash
	b := binary.AppendUvarint(w.scratch[:0], r.Seq)
	b = append(b, r.Hash[:]...)
	b = binary.AppendUvarint(b, uint64(len(r.Entry)))
	b = append(b, r.Entry...)
	w.scratch = b
	if _, err := w.zip.Write(b); err != nil {
		return fmt.Errorf("audit: segment: %w", err)
	}
	return nil
}

// finish writes what is left, signs the head and puts all of it on disk.
func (w *segmentWriter) finish(s Signer) error {
	err := w.zip.Close()
	if err == nil {
		err = w.out.Flush()
	}
	if err == nil {
		w.segment.Size = w.body.n
		w.body.sum.Sum(w.segment.Content[:0])
		w.segment.Sign(s)
		_, err = w.file.WriteAt(w.segment.head(), 0)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return fmt.Errorf("audit: segment: %w", err)
	}
	return nil
}

// abandon gives the file up.
func (w *segmentWriter) abandon() {
	_ = w.zip.Close() // it ends its goroutines; what it says of the file does not matter
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
}
