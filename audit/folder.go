package audit

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is what some folders hold of segments.
type folder struct {
	chains map[string][]*segmentFile // in order of From, then To
	bad    []badSegment              // files that are named as segments are, and are none of ours
}

type badSegment struct {
	name string
	err  error // wraps ErrSegment
}

// openFolders reads the heads of all segments in the folders, and nothing of
// their bodies.
func openFolders(dirs []string, key ed25519.PublicKey) (*folder, error) {
	f := &folder{chains: map[string][]*segmentFile{}}
	for _, dir := range dirs {
		names, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("audit: archive: %w", err)
		}
		for _, n := range names {
			if n.IsDir() || !strings.HasSuffix(n.Name(), SegmentSuffix) {
				continue
			}
			s, err := openSegment(filepath.Join(dir, n.Name()), key)
			switch {
			case errors.Is(err, ErrSegment):
				f.bad = append(f.bad, badSegment{n.Name(), err})
			case err != nil:
				return nil, err
			default:
				f.chains[s.Chain] = append(f.chains[s.Chain], s)
			}
		}
	}
	for _, all := range f.chains {
		slices.SortFunc(all, func(a, b *segmentFile) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.path, b.path))
		})
	}
	return f, nil
}

// known returns the ids of the chains, sorted.
func (f *folder) known() []string {
	ids := make([]string, 0, len(f.chains))
	for id := range f.chains {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
