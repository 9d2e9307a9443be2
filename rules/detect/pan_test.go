package detect

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestFindPANs(t *testing.T) {
	const visa, amex = "4111111111111111", "378282246310005"
	for _, c := range []struct{ name, text, found string }{
		{"whole", visa, visa},
		{"in a sentence", "card " + visa + ", exp 12/27", visa},
		{"letters next to it", "card" + visa + "x", visa},
		{"in quotes", `{"pan":"` + visa + `"}`, visa},
		{"in a URL", "https://x.example/pay?card=" + visa + "&a=1", visa},
		{"two", visa + "," + amex, visa + "|" + amex},
		{"two in fours", "4111 1111 1111 1111 5555 5555 5555 4444", "4111 1111 1111 1111|5555 5555 5555 4444"},
		{"spaces", "4111 1111 1111 1111", "4111 1111 1111 1111"},
		{"dashes", "4111-1111-1111-1111", "4111-1111-1111-1111"},
		{"dots", "4111.1111.1111.1111", "4111.1111.1111.1111"},
		{"underscores", "4111_1111_1111_1111", "4111_1111_1111_1111"},
		{"no-break spaces", "4111\u00a01111\u00a01111\u00a01111", "4111\u00a01111\u00a01111\u00a01111"},
		{"thin spaces", "4111\u20091111\u20091111\u20091111", "4111\u20091111\u20091111\u20091111"},
		{"en dashes between blanks", "4111 – 1111 – 1111 – 1111", "4111 – 1111 – 1111 – 1111"},
		{"zero-width spaces", "4111\u200b1111\u200b1111\u200b1111", "4111\u200b1111\u200b1111\u200b1111"},
		{"tabs", "4111\t1111\t1111\t1111", "4111\t1111\t1111\t1111"},
		{"lines", "4111 1111\n1111 1111", "4111 1111\n1111 1111"},
		{"full-width digits", "４１１１１１１１１１１１１１１１", "４１１１１１１１１１１１１１１１"},
		{"full-width and ASCII digits", "4１1１1１1１1１1１1１1１", "4１1１1１1１1１1１1１1１"},
		{"Arabic-Indic digits", "٤١١١ ١١١١ ١١١١ ١١١١", "٤١١١ ١١١١ ١١١١ ١١١١"},
		{"mathematical digits", "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏", "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏"},
		{"digit by digit", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"},
		{"digit by digit, then the date", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 12 27", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"},
		{"behind a date", "2026-11-21 4111 1111 1111 1111", "4111 1111 1111 1111"},
		{"behind a date, undivided", "2026-11-21 " + visa, visa},
		{"before a date", "4111 1111 1111 1111 2026-11-21", "4111 1111 1111 1111"},
		{"behind a date, in odd groups", "2026-11-21 41 111 11111 111111 2026-11-21", "41 111 11111 111111"},
		{"before expiry and code", "4111 1111 1111 1111 12 27 123", "4111 1111 1111 1111"},
		{"4-6-5", "call 1 3782 822463 10005 now", "3782 822463 10005"},
		{"two halves in a longer run", "7 7 41111111 11111111 7", "41111111 11111111"},
		{"a split first digit", "4 111111111111111", ""}, // 111111111111111 has the shape of a token
		{"odd groups", "4 11 111 1111 111111", "4 11 111 1111 111111"},
		{"decimals of a string", visa + ".00", visa},
		{"behind a quantity and a comma", "3," + visa, visa},
		{"Mastercard's second range", "2223003122003222", "2223003122003222"},
		{"UnionPay without Luhn", "no. 6221558812340000", "6221558812340000"},
		{"UnionPay without Luhn, in fours", "6221 5588 1234 0000", "6221 5588 1234 0000"},
		{"19 digits", "6212345678900000003", "6212345678900000003"},
		{"a plus sign does not hide it", "+" + visa, visa},

		{"empty", "", ""},
		{"one digit more", visa + "1", ""},
		{"twenty digits", "41111111111111111111", ""},
		{"a wrong check digit", "4111111111111112", ""},
		{"UnionPay without Luhn, in odd groups", "62 21 55 88 12 34 00 00", ""},
		{"eleven digits", "41111111111", ""},
		{"slash dates", "11/21/2026 11/22/2026 11/23/2026", ""},
		{"four separators", "4111    1111    1111    1111", ""},
		{"a token of format pan", "7111111111111110", ""},
		{"a token behind a number", "4000 7111111111111110", ""},
		{"ISO dates", "2026-11-23 2026-11-25 2026-11-27 2026-11-26 2026-12-24 2027-01-01", ""},
		{"ISO time stamps", "2026-11-21T10:11:12.123456Z 20261121101112 20261121T101112", ""},
		{"epoch milliseconds", "1771234567894 1771234567001", ""},
		{"epoch nanoseconds", "1771234567123456789", ""},
		{"phone", "+1 (555) 123-4567", ""},
		{"phones in a row", "555-123-4567 555-123-4568 555-123-4575", ""},
		{"phones in lines", "020 7946 0958\n020 7946 0959\n5123 4567 8901", ""},
		{"a German mobile phone, valid by Luhn", "+4915123456783", ""},
		{"a barcode, valid by Luhn", "5901234123457", ""},
		{"thirteen digits of Visa, also valid as a barcode", "4006381334013", "4006381334013"},
		{"a decimal", "41.11111111111111", ""},
		{"an IP address", "192.168.100.100 192.168.100.101", ""},
		{"units of a drug", "4 4 4 4 4 6 6 6 8 8 8 10 12 4 4 4 4 5 5 5 5", ""},
		{"a UUID", "550e8400-e29b-41d4-a716-446655440000", ""},
		{"superscripts are no decimal digits", "⁴¹¹¹¹¹¹¹¹¹¹¹¹¹¹¹", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range FindPANs(nil, []byte(c.text)) {
				got = append(got, c.text[s.Start:s.End])
			}
			if strings.Join(got, "|") != c.found {
				t.Errorf("%q: found %q, want %q", c.text, got, c.found)
			}
			if _, found := HasPAN([]byte(c.text)); found != (c.found != "") {
				t.Errorf("%q: HasPAN %v", c.text, found)
			}
		})
	}
}

func TestIsPAN(t *testing.T) {
	for digits, want := range map[string]bool{
		"4111111111111111": true, "4222222222222": true, "378282246310005": true, "30569309025904": true,
		"8171999927660000": true, "6221558812340000": true, "9792100000000001": true, "2200770239097761": true,
		"4111 1111 1111 1111": false, "": false, "7111111111111111": false, "0000000000000000": false,
		"411111111111": false, "1111111111111117": false, "4111111111111111a": false, "８": false,
	} {
		if got := IsPAN([]byte(digits)); got != want {
			t.Errorf("%s: %v", digits, got)
		}
	}
	if Luhn([]byte("0")) || Luhn(nil) || !Luhn([]byte("18")) || Luhn([]byte("1a")) || !Luhn(bytes.Repeat([]byte("18"), 500)) {
		t.Error("Luhn at its edges")
	}
}

func TestIssuersAreInOrder(t *testing.T) {
	last := -1
	for _, r := range issuers {
		if int(r.from) <= last || r.to < r.from || r.lengths == 0 || r.lengths>>(maxDigits+1) != 0 || r.lengths&(1<<minDigits-1) != 0 {
			t.Errorf("%+v", r)
		}
		last = int(r.to)
	}
}

func TestPANNumber(t *testing.T) {
	for literal, want := range map[string]string{
		"4111111111111111": "4111111111111111", "4.111111111111111e15": "4111111111111111", "4.111111111111111E+15": "4111111111111111",
		"4111111111111111.00": "4111111111111111", "4111111111111111.75": "4111111111111111", "-4111111111111111": "4111111111111111",
		"41111111111111110e-1": "4111111111111111", "0.4111111111111111e16": "4111111111111111", "0.00004111111111111111e20": "4111111111111111",
		"6e18": "", "63e17": "", "4111111111111112": "", "41111111111111111": "", "4.111111111111111": "", "0.4111111111111111": "",
		"4111111111111111e1": "", "4111111111111111e99999999999999999999": "", "1e-99999999999999999999": "", "0e1000000": "",
		"1e4111111111111111": "4111111111111111", "1E-4111111111111111": "4111111111111111", "7111111111111110": "", "5901234123457": "",
		"": "", "-": "", "411111111111111x": "", "4111111111111111e": "4111111111111111", "1771234567894": "", "e": "", ".": "",
	} {
		got, ok := PANNumber(nil, []byte(literal))
		if string(got) != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", literal, got, ok, want)
		}
	}
}

func TestCompactDigits(t *testing.T) {
	for text, want := range map[string]string{
		"4111 1111-1111.1111": "4111111111111111", "  ٤１1 \u200b": "411", "12": "12", "": "", " - ": "", "1a": "", "1/2": "12", "+1": "",
	} {
		got, ok := CompactDigits([]byte("x"), []byte(text))
		if string(got) != "x"+want || ok != (want != "") {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}

// TestDecimalDigits holds the arithmetic of decimal to Unicode's tables: every
// digit is known, and its value is what unicode's blocks of ten say.
func TestDecimalDigits(t *testing.T) {
	value := -1
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.Is(unicode.Nd, r) {
			if value != -1 && value != 9 {
				t.Fatalf("%U: a block ends at %d", r-1, value)
			}
			value = -1
			continue
		}
		value = (value + 1) % 10
		c, size, d := classify(utf8.AppendRune(nil, r))
		if c != classDigit || size != utf8.RuneLen(r) || int(d) != value {
			t.Errorf("%U: class %d, size %d, value %d, want %d", r, c, size, d, value)
		}
		escape := fmt.Sprintf("%04x", r)
		if r > 0xFFFF {
			escape = fmt.Sprintf("%x", utf16(r))
		}
		if !strings.ContainsAny(escape, "0123456789") {
			t.Errorf("%U: Candidate relies on a digit in every escape of a digit", r)
		}
	}
}

func utf16(r rune) []uint16 {
	r -= 0x10000
	return []uint16{uint16(0xD800 + r>>10), uint16(0xDC00 + r&0x3FF)}
}

func TestCandidate(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "12345678901": false, "123456789012": true, "a1b2c3d4e5f6g7h8i9j0k1l2": true, "a1b2c3d4e5f6g7h8i9j0k1l": false,
		strings.Repeat("/:;@", 40): false, "é": false, "éééééééééééé": true, strings.Repeat("x", 30) + "12345678901": false,
	} {
		if got := Candidate([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	for c := 0; c < 256; c++ {
		if got, want := digitMask(uint64(c)<<24)>>31&1 == 1, c >= '0' && c <= '9'; got != want {
			t.Errorf("digitMask of %#x: %v", c, got)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	text := []byte("2026-11-21 4111 1111 1111 1111 and 378282246310005, again 4111-1111-1111-1111")
	body := []byte(`{"a":"4111 1111 1111 1112 \u0034","n":[4111111111111112,1.5e3],"text":"` + strings.Repeat("no digits here, ", 20) + `"}`)
	url := []byte("/v1/payments?x=%20+4111%201111%201111%201112")
	number, name, sealed := []byte("4.111111111111111e15"), []byte("Card_Security-Code"), []byte("a tok_abcdefghijkmnpqrstuvwxyzabcdef b")
	spans := make([]Span, 0, 8)
	digits := make([]byte, 0, 32)
	if n := testing.AllocsPerRun(100, func() {
		if spans = FindPANs(spans[:0], text); len(spans) != 3 {
			t.Fatal(spans)
		}
		if _, found := GuardJSON(body); found {
			t.Fatal("found")
		}
		if _, found := GuardText(url); found {
			t.Fatal("found")
		}
		digits, _ = PANNumber(digits[:0], number)
		digits, _ = CompactDigits(digits[:0], text[11:30])
		SAD(name)
		spans = FindSealed(spans[:0], sealed)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
