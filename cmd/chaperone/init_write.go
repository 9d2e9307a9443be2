package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"chaperone/rules"
)

// at is where a file of the folder is, as it is named to the user.
func (o *initOptions) at(name string) string {
	return filepath.Join(o.folder, filepath.FromSlash(name))
}

// vacant refuses to write over files, unless it is told to.
func (o *initOptions) vacant(names []string) error {
	if o.force {
		return nil
	}
	for _, name := range names {
		switch _, err := os.Lstat(o.at(name)); {
		case err == nil:
			return failed("name another FOLDER, or replace what is there with --force", "%s is there already; nothing was written", o.at(name))
		case !errors.Is(err, fs.ErrNotExist):
			return failed("", "%w", err)
		}
	}
	return nil
}

// initProof is what check and test had to say of the files.
type initProof struct {
	warnings rules.Diagnostics
	tests    int
	reached  string
}

func (p initProof) String() string {
	s := "check finds no mistake"
	if n := len(p.warnings); n > 0 {
		s = "check finds no error and " + plural(n, "warning")
	}
	return fmt.Sprintf("%s, %s pass", s, plural(p.tests, "test"))
}

// write makes the files in a folder of their own beside their places, proves
// them there, and moves them only when that is done: all of them, or none.
func (o *initOptions) write(ctx context.Context, a *app, files []initFile) (initProof, error) {
	made, err := makeFolder(o.folder)
	if err != nil {
		return initProof{}, failed("", "the folder cannot be made: %w", err)
	}
	proof, err := o.stage(ctx, a, files)
	if err != nil && made {
		_ = os.Remove(o.folder) // only if it is empty still
	}
	return proof, err
}

func makeFolder(name string) (made bool, err error) {
	if _, err := os.Stat(name); err == nil {
		return false, nil
	}
	return true, os.MkdirAll(name, 0o755)
}

func (o *initOptions) stage(ctx context.Context, a *app, files []initFile) (initProof, error) {
	staging, err := os.MkdirTemp(o.folder, ".chaperone-init-")
	if err != nil {
		return initProof{}, failed("", "the files cannot be made: %w", err)
	}
	defer os.RemoveAll(staging)
	for _, f := range files {
		name := filepath.Join(staging, "new", filepath.FromSlash(f.name))
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = os.WriteFile(name, f.text, 0o644)
		}
		if err != nil {
			return initProof{}, failed("", "the files cannot be made: %w", err)
		}
	}
	proof, err := o.prove(ctx, a, filepath.Join(staging, "new"))
	if err != nil {
		return proof, err
	}
	if err := o.vacant(namesOf(files)); err != nil {
		return proof, err
	}
	if err := move(files, staging, o.folder); err != nil {
		return proof, failed("nothing was changed", "the files cannot be written: %w", err)
	}
	return proof, nil
}

func namesOf(files []initFile) (names []string) {
	for _, f := range files {
		names = append(names, f.name)
	}
	return names
}

// move brings the files of staging/new into the folder. What stood there is
// kept in staging/old until all are in place, and put back if one is not.
func move(files []initFile, staging, folder string) (err error) {
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for _, back := range slices.Backward(undo) {
			err = errors.Join(err, back())
		}
	}()
	rename := func(from, to string) error {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
		undo = append(undo, func() error { return os.Rename(to, from) })
		return nil
	}
	for _, f := range files {
		name := filepath.FromSlash(f.name)
		place := filepath.Join(folder, name)
		if _, err := os.Lstat(place); err == nil {
			if err := rename(place, filepath.Join(staging, "old", name)); err != nil {
				return err
			}
		}
		if err := rename(filepath.Join(staging, "new", name), place); err != nil {
			return err
		}
	}
	return nil
}

// prove has check and test say what they would say of the files, under the
// names that they will have.
func (o *initOptions) prove(ctx context.Context, a *app, dir string) (initProof, error) {
	ctx, cancel := proofContext(ctx)
	defer cancel()
	proof := initProof{}
	c := checker{checked: map[string]bool{}}
	c.file(filepath.Join(dir, "chaperone.yaml"))
	c.found.Sort()
	if c.found.HasErrors() {
		var b bytes.Buffer
		writeDiagnostics(&b, c.found)
		if _, err := a.err.Write(bytes.ReplaceAll(b.Bytes(), []byte(dir), []byte(o.folder))); err != nil {
			return proof, err
		}
		return proof, failed("see the lines above: an answer does not fit", "what would be written is not right; nothing was written")
	}
	proof.warnings = c.found
	s := suite{policies: map[string]*testedPolicy{}}
	s.read(filepath.Join(dir, "rules_test.yaml"))
	if s.found.HasErrors() {
		return proof, s.mistaken(a)
	}
	s.perform(ctx, regexp.MustCompile(""))
	if s.failed() > 0 || len(s.results) == 0 {
		var text string
		if len(s.results) > 0 {
			text = strings.ReplaceAll(s.text(paletteFor(a.err), terminalWidth(a.err)), dir, o.folder)
		}
		if _, err := a.err.Write([]byte(text)); err != nil {
			return proof, err
		}
		return proof, failed("", "the policy that was made does not do what its tests say; nothing was written")
	}
	proof.tests, proof.reached = len(s.results), s.tally().String()
	return proof, nil
}
