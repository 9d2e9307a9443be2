package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chaperone/rules"
)

// PolicyFolder is where a proxy keeps every policy that was in force: a folder
// for each, named by its hash, with the rules file and its word lists as they
// were read. They are for people, and for `chaperone diff`; the proxy reads none
// of them.
func PolicyFolder(dataDir string) string { return filepath.Join(dataDir, "policies") }

// keepPolicy keeps the texts of a policy, unless they are kept already. A word
// list that is not named from within the rules file's folder stays where it is.
func keepPolicy(dataDir string, p *rules.Plan) error {
	if p.Hash == "" || len(p.Sources) == 0 {
		return nil // made by hand, not read from a file
	}
	folder := PolicyFolder(dataDir)
	final := filepath.Join(folder, p.Hash)
	if _, err := os.Stat(final); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("proxy: policies: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("proxy: policies: %w", err)
	}
	// Whole, or not at all.
	making, err := os.MkdirTemp(folder, ".making-")
	if err != nil {
		return fmt.Errorf("proxy: policies: %w", err)
	}
	defer os.RemoveAll(making)
	for _, f := range p.Sources {
		if !filepath.IsLocal(f.Name) {
			continue
		}
		to := filepath.Join(making, f.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return fmt.Errorf("proxy: policies: %w", err)
		}
		if err := os.WriteFile(to, f.Text, 0o600); err != nil {
			return fmt.Errorf("proxy: policies: %w", err)
		}
	}
	if err := os.Rename(making, final); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("proxy: policies: %w", err)
	}
	return nil
}
