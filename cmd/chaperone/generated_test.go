package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is written from the code is checked in, so that it can be read without
// it. `make generate` writes all of it anew.
//
//go:generate env UPDATE_GENERATED=1 go test -count=1 -run ^TestGenerated$ .

// TestGenerated fails when a generated file is not what the code says now.
func TestGenerated(t *testing.T) {
	for _, f := range generated(t) {
		t.Run(f.name, func(t *testing.T) {
			file := filepath.Join("..", "..", filepath.FromSlash(f.name))
			if os.Getenv("UPDATE_GENERATED") != "" {
				if err := os.WriteFile(file, f.text, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			have, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(have, f.text) {
				t.Errorf("the file is stale: run `make generate`")
			}
		})
	}
}

// generatedFile is one of them, by its name from the root of the tree.
type generatedFile struct {
	name string
	text []byte
}

func generated(t *testing.T) []generatedFile {
	t.Helper()
	var files []generatedFile
	for _, f := range fileSchemas() {
		text, err := f.shape.JSONSchema(f.id, f.title)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, generatedFile{"deploy/schema/" + f.name + ".schema.json", text})
	}
	files = append(files, generatedFile{configurationFile, pageOfKeys(t, configurationFile, "rules", "chaperone")},
		generatedFile{testingFile, pageOfKeys(t, testingFile, "rules_test")})
	return append(files, generatedFile{"docs/codes.md", []byte(codesPage())}, generatedFile{"docs/commands.md", []byte(commandsPage())})
}
