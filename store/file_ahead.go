package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// ahead is what is written and synced before a batch is acknowledged: one frame
// a batch, at the end of one of two files. The bbolt file gets the same later,
// many batches at once (file_flush.go), and with its own pages in order: that
// writes each of them once in place of once a batch. The two files take turns,
// a generation each; one whose generation is in the bbolt file is written over
// from its beginning, so that its blocks need not be found again.
//
// A frame:
//
//	length of the rest   4 bytes, big-endian
//	CRC-32C              4 bytes: of the store's id and all that follows
//	generation           8 bytes
//	index                8 bytes: the frame's in its generation, from 0
//	parts                a letter and what it says, each; numbers are varints
//
// What cannot be read ends a generation: it was never acknowledged.
//
// Without files nothing is written: the store is in memory.
type ahead struct {
	paths      [2]string
	files      [2]*os.File
	id         []byte
	sync       bool
	at         int // the file of the generation
	generation uint64
	index      uint64
	offset     int64
}

// frameAhead is the size of a frame's head.
const frameAhead = 4 + 4 + 8 + 8

// generation is what one file holds: the parts of its frames.
type generation struct {
	number uint64
	frames [][]byte
}

// openAhead opens the files of a store, or makes them, and gives what is in
// them, the older generation first.
func openAhead(path string, id []byte, sync bool) (*ahead, []generation, error) {
	a := &ahead{paths: [2]string{path + ".ahead0", path + ".ahead1"}, id: id, sync: sync}
	var found []generation
	for i, name := range a.paths {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, nil, errors.Join(err, a.close())
		}
		a.files[i] = f
		data, err := io.ReadAll(f)
		if err != nil {
			return nil, nil, errors.Join(err, a.close())
		}
		if g := a.read(data); len(g.frames) > 0 {
			found = append(found, g)
		}
	}
	if len(found) == 2 && found[0].number > found[1].number {
		found[0], found[1] = found[1], found[0]
	}
	return a, found, nil
}

// read reads the frames at the beginning of a file.
func (a *ahead) read(data []byte) (g generation) {
	for index := uint64(0); len(data) >= frameAhead; index++ {
		size := int(binary.BigEndian.Uint32(data))
		if size < frameAhead-4 || size > len(data)-4 {
			break
		}
		frame := data[:4+size]
		number := binary.BigEndian.Uint64(frame[8:])
		if binary.BigEndian.Uint32(frame[4:]) != a.sum(frame) || binary.BigEndian.Uint64(frame[16:]) != index || index > 0 && number != g.number {
			break
		}
		g.number = number
		g.frames = append(g.frames, frame[frameAhead:])
		data = data[len(frame):]
	}
	return g
}

func (a *ahead) sum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(a.id, castagnoli), castagnoli, frame[8:])
}

// append writes a frame, whose head is left free, and returns when it is on
// disk. After an error the next frame takes its place.
func (a *ahead) append(frame []byte) error {
	f := a.files[a.at]
	if f == nil {
		return nil
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	binary.BigEndian.PutUint64(frame[8:], a.generation)
	binary.BigEndian.PutUint64(frame[16:], a.index)
	binary.BigEndian.PutUint32(frame[4:], a.sum(frame))
	if _, err := f.WriteAt(frame, a.offset); err != nil {
		return err
	}
	if a.sync {
		if err := syncData(f); err != nil {
			return err
		}
	}
	a.index++
	a.offset += int64(len(frame))
	return nil
}

// turn begins the next generation, in the other file. What that one holds is in
// the bbolt file.
func (a *ahead) turn() {
	a.at = 1 - a.at
	a.generation++
	a.index, a.offset = 0, 0
}

// empty empties both files, whose generations are in the bbolt file.
func (a *ahead) empty() error {
	zeros := make([]byte, 1<<16)
	for _, f := range a.files {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		// A file that only gets shorter leaves its bytes where they were.
		for at := int64(0); at < info.Size(); at += int64(len(zeros)) {
			if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), info.Size()-at)], at); err != nil {
				return err
			}
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the files, of which all is in the bbolt file.
func (a *ahead) remove() error {
	err := a.close()
	for i, name := range a.paths {
		if a.files[i] != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

func (a *ahead) close() error {
	var errs []error
	for _, f := range a.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

var errAhead = errors.New("store: the file ahead holds what this version cannot read")

// replay does what frames say to the bbolt file.
func (b *basis) replay(frames [][]byte) error {
	for _, frame := range frames {
		r := &unitReader{rest: frame}
		for len(r.rest) > 0 && !r.bad {
			if err := b.replayPart(r); err != nil {
				return err
			}
		}
		if r.bad {
			return errAhead
		}
	}
	return nil
}

func (b *basis) replayPart(r *unitReader) error {
	switch sort := r.byte(); sort {
	case partRegister:
		key, value := r.text(), r.text()
		if len(value) < 8 {
			return errAhead
		}
		return b.write(key, value)
	case partGone:
		return b.remove(r.text())
	case partRecord:
		chain, seq, raw := r.text(), r.number(), r.text()
		log, err := b.log.CreateBucketIfNotExists(chain)
		if err != nil {
			return err
		}
		return log.Put(seqKey(seq), raw)
	case partPut, partDrop:
		set, member := string(r.text()), string(r.text())
		var more int64
		var err error
		if sort == partPut {
			more, err = b.put(set, member, int64(r.number()))
		} else {
			more, err = b.drop(set, member)
		}
		if err != nil {
			return err
		}
		return b.count(set, more)
	}
	return errAhead
}
