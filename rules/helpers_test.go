package rules

import (
	"os"
	"path/filepath"
	"time"
)

// testNow is the day on which the tests' policies are loaded.
var testNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// beside reads files in the folder of a policy.
func beside(file string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) { return os.ReadFile(resolve(filepath.Dir(file), name)) }
}
