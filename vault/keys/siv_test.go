package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

// TestSIVVectors holds our AES-SIV to the third-party vectors, of all three key
// sizes.
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
	ran := 0
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			ran++
			key, aad, msg, ct := unhex(t, v.Key), unhex(t, v.Aad), unhex(t, v.Msg), unhex(t, v.Ct)
			s, err := newSIV(key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.open(nil, ct, aad)
			if v.Result != "valid" {
				if !errors.Is(err, ErrForged) || len(got) != 0 {
					t.Errorf("%d: accepted an invalid ciphertext", v.TcID)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, msg) {
				t.Errorf("%d: decrypts to %x, %v, want %x", v.TcID, got, err, msg)
			}
			if got := s.seal(nil, msg, aad); !bytes.Equal(got, ct) {
				t.Errorf("%d: encrypts to %x, want %x", v.TcID, got, ct)
			}
		}
	}
	if ran != file.NumberOfTests || ran == 0 {
		t.Errorf("%d of %d vectors", ran, file.NumberOfTests)
	}
}

func TestSIVRefusesKeys(t *testing.T) {
	for _, n := range []int{0, 16, 31, 40, 63, 65, 128} {
		if _, err := newSIV(make([]byte, n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
}

// TestSIVIsTinks holds ours to Tink's at every length around the blocks, both
// ways, and an altered bit to a refusal that leaves nothing behind.
func TestSIVIsTinks(t *testing.T) {
	for length := range 100 {
		for _, adLength := range []int{0, 1, 15, 16, 17, 31, 32, 33, 64} {
			sivEqualsTinks(t, random(64), random(length), random(adLength))
		}
	}
	sivEqualsTinks(t, random(64), random(1<<16+3), random(1000))
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func sivEqualsTinks(t *testing.T, key, plaintext, ad []byte) {
	t.Helper()
	ours, err := newSIV(key)
	if err != nil {
		t.Fatal(err)
	}
	tinks, err := subtle.NewAESSIV(slices.Clone(key))
	if err != nil {
		t.Fatal(err)
	}
	want, err := tinks.EncryptDeterministically(plaintext, ad)
	if err != nil {
		t.Fatal(err)
	}
	got := ours.seal([]byte("head"), plaintext, ad)
	if !bytes.Equal(got, append([]byte("head"), want...)) {
		t.Fatalf("%d bytes under %d: not what Tink makes", len(plaintext), len(ad))
	}
	back, err := ours.open([]byte("head"), want, ad)
	if err != nil || !bytes.Equal(back, append([]byte("head"), plaintext...)) {
		t.Fatalf("%d bytes under %d: opens to %x, %v", len(plaintext), len(ad), back, err)
	}
	bad := slices.Clone(want)
	bad[int(key[0])%len(bad)] ^= 1 << (key[1] & 7)
	room := make([]byte, 4, 4+len(plaintext))
	if back, err := ours.open(room, bad, ad); !errors.Is(err, ErrForged) || len(back) != 4 {
		t.Fatalf("%d bytes under %d: an altered one opens: %v", len(plaintext), len(ad), err)
	}
	if spare := room[4:cap(room)]; !bytes.Equal(spare, make([]byte, len(spare))) {
		t.Fatal("what was tried is left in the buffer")
	}
}

// FuzzSIV holds ours to Tink's.
func FuzzSIV(f *testing.F) {
	f.Add([]byte("key"), []byte("4111111111111111"), []byte("scope and label"))
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, seed, plaintext, ad []byte) {
		key := sha512.Sum512(seed)
		sivEqualsTinks(t, key[:], plaintext, ad)
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
