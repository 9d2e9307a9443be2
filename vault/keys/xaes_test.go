package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	tinkkeyset "github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
)

// TestXAESVectors runs the two test vectors of the C2SP specification.
func TestXAESVectors(t *testing.T) {
	for _, tt := range []struct {
		name, aad, ciphertext string
		key                   byte
	}{
		{"no associated data", "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271", 1},
		{"associated data", "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, err := newXAES(bytes.Repeat([]byte{tt.key}, xaesKeySize))
			if err != nil {
				t.Fatal(err)
			}
			ct, err := hex.DecodeString(tt.ciphertext)
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.open(nil, append([]byte("ABCDEFGHIJKLMNOPQRSTUVWX"), ct...), []byte(tt.aad))
			if err != nil || string(got) != "XAES-256-GCM" {
				t.Errorf("opens to %q, %v", got, err)
			}
		})
	}
}

// TestXAESIsTinks holds what we seal to another implementation, both ways.
func TestXAESIsTinks(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, xaesKeySize)
	x, err := newXAES(raw)
	if err != nil {
		t.Fatal(err)
	}
	params, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, 12)
	if err != nil {
		t.Fatal(err)
	}
	key, err := xaesgcm.NewKey(secretdata.NewBytesFromData(raw, insecuresecretdataaccess.Token{}), 0, params)
	if err != nil {
		t.Fatal(err)
	}
	manager := tinkkeyset.NewManager()
	id, err := manager.AddKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.SetPrimary(id); err != nil {
		t.Fatal(err)
	}
	handle, err := manager.Handle()
	if err != nil {
		t.Fatal(err)
	}
	other, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		plaintext := bytes.Repeat([]byte("p"), n)
		got, err := other.Decrypt(x.seal(nil, plaintext, []byte("ad")), []byte("ad"))
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("Tink opens ours of %d bytes to %q, %v", n, got, err)
		}
		ct, err := other.Encrypt(plaintext, []byte("ad"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err = x.open(nil, ct, []byte("ad")); err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("we open Tink's of %d bytes to %q, %v", n, got, err)
		}
	}
}

// TestXAESPrefixes checks that the first half of the nonce is replaced in
// time, also with many sealers at once, and that no nonce repeats.
func TestXAESPrefixes(t *testing.T) {
	x, err := newXAES(make([]byte, xaesKeySize))
	if err != nil {
		t.Fatal(err)
	}
	const sealers = 4
	nonces := make([][][xaesNonceSize]byte, sealers)
	var wg sync.WaitGroup
	for i := range sealers {
		wg.Go(func() {
			var buf []byte
			for range perPrefix/2 + 100 {
				buf = x.seal(buf[:0], nil, nil)
				nonces[i] = append(nonces[i], [xaesNonceSize]byte(buf))
			}
		})
	}
	wg.Wait()
	seen := make(map[[xaesNonceSize]byte]bool)
	prefixes := make(map[[12]byte]int)
	for _, list := range nonces {
		for _, n := range list {
			if seen[n] {
				t.Fatal("a nonce repeats")
			}
			seen[n] = true
			prefixes[[12]byte(n[:])]++
		}
	}
	if len(prefixes) < 3 {
		t.Errorf("%d prefixes for %d messages", len(prefixes), len(seen))
	}
	for _, n := range prefixes {
		if n > perPrefix {
			t.Errorf("one prefix for %d messages", n)
		}
	}
}

func TestXAESRefuses(t *testing.T) {
	x, err := newXAES(make([]byte, xaesKeySize))
	if err != nil {
		t.Fatal(err)
	}
	good := x.seal(nil, []byte("plaintext"), []byte("ad"))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if got, err := x.open([]byte("kept"), bad, []byte("ad")); !errors.Is(err, ErrForged) || string(got) != "kept" {
			t.Fatalf("byte %d changed: %q, %v", i, got, err)
		}
	}
	if _, err := x.open(nil, good, []byte("other")); !errors.Is(err, ErrForged) {
		t.Errorf("other associated data: %v", err)
	}
	for n := range good {
		if _, err := x.open(nil, good[:n], []byte("ad")); !errors.Is(err, ErrForged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := newXAES(make([]byte, 16)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a key of 16 bytes: %v", err)
	}
}
