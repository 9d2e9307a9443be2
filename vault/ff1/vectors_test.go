package ff1

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// vectorFile reads a file of the third-party vectors, which are not part of
// the project.
func vectorFile(t *testing.T, name string, into any) {
	t.Helper()
	dir := os.Getenv("CHAPERONE_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, "ff1", name))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("third-party vectors are required in CI: %v", err)
		}
		t.Skipf("no third-party vectors: set CHAPERONE_VECTORS (%v)", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
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

// TestNIST runs the samples of SP 800-38G of radix 10.
func TestNIST(t *testing.T) {
	var samples []struct {
		Sample, Radix      int
		Key, Tweak, Pt, Ct string
	}
	vectorFile(t, "sp800-38g-ff1-samples.json", &samples)
	ran := 0
	for _, s := range samples {
		if s.Radix != radix {
			continue
		}
		ran++
		judge(t, s.Sample, unhex(t, s.Key), unhex(t, s.Tweak), s.Pt, s.Ct)
	}
	if ran != 6 {
		t.Errorf("%d samples of radix 10, want 6", ran)
	}
}

// judge holds both paths to one vector: the wide one is good for any length.
func judge(t *testing.T, id int, key, tweak []byte, pt, ct string) {
	t.Helper()
	c, err := New(key)
	if err != nil {
		t.Errorf("%d: %v", id, err)
		return
	}
	if got, err := c.Encrypt(nil, tweak, []byte(pt)); err != nil || string(got) != ct {
		t.Errorf("%d: Encrypt = %s, %v, want %s", id, got, err, ct)
	}
	if got, err := c.Decrypt(nil, tweak, []byte(ct)); err != nil || string(got) != pt {
		t.Errorf("%d: Decrypt = %s, %v, want %s", id, got, err, pt)
	}
	if got := c.wide(nil, tweak, []byte(pt), true); string(got) != ct {
		t.Errorf("%d: wide encrypts to %s, want %s", id, got, ct)
	}
	if got := c.wide(nil, tweak, []byte(ct), false); string(got) != pt {
		t.Errorf("%d: wide decrypts to %s, want %s", id, got, pt)
	}
}

// TestWycheproof runs every vector of the file. Those of two to five digits
// are valid FF1 of the first edition: the arithmetic is held to them, and the
// exported functions to refusing them.
func TestWycheproof(t *testing.T) {
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			Tests []struct {
				TcID                int
				Key, Tweak, Msg, Ct string
				Result              string
			}
		}
	}
	vectorFile(t, "aes_ff1_base10_test.json", &file)
	ran, small := 0, 0
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			ran++
			key, tweak := unhex(t, v.Key), unhex(t, v.Tweak)
			switch {
			case v.Result == "valid" && len(v.Msg) < MinDigits:
				small++
				judgeSmall(t, v.TcID, key, tweak, v.Msg, v.Ct)
			case v.Result == "valid":
				judge(t, v.TcID, key, tweak, v.Msg, v.Ct)
			default:
				c, err := New(key)
				if err == nil {
					_, err = c.Encrypt(nil, tweak, []byte(v.Msg))
				}
				if err == nil {
					t.Errorf("%d: accepted an invalid input", v.TcID)
				}
			}
		}
	}
	if ran != file.NumberOfTests || ran == 0 || small != 12 {
		t.Errorf("%d of %d vectors, %d of them small", ran, file.NumberOfTests, small)
	}
}

func judgeSmall(t *testing.T, id int, key, tweak []byte, pt, ct string) {
	t.Helper()
	c, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Encrypt(nil, tweak, []byte(pt)); err != ErrDomain {
		t.Errorf("%d: Encrypt of %d digits: %v, want ErrDomain", id, len(pt), err)
	}
	if _, err := c.Decrypt(nil, tweak, []byte(ct)); err != ErrDomain {
		t.Errorf("%d: Decrypt of %d digits: %v, want ErrDomain", id, len(ct), err)
	}
	if got := c.narrow(nil, tweak, []byte(pt), true); string(got) != ct {
		t.Errorf("%d: narrow encrypts to %s, want %s", id, got, ct)
	}
	if got := c.wide(nil, tweak, []byte(ct), false); string(got) != pt {
		t.Errorf("%d: wide decrypts to %s, want %s", id, got, pt)
	}
}
