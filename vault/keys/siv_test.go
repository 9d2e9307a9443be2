package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

// TestSIVVectors holds the AES-SIV that we call to the third-party vectors. Of
// other key sizes than ours it refuses the key.
func TestSIVVectors(t *testing.T) {
	dir := os.Getenv("CHAPERONE_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, "siv", "aes_siv_cmac_test.json"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("third-party vectors are required in CI: %v", err)
		}
		t.Skipf("no third-party vectors: set CHAPERONE_VECTORS (%v)", err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			KeySize int
			Tests   []struct {
				TcID              int
				Key, Aad, Msg, Ct string
				Result            string
			}
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	ran, ours := 0, 0
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			ran++
			key, aad, msg, ct := unhex(t, v.Key), unhex(t, v.Aad), unhex(t, v.Msg), unhex(t, v.Ct)
			siv, err := subtle.NewAESSIV(key)
			if len(key) != subtle.AESSIVKeySize {
				if err == nil {
					t.Errorf("%d: a key of %d bytes was accepted", v.TcID, len(key))
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			ours++
			got, err := siv.DecryptDeterministically(ct, aad)
			if v.Result != "valid" {
				if err == nil {
					t.Errorf("%d: accepted an invalid ciphertext", v.TcID)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, msg) {
				t.Errorf("%d: decrypts to %x, %v, want %x", v.TcID, got, err, msg)
			}
			if got, err = siv.EncryptDeterministically(msg, aad); err != nil || !bytes.Equal(got, ct) {
				t.Errorf("%d: encrypts to %x, %v, want %x", v.TcID, got, err, ct)
			}
		}
	}
	if ran != file.NumberOfTests || ours == 0 {
		t.Errorf("%d of %d vectors, %d of our key size", ran, file.NumberOfTests, ours)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
