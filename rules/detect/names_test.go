package detect

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestSAD(t *testing.T) {
	for _, name := range strings.Fields(`cvv CVV2 cvc cvc2 CID csc cav2 icvv dcvv cvn cvd card_security_code cardSecurityCode
		security_code securityCode SECURITY-CODE track1 track2 track_1 track2Data track_data trackData magstripe mag_stripe magStripeData
		pin PIN pin_block pinBlock encrypted_pin_block card_cvv cardCvc cc_cvv cc-csc credit_card_cvv cvv_code cvvNumber card_verification_value
		cardVerificationCode verification_value payment_cvc card.cvc cvc_no track2_equivalent_data cardCode onlinePin _cvv`) {
		if !SAD([]byte(name)) {
			t.Errorf("%s is no SAD name", name)
		}
	}
	for _, name := range append(strings.Fields(`pan card number card_number cardholder security code name pincode pin_code spin pinned shipping track tracks
		tracking_number track_id c cv cvs cvvx xcvv city cidr client_id card_id cardcv company cvv_result cvv_check payment payment_method
		паннн cv\u0076 cvv\u0000`), "", strings.Repeat("cvv", 20), "cvv!", "c\xc5vv") {
		if SAD([]byte(name)) {
			t.Errorf("%q is a SAD name", name)
		}
	}
	if !SAD([]byte("card security code")) {
		t.Error("blanks are not passed over")
	}
}

// TestSADScreens: whatever the screens turn away is none of the names, however
// it is written.
func TestSADScreens(t *testing.T) {
	decorations := []string{"", "-", "_", ".", " ", "_-", "..", "___"}
	check := func(name string) {
		t.Helper()
		var head [8]byte
		copy(head[:], name)
		if !SADHead(binary.LittleEndian.Uint64(head[:])) || !SAD([]byte(name)) {
			t.Errorf("%q is turned away", name)
		}
	}
	for name := range sadNames {
		for _, name := range [...]string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			for i := range len(name) + 1 {
				for _, d := range decorations {
					one := name[:i] + d + name[i:]
					check(one)
					for j := range min(len(one), 5) {
						check(one[:j] + "_" + one[j:])
					}
				}
			}
		}
	}
	for _, name := range []string{"name", "number", "unit_price", "amount", "email", "pan", "terminal"} {
		var head [8]byte
		copy(head[:], name)
		if SADHead(binary.LittleEndian.Uint64(head[:])) {
			t.Errorf("%s passes the screen, which makes it slow", name)
		}
	}
}

func TestFindSealed(t *testing.T) {
	token := "tok_" + strings.Repeat("aBcD", 6)
	for _, c := range []struct{ name, text, found string }{
		{"whole", token, token},
		{"in a note", "see " + token + ", please", token},
		{"two", token + " " + token + "xyz", token + "|" + token + "xyz"},
		{"directly behind something", "x" + token, token},
		{"too short", token[:len(token)-1], ""},
		{"somebody else's", token + "9", ""},
		{"somebody else's, with an underscore", token + "_9", ""},
		{"the prefix twice", "tok_" + token, token},
		{"the prefix alone", "tok_", ""},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range FindSealed(nil, []byte(c.text)) {
				if s.Kind != SealedToken || s.Digits != 0 {
					t.Errorf("%+v", s)
				}
				got = append(got, c.text[s.Start:s.End])
			}
			if strings.Join(got, "|") != c.found {
				t.Errorf("%q, want %q", got, c.found)
			}
		})
	}
}

func BenchmarkCandidateNoDigits(b *testing.B) {
	for _, n := range []int{12, 40, 4096} {
		b.Run(sizeName(n), func(b *testing.B) {
			text := []byte(strings.Repeat("Hydrating night cream, ", n/23+1)[:n])
			b.SetBytes(int64(n))
			for b.Loop() {
				if Candidate(text) {
					b.Fatal("found")
				}
			}
		})
	}
}

func BenchmarkFindPANs(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"words", strings.Repeat("Hydrating night cream, ", 180)},
		{"umlauts", strings.Repeat("Für die Nacht: Crème, ", 180)},
		{"Chinese", strings.Repeat("保湿晚霜和面部护理", 180)},
		{"notes", strings.Repeat("On 2026-11-21 10:30 Ms Roe (tel 555-123-4567) had 20 units, lot C4521A; ", 50)},
		{"digit by digit", strings.Repeat("4 1 ", 1000)},
		{"cards", strings.Repeat("4111 1111 1111 1111, ", 200)},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := []byte(c.text)
			spans := make([]Span, 0, 1000)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				spans = FindPANs(spans[:0], text)
			}
		})
	}
}

func BenchmarkGuardJSON(b *testing.B) {
	item := `{"sku":"TX-100","name":"Hyaluronic filler 1 ml","category":"injectable","qty":1,"unit_price":50000,"lot":"C4521A"},`
	body := []byte(`{"transaction_id":"sale-20261121-0007","items":[` + strings.Repeat(item, 12) + `{}],"card":"7111111111111110"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, found := GuardJSON(body); found {
			b.Fatal("found")
		}
	}
}

func sizeName(n int) string { return map[int]string{12: "12", 40: "40", 4096: "4096"}[n] }

// TestSADScreen asks about every name in the shapes that people write names in:
// the screen may turn none of them away.
func TestSADScreen(t *testing.T) {
	for name := range sadNames {
		shapes := []string{name, strings.ToUpper(name), "_" + name, name + "_", "-" + name + ".", strings.Join(strings.Split(name, ""), "_"), name[:1] + " " + name[1:], name[:2] + "." + name[2:], "--" + name}
		for _, shape := range shapes {
			if len(shape) <= maxSADName && !SAD([]byte(shape)) {
				t.Errorf("%q is no SAD name", shape)
			}
		}
		for _, other := range []string{"x" + name, name + "x", name[:len(name)-1] + "ä"} {
			if _, known := sadNames[other]; !known && SAD([]byte(other)) {
				t.Errorf("%q is a SAD name", other)
			}
		}
	}
}

func BenchmarkSAD(b *testing.B) {
	var names [][]byte
	for _, n := range strings.Fields("transaction_id timestamp currency terminal cashier birth_date category unit_price practitioner card number exp_month holder cvv") {
		names = append(names, []byte(n))
	}
	for b.Loop() {
		for _, n := range names {
			SAD(n)
		}
	}
}
