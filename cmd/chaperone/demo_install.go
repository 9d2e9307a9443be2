package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chaperone/deploy/medspa"
)

// install writes the sample's files into a folder of the data folder, with the
// receivers' addresses and a key of this run alone in the places of the
// sample's, and returns the name of the chaperone.yaml: what runs is what
// `chaperone run` would run, and the other verbs work beside it.
func (d *demo) install(o demoOptions) (string, error) {
	d.folder = filepath.Join(d.data, "medspa")
	var hash string
	d.key, hash = newCallerKey()
	own := strings.NewReplacer(
		medspa.ProcessorURL, d.receivers["processor"].url,
		medspa.EHRURL, d.receivers["ehr"].url,
		medspa.LedgerURL, d.receivers["ledger"].url,
		medspa.FrontDeskKeySHA256, hash,
	)
	err := fs.WalkDir(medspa.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(d.folder, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		text, err := medspa.Files.ReadFile(name)
		if err != nil {
			return err
		}
		if name == "rules.yaml" {
			text = []byte(own.Replace(string(text)))
		}
		return os.WriteFile(to, text, 0o600)
	})
	if err != nil {
		return "", err
	}
	file := filepath.Join(d.folder, "chaperone.yaml")
	return file, os.WriteFile(file, fmt.Appendf(nil, `# The demo's own. Its store, log and keyring are in the folder above.
rules: rules.yaml
listen: {address: %q}
admin: {address: %q}
data: ..
log: {level: warn}
`, o.listen, o.admin), 0o600)
}
