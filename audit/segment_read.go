package audit

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// segmentFile is a segment on disk, whose head was signed by us.
type segmentFile struct {
	Segment
	path string
}

// name is what findings call the file: its path may hold anything.
func (f *segmentFile) name() string { return filepath.Base(f.path) }

// openSegment reads and checks the head of a file. The error wraps ErrSegment
// where it is not the head of a segment that was signed with key.
func openSegment(path string, key ed25519.PublicKey) (*segmentFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("audit: segment: %w", err)
	}
	defer f.Close()
	head := make([]byte, headSize)
	if _, err := io.ReadFull(f, head); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: the file is cut off", ErrSegment)
		}
		return nil, fmt.Errorf("audit: segment: %w", err)
	}
	s, err := parseHead(head)
	if err != nil {
		return nil, err
	}
	if err := s.Check(key); err != nil {
		return nil, err
	}
	return &segmentFile{Segment: s, path: path}, nil
}

// sum reads the whole file and returns its SHA-256. The error wraps ErrSegment
// where the body is not what was signed.
func (f *segmentFile) sum(ctx context.Context) (Hash, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return Hash{}, fmt.Errorf("audit: segment: %w", err)
	}
	defer file.Close()
	whole, body := sha256.New(), sha256.New()
	if _, err = io.CopyN(whole, file, headSize); err != nil {
		return Hash{}, fmt.Errorf("audit: segment: %w", err)
	}
	n, err := io.Copy(io.MultiWriter(whole, body), &cancelled{ctx, file})
	if err != nil {
		return Hash{}, fmt.Errorf("audit: segment: %w", err)
	}
	var got, all Hash
	body.Sum(got[:0])
	whole.Sum(all[:0])
	switch {
	case uint64(n) < f.Size:
		return all, fmt.Errorf("%w: the file is cut off", ErrSegment)
	case uint64(n) != f.Size || got != f.Content:
		return all, fmt.Errorf("%w: its content was changed", ErrSegment)
	}
	return all, nil
}

// cancelled ends a read with its context.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// records yields the records of the file in their order. Their bytes are valid
// until yield returns. It takes what can be read: who needs to know that
// nothing was changed calls sum. An error that wraps ErrSegment says that the
// rest cannot be read; an error of yield is returned as it is.
func (f *segmentFile) records(ctx context.Context, yield func(*Record) error) error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("audit: segment: %w", err)
	}
	defer file.Close()
	if _, err := file.Seek(headSize, io.SeekStart); err != nil {
		return fmt.Errorf("audit: segment: %w", err)
	}
	unzip, err := zstd.NewReader(&cancelled{ctx, file}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20),
		// A byte that was changed costs the entry that it is of, and not all those of its frame.
		zstd.IgnoreChecksum(true))
	if err != nil {
		return fmt.Errorf("audit: segment: %w", err)
	}
	defer unzip.Close()
	in := bufio.NewReaderSize(unzip, 64<<10)
	var r Record
	for {
		switch err := readRecord(in, &r); {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			// The decoder's words may quote what it read.
			return fmt.Errorf("%w: it cannot be read after entry %d", ErrSegment, r.Seq)
		}
		if err := yield(&r); err != nil {
			return err
		}
	}
}

// readRecord reads the next record into r, whose Entry is used again. The
// error is io.EOF at the end of the last record, and nowhere else.
func readRecord(in *bufio.Reader, r *Record) error {
	seq, err := binary.ReadUvarint(in)
	if err != nil {
		return err // io.EOF only where nothing was read
	}
	var h Hash
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return errShort
	}
	n, err := binary.ReadUvarint(in)
	if err != nil || n > maxSealed {
		return errShort
	}
	entry := r.Entry[:0]
	for n > 0 { // a length that was changed must not cost its memory at once
		step := min(n, 1<<20)
		from := len(entry)
		entry = append(entry, make([]byte, step)...)
		if _, err := io.ReadFull(in, entry[from:]); err != nil {
			return errShort
		}
		n -= step
	}
	r.Seq, r.Hash, r.Entry = seq, h, entry
	return nil
}

var errShort = errors.New("audit: a record is cut off")
