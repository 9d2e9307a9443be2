package currency

import "testing"

func TestExponent(t *testing.T) {
	for code, want := range map[string]int{"USD": 2, "gbp": 2, "JPY": 0, "KWD": 3, "CLF": 4, "UYW": 4, "ISK": 0, "HUF": 2} {
		if got, ok := Exponent([]byte(code)); !ok || got != want {
			t.Errorf("%s: %d, %v; want %d", code, got, ok, want)
		}
	}
	for _, code := range []string{"", "US", "USDX", "XAU", "XXX", "U$D", "ZZZ", "usd "} {
		if got, ok := Exponent([]byte(code)); ok {
			t.Errorf("%q: %d, want none", code, got)
		}
	}
}
