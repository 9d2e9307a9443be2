package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// CheckpointFile returns the path of the checkpoints in a data folder.
func CheckpointFile(dataDir string) string { return filepath.Join(dataDir, "checkpoints.ndjson") }

// maxCheckpointFile is the size beyond which the file is rewritten with the
// last checkpoint of each chain: a chain's last one vouches for all before it.
const maxCheckpointFile = 4 << 20

// checkpointFile is the local file of checkpoints, one a line, appended and
// synced. Not safe for concurrent use.
type checkpointFile struct {
	path string
	file *os.File
	size int64 // of whole lines
	max  int64
}

// openCheckpointFile opens or makes the file. A line that a crash cut short is
// taken off.
func openCheckpointFile(path string) (*checkpointFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: checkpoints: %w", err)
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = f.Truncate(int64(bytes.LastIndexByte(text, '\n') + 1))
	}
	if err == nil {
		err = syncFolder(path)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("audit: checkpoints: %w", err)
	}
	return &checkpointFile{
		path: path, file: f, max: maxCheckpointFile,
		size: int64(bytes.LastIndexByte(text, '\n') + 1),
	}, nil
}

// append writes one checkpoint and returns when it is on disk.
func (c *checkpointFile) append(text []byte) error {
	if c.size > c.max {
		if err := c.compact(); err != nil {
			return fmt.Errorf("audit: checkpoints: rewrite: %w", err)
		}
	}
	line := append(slices.Clip(text), '\n')
	if _, err := c.file.WriteAt(line, c.size); err != nil {
		// Half a line would spoil the next one.
		return fmt.Errorf("audit: checkpoints: %w", errors.Join(err, c.file.Truncate(c.size)))
	}
	if err := c.file.Sync(); err != nil {
		return fmt.Errorf("audit: checkpoints: %w", err)
	}
	c.size += int64(len(line))
	return nil
}

// compact keeps the last line of each chain. The new file is whole on disk
// before it takes the old one's place.
func (c *checkpointFile) compact() error {
	text, err := os.ReadFile(c.path)
	if err != nil {
		return err
	}
	var chains []string
	last := map[string][]byte{}
	for line := range bytes.Lines(text) {
		p, err := ParseCheckpoint(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			// What verify would report is not ours to throw away.
			chains, last[string(line)] = append(chains, string(line)), line
			continue
		}
		if last[p.Chain] == nil {
			chains = append(chains, p.Chain)
		}
		last[p.Chain] = line
	}
	var kept []byte
	for _, chain := range chains {
		kept = append(kept, last[chain]...)
	}
	f, err := os.OpenFile(c.path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(kept)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(c.path+".new", c.path)
	}
	if err == nil {
		err = syncFolder(c.path)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	_ = c.file.Close()
	c.file, c.size = f, int64(len(kept))
	// Chains may be so many that the file stays large: then it may double
	// before it is rewritten again.
	c.max = max(maxCheckpointFile, 2*c.size)
	return nil
}

func (c *checkpointFile) close() error { return c.file.Close() }

// syncFolder makes a new name in the folder of path last.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readCheckpointFile returns the checkpoints of a file, and the numbers of the
// lines that are none. A last line without its end is not counted: it was
// being written. A file that is not there holds none.
func readCheckpointFile(path string) (checkpoints []Checkpoint, bad []int, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("audit: checkpoints: %w", err)
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		whole, ok := bytes.CutSuffix(line, []byte("\n"))
		if !ok {
			break
		}
		c, err := ParseCheckpoint(whole)
		if err != nil {
			bad = append(bad, n)
			continue
		}
		checkpoints = append(checkpoints, c)
	}
	return checkpoints, bad, nil
}
