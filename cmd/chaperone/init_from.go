package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chaperone/deploy/medspa"
	"chaperone/rules/propose"
)

// The bounds of sample bodies: a policy is not learned from a day's sales.
const (
	maxSample  = 4 << 20
	maxSamples = 200
)

// fromStdin is the FILE that stands for standard input.
const fromStdin = "-"

// propose makes the files from the sample bodies.
func (o *initOptions) propose(a *app) ([]initFile, *propose.Proposal, error) {
	samples, err := o.samples(a.in)
	if err != nil {
		return nil, nil, err
	}
	words, err := medspa.Files.ReadFile("catalogs/procedures.txt")
	if err != nil {
		return nil, nil, failed("", "%w", err)
	}
	p, err := propose.Propose(samples, propose.Options{
		Kind: propose.Kind(o.kind), Path: o.path, Caller: o.pos, KeySHA256: o.keyHash,
		Processor: o.processor, EHR: o.ehr, Ledger: o.ledger,
		Agreement: propose.Agreement{Kind: o.agreement, Reference: o.reference, Expires: o.expires},
		Country:   strings.ToUpper(o.country), Currency: strings.ToUpper(o.currency), Procedures: words,
	})
	if err != nil {
		return nil, nil, failed("--as says what the bodies are; docs/first-hour.md has an example", "%w; nothing was written", err)
	}
	files := []initFile{{name: "chaperone.yaml", about: aboutInit["chaperone.yaml"], text: o.config()}}
	for _, f := range p.Files {
		files = append(files, initFile{name: f.Name, about: aboutInit[f.Name], text: f.Text})
	}
	return files, p, nil
}

// samples reads the bodies that --from names: files, the *.json files of
// folders, or standard input.
func (o *initOptions) samples(in io.Reader) ([]propose.Sample, error) {
	var all []propose.Sample
	for _, name := range o.from {
		names := []string{name}
		if info, err := os.Stat(name); name != fromStdin && err == nil && info.IsDir() {
			if names, err = filepath.Glob(filepath.Join(globEscaped(name), "*.json")); err != nil || len(names) == 0 {
				return nil, failed("--from takes files, folders with *.json in them, or - for standard input", "there is no *.json file in %s", name)
			}
			slices.Sort(names)
		}
		for _, name := range names {
			body, err := readSample(name, in)
			if err != nil {
				return nil, err
			}
			if all = append(all, propose.Sample{Name: name, Body: body}); len(all) > maxSamples {
				return nil, failed("a few of each kind will do", "--from names more than %d bodies", maxSamples)
			}
		}
	}
	return all, nil
}

func globEscaped(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

func readSample(name string, in io.Reader) ([]byte, error) {
	r := in
	if name != fromStdin {
		f, err := os.Open(name)
		if err != nil {
			if p := (*fs.PathError)(nil); errors.As(err, &p) {
				err = p.Err
			}
			return nil, failed("--from takes files, folders with *.json in them, or - for standard input", "%s cannot be read: %w", name, err)
		}
		defer f.Close()
		r = f
	}
	body, err := io.ReadAll(io.LimitReader(r, maxSample+1))
	switch {
	case err != nil:
		return nil, failed("", "%s cannot be read: %w", name, err)
	case len(body) > maxSample:
		return nil, failed("a single sale will do", "%s is larger than %d MiB", name, maxSample>>20)
	}
	return body, nil
}

// mostLooks bounds what is listed on the screen; the file has all.
const mostLooks = 30

// showProposal says what was found, and what to look at.
func showProposal(b *strings.Builder, p palette, proposal *propose.Proposal) {
	fmt.Fprintf(b, "%s\n", p.bold("Found:"))
	for _, line := range proposal.Found {
		fmt.Fprintf(b, "  %s\n", line)
	}
	b.WriteByte('\n')
	if len(proposal.Looks) == 0 {
		return
	}
	fmt.Fprintf(b, "%s\n", p.bold("Look at these:"))
	width := 0
	for _, l := range proposal.Looks {
		width = max(width, len(l.Path))
	}
	for i, l := range proposal.Looks {
		if i == mostLooks {
			fmt.Fprintf(b, "  and %d more, which rules.yaml says\n", len(proposal.Looks)-mostLooks)
			break
		}
		fmt.Fprintf(b, "  %s  %s\n", pad(l.Path, min(width, 40)), l.Why)
	}
	b.WriteByte('\n')
}
