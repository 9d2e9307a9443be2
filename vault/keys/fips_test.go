package keys

import (
	"crypto/fips140"
	"os"
	"testing"
)

// TestFIPS is for `make fips`: it sees to it that the tests of this room do run
// on the FIPS 140-3 module there.
func TestFIPS(t *testing.T) {
	if os.Getenv("CHAPERONE_FIPS") == "" {
		t.Skip("not run by make fips")
	}
	if !fips140.Enabled() {
		t.Error("the FIPS 140-3 mode is off")
	}
	if v := fips140.Version(); v == "latest" {
		t.Errorf("the module is %q, not one that was submitted for validation", v)
	}
}
