package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadMemory(t *testing.T) {
	tests := []struct {
		name, text string
		want       int64
	}{
		{"a limit", "536870912\n", 512 << 20},
		{"none, version 2", "max\n", 0},
		{"none, version 1", "9223372036854771712\n", 0},
		{"nonsense", "much\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "memory.max")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := readMemory([]string{file + ".missing", file}); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
	if got := readMemory([]string{filepath.Join(t.TempDir(), "missing")}); got != 0 {
		t.Errorf("no file: %d", got)
	}
}
