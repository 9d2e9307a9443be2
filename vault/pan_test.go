package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"chaperone/vault/keys"
)

func testTokens(tb testing.TB) (*Tokens, *keys.Ring) {
	tb.Helper()
	ring := keys.Ephemeral()
	tb.Cleanup(ring.Close)
	return New(ring, "clinic"), ring
}

// card completes digits to a card number: the digit before the last four makes
// it valid by Luhn.
func card(n int, head string, rng *rand.Rand) []byte {
	b := []byte(head)
	for len(b) < n {
		b = append(b, byte('0'+rng.IntN(10)))
	}
	b[n-last-1] = '0'
	setRemainder(b, 0)
	return b
}

// heads are beginnings and lengths of every row of the table.
var heads = []struct {
	head     string
	from, to int
}{
	{"2131", 15, 15}, {"2201", 16, 19}, {"2221", 16, 16}, {"2720", 16, 16},
	{"34", 15, 15}, {"37", 15, 15}, {"30", 14, 19}, {"36", 14, 19}, {"3528", 16, 19},
	{"4", 13, 19}, {"51", 16, 16}, {"55", 16, 16}, {"50", 12, 19}, {"58", 12, 19},
	{"6011", 16, 19}, {"62", 16, 19}, {"6", 12, 19},
}

// TestSymbols pins the frozen table, and checks that it can be turned round.
func TestSymbols(t *testing.T) {
	var got string
	seen := make(map[symbol]bool)
	for row := range symbols {
		for column, s := range symbols[row] {
			got += fmt.Sprintf("%c%d ", s.first, s.remainder)
			if seen[s] {
				t.Errorf("%v twice", s)
			}
			seen[s] = true
			if firstIndex(s.first) < 0 || s.remainder < 1 || s.remainder > 9 {
				t.Errorf("%v is no symbol", s)
			}
			if e := bySymbol[firstIndex(s.first)][s.remainder]; e.row != row+1 || e.column != column+1 {
				t.Errorf("%v turns round to %v", s, e)
			}
		}
		got += "/ "
	}
	const frozen = "11 12 13 14 15 / 16 17 18 19 71 / 72 73 74 75 76 / 77 78 79 81 82 / 83 84 85 86 87 / "
	if got != frozen {
		t.Errorf("the table is\n%s, but tokens were minted by\n%s", got, frozen)
	}
}

// TestSmallestLength mints every card of 12 digits with one first digit and
// one last four: all tokens differ, none is valid by Luhn, and each reveals.
func TestSmallestLength(t *testing.T) {
	tokens, _ := testTokens(t)
	seen := make([]bool, 1_000_000)
	pan := []byte("600000001234")
	var token, back []byte
	stride := 1
	if raceEnabled {
		stride = 13
	}
	for i := 0; i < len(seen); i += stride {
		for v, j := i, 6; j > 0; v, j = v/10, j-1 {
			pan[j] = byte('0' + v%10)
		}
		pan[7] = '0'
		setRemainder(pan, 0)
		var err error
		if token, err = tokens.MintPAN(token[:0], pan); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		middle, _ := strconv.Atoi(string(token[1:7]))
		if seen[middle] {
			t.Fatalf("%d: two cards have one token", i)
		}
		seen[middle] = true
		if sum, _ := luhn(token); sum == 0 || token[0] != '8' || string(token[8:]) != "1234" || !IsPANToken(token) {
			t.Fatalf("%d: token %s", i, token)
		}
		if back, err = tokens.RevealPAN(back[:0], token); err != nil || !bytes.Equal(back, pan) {
			t.Fatalf("%d: reveals %s, %v", i, back, err)
		}
	}
}

// TestProperties mints cards of every kind and length in five generations, and
// holds every token to what the design promises of it.
func TestProperties(t *testing.T) {
	tokens, ring := testTokens(t)
	rng := rand.New(rand.NewPCG(3, 4))
	minted := make(map[string]string) // token: card
	for generation := 1; generation <= keys.PANSlots; generation++ {
		for _, h := range heads {
			for n := h.from; n <= h.to; n++ {
				for range 100 {
					pan := card(n, h.head, rng)
					token, err := tokens.MintPAN([]byte("kept"), pan)
					if err != nil {
						t.Fatalf("%d digits from %s: %v", n, h.head, err)
					}
					token = token[4:]
					check(t, pan, token)
					if other, ok := minted[string(token)]; ok && other != string(pan) {
						t.Fatal("two cards have one token")
					}
					minted[string(token)] = string(pan)
				}
			}
		}
		if generation < keys.PANSlots {
			if _, err := ring.Rotate(t.Context(), keys.UsePAN); err != nil {
				t.Fatal(err)
			}
		}
	}
	for token, pan := range minted {
		if back, err := tokens.RevealPAN(nil, []byte(token)); err != nil || string(back) != pan {
			t.Fatalf("a token of %d digits reveals another card, or %v", len(token), err)
		}
	}
}

func check(t *testing.T, pan, token []byte) {
	t.Helper()
	n := len(pan)
	if len(token) != n || !bytes.Equal(token[n-4:], pan[n-4:]) {
		t.Fatalf("a card of %d digits has a token of %d, or other last four", n, len(token))
	}
	if sum, ok := luhn(token); !ok || sum == 0 {
		t.Fatal("a token is valid by Luhn")
	}
	if !IsPANToken(token) || IsPANToken(pan) {
		t.Fatalf("shape: token %t, card %t", IsPANToken(token), IsPANToken(pan))
	}
	var number json.Number
	if err := json.Unmarshal(token, &number); err != nil || string(number) != string(token) {
		t.Fatalf("a token is not a JSON number: %v", err)
	}
	if _, err := strconv.ParseInt(string(token), 10, 64); err != nil {
		t.Fatalf("a token does not fit in 64 bits: %v", err)
	}
	if f, err := strconv.ParseFloat(string(token), 64); n <= 16 && (err != nil || strconv.FormatFloat(f, 'f', 0, 64) != string(token)) {
		t.Fatal("a token of 16 digits or fewer changes as a floating-point number")
	}
}

func TestSameCardSameToken(t *testing.T) {
	tokens, ring := testTokens(t)
	pan := []byte("4111111111111111")
	mint := func(ts *Tokens) string {
		token, err := ts.MintPAN(nil, pan)
		if err != nil {
			t.Fatal(err)
		}
		return string(token)
	}
	first := mint(tokens)
	if again := mint(tokens); again != first {
		t.Error("the same card has two tokens")
	}
	other := New(ring, "another clinic")
	if mint(other) == first {
		t.Error("two scopes have one token")
	}
	if back, err := other.RevealPAN(nil, []byte(first)); err == nil && bytes.Equal(back, pan) {
		t.Error("another scope reveals the card")
	}
	if _, err := ring.Rotate(t.Context(), keys.UsePAN); err != nil {
		t.Fatal(err)
	}
	if mint(tokens) == first {
		t.Error("two generations have one token")
	}
}

func TestMintRefuses(t *testing.T) {
	tokens, _ := testTokens(t)
	for name, digits := range map[string]string{
		"empty":                 "",
		"11 digits":             "60000000004",
		"20 digits":             "60000000000000000000",
		"begins with 1":         "1111111111111117",
		"begins with 7":         "7111111111111116",
		"begins with 9":         "9704000000000018",
		"not valid by Luhn":     "4111111111111112",
		"a letter":              "411111111111111a",
		"a space":               "4111 111111111111",
		"no issuer":             "2999999999999993",
		"a length of no issuer": "411111111117",
		"not ASCII":             "41111111\xff1111111",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tokens.MintPAN([]byte("kept"), []byte(digits))
			if !errors.Is(err, ErrNotPAN) || string(got) != "kept" {
				t.Errorf("MintPAN = %q, %v", got, err)
			}
		})
	}
}

// numberOf returns 16 digits with a first digit and a Luhn remainder.
func numberOf(first string, remainder int) string {
	b := []byte(first + "11111111110" + "1234")
	setRemainder(b, remainder)
	return string(b)
}

func TestRevealRefuses(t *testing.T) {
	tokens, _ := testTokens(t)
	for name, token := range map[string]string{
		"empty":                  "",
		"a card number":          "4111111111111111",
		"valid by Luhn":          numberOf("7", 0),
		"11 digits":              "71111111111",
		"20 digits":              "71111111111111111111",
		"symbol not in use":      numberOf("8", 8),
		"the other one":          numberOf("8", 9),
		"generation not yet":     numberOf("1", 2),
		"a letter":               "711111111111111x",
		"not ASCII":              "\xff111111111111111",
		"begins with a minus":    "-711111111111111",
		"begins with a zero":     "0711111111111111",
		"exponent":               "7111111111e11111",
		"of a sealed token":      "tok_aaaaaaaaaaaaaaaa",
		"of 15 digits with dots": "7111.11111111111",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tokens.RevealPAN([]byte("kept"), []byte(token))
			if !errors.Is(err, ErrUnknown) || string(got) != "kept" {
				t.Errorf("RevealPAN = %q, %v", got, err)
			}
		})
	}
}

// TestForged changes digits of real tokens, makes tokens up, and takes those of
// another scope: none of them has a key that the index knows.
func TestForged(t *testing.T) {
	tokens, ring := testTokens(t)
	other := New(ring, "another clinic")
	rng := rand.New(rand.NewPCG(5, 6))
	known := make(map[string]bool)
	var real [][]byte
	for range 2000 {
		token, err := tokens.MintPAN(nil, card(16, "4", rng))
		if err != nil {
			t.Fatal(err)
		}
		key := tokens.IndexKey(nil, token)
		known[string(key)] = true
		real = append(real, token)
		if _, err := tokens.RevealKnown(nil, token, key); err != nil {
			t.Fatalf("a known token: %v", err)
		}
	}
	refused := func(what string, ts *Tokens, token []byte) {
		t.Helper()
		key := ts.IndexKey(nil, token)
		if len(key) != IndexKeyLen {
			t.Fatalf("a key of %d letters", len(key))
		}
		if known[string(key)] {
			t.Fatalf("%s is known", what)
		}
	}
	for _, token := range real {
		i := rng.IntN(len(token))
		mistyped := bytes.Clone(token)
		mistyped[i] = '0' + (token[i]-'0'+byte(1+rng.IntN(9)))%10
		refused("a mistyped token", tokens, mistyped)
		swapped := bytes.Clone(token)
		swapped[3], swapped[4] = swapped[4], swapped[3]
		if !bytes.Equal(swapped, token) {
			refused("a token with two digits swapped", tokens, swapped)
		}
		refused("a card number", tokens, card(16, "4", rng))
		refused("a token of another scope", other, token)
	}
}

// TestReusedSlot is the case that would charge somebody else's card: a token
// of a destroyed generation, whose slot another one has taken.
func TestReusedSlot(t *testing.T) {
	tokens, ring := testTokens(t)
	pan := []byte("4111111111111111")
	token, err := tokens.MintPAN(nil, pan)
	if err != nil {
		t.Fatal(err)
	}
	key := tokens.IndexKey(nil, token)
	for range keys.PANSlots - 1 {
		if _, err := ring.Rotate(t.Context(), keys.UsePAN); err != nil {
			t.Fatal(err)
		}
	}
	if back, err := tokens.RevealKnown(nil, token, key); err != nil || !bytes.Equal(back, pan) {
		t.Fatalf("after four rotations: %v", err)
	}
	if err := ring.Destroy(t.Context(), keys.UsePAN, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.RevealPAN(nil, token); !errors.Is(err, ErrUnknown) {
		t.Errorf("of a destroyed generation: %v", err)
	}
	if _, err := ring.Rotate(t.Context(), keys.UsePAN); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(tokens.IndexKey(nil, token), key) {
		t.Error("the index still knows a token of a destroyed generation")
	}
	if got, err := tokens.RevealKnown(nil, token, key); !errors.Is(err, ErrUnknown) {
		t.Errorf("revealed by the generation that took the slot: %d digits, %v", len(got), err)
	}
}

// TestVectors mints every card number of the third-party vectors that a pan
// token can stand for.
func TestVectors(t *testing.T) {
	dir := os.Getenv("CHAPERONE_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, "pan", "vectors.jsonl"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("third-party vectors are required in CI: %v", err)
		}
		t.Skipf("no third-party vectors: set CHAPERONE_VECTORS (%v)", err)
	}
	tokens, _ := testTokens(t)
	minted, refused := 0, 0
	for line := range bytes.Lines(b) {
		var v struct {
			Text, Expect string
			Luhn         bool
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		if _, digits := luhn([]byte(v.Text)); v.Expect != "pan" || !digits {
			continue
		}
		token, err := tokens.MintPAN(nil, []byte(v.Text))
		if fits := v.Luhn && v.Text[0] >= '2' && v.Text[0] <= '6'; !fits {
			refused++
			if !errors.Is(err, ErrNotPAN) {
				t.Errorf("%s: %v, want ErrNotPAN", v.Text, err)
			}
			continue
		}
		minted++
		if err != nil {
			t.Errorf("%s: %v", v.Text, err)
			continue
		}
		if back, err := tokens.RevealPAN(nil, token); err != nil || string(back) != v.Text {
			t.Errorf("%s reveals %s, %v", v.Text, back, err)
		}
	}
	if minted < 10 || refused == 0 {
		t.Errorf("%d minted, %d refused", minted, refused)
	}
	t.Logf("%d minted, %d refused", minted, refused)
}

func TestPANNoAllocation(t *testing.T) {
	tokens, _ := testTokens(t)
	pan := []byte("4111111111111111")
	token, back, key := make([]byte, 0, 32), make([]byte, 0, 32), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(1000, func() {
		token, _ = tokens.MintPAN(token[:0], pan)
		key = tokens.IndexKey(key[:0], token)
		back, _ = tokens.RevealKnown(back[:0], token, key)
		back, _ = tokens.RevealPAN(back[:0], token)
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestLuhn holds the sum to the formula, digit by digit, and sees every byte
// that is none at every place.
func TestLuhn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 40 {
		for range 200 {
			digits := make([]byte, n)
			want := 0
			for i := range digits {
				d := r.IntN(10)
				digits[n-1-i] = byte('0' + d)
				if d *= 1 + i%2; d > 9 {
					d -= 9
				}
				want += d
			}
			if sum, ok := luhn(digits); sum != want%10 || !ok {
				t.Fatalf("%s: %d, %t, want %d", digits, sum, ok, want%10)
			}
		}
		digits := bytes.Repeat([]byte("9"), n)
		for i := range digits {
			for c := range 256 {
				digits[i] = byte(c)
				if _, ok := luhn(digits); ok != ('0' <= c && c <= '9') {
					t.Fatalf("%q: %t", digits, ok)
				}
			}
			digits[i] = '9'
		}
	}
}
