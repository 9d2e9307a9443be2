package detect

// The lengths of a card number, ISO/IEC 7812-1.
const (
	minDigits = 12
	maxDigits = 19
)

// issuer is a range of the first four digits and the lengths in use there.
type issuer struct {
	from, to uint16
	lengths  uint32 // bit n: n digits
}

// span returns the lengths from a to b.
func span(a, b int) uint32 { return 1<<(b+1) - 1<<a }

// issuers are the ranges of the first four digits that card networks use,
// ascending and without overlap. They are a little wider than what is issued:
// a number too many that is hidden does less harm than a card that is not.
// Elo, Hipercard, Hiper, Naranja, Dankort, InstaPayment, Verve and most of
// RuPay lie within the ranges of Visa (4), Maestro (50, 56–59, 6) and
// Diners (38).
var issuers = [...]issuer{
	{1800, 1800, 1 << 15},                       // JCB, the old cards
	{2131, 2131, 1 << 15},                       // JCB, the old cards
	{2200, 2205, span(16, 19)},                  // Mir, Borica
	{2221, 2720, 1 << 16},                       // Mastercard
	{3000, 3059, span(14, 19)},                  // Diners Club
	{3095, 3095, span(14, 19)},                  // Diners Club
	{3400, 3499, 1 << 15},                       // American Express
	{3528, 3589, span(16, 19)},                  // JCB, some RuPay
	{3600, 3699, span(14, 19)},                  // Diners Club
	{3700, 3799, 1 << 15},                       // American Express
	{3800, 3999, span(14, 19)},                  // Diners Club, some Hipercard
	{4000, 4999, 1<<13 | 1<<16 | 1<<18 | 1<<19}, // Visa
	{5000, 5099, span(minDigits, maxDigits)},    // Maestro, Elo, Verve, RuPay
	{5100, 5599, 1 << 16},                       // Mastercard
	{5600, 5999, span(minDigits, maxDigits)},    // Maestro, Naranja
	{6000, 6199, span(minDigits, maxDigits)},    // Maestro, Discover, RuPay, Hipercard
	{6200, 6299, span(14, maxDigits)},           // UnionPay, Discover
	{6300, 6999, span(minDigits, maxDigits)},    // Maestro, Discover, Elo, Troy, RuPay
	{8100, 8299, span(16, maxDigits)},           // UnionPay, RuPay
	{8600, 8600, 1 << 16},                       // UzCard
	{9704, 9704, 1<<16 | 1<<19},                 // Napas
	{9792, 9792, 1 << 16},                       // Troy
	{9860, 9860, 1 << 16},                       // Humo
}

// minLax is the least length of a card of UnionPay that needs no Luhn digit.
const minLax = 16

// lengthsOf returns the lengths that some issuer uses with these first four
// digits, as a set of bits.
func lengthsOf(first4 uint16) uint32 {
	for _, r := range issuers {
		if first4 <= r.to {
			if first4 >= r.from {
				return r.lengths
			}
			break
		}
	}
	return 0
}

// judge decides about a number of its own.
func judge(value uint64, n int, luhn bool) bool {
	if n < minDigits || n > maxDigits {
		return false
	}
	if !luhn {
		return n >= minLax && value/pow10[n-2] == 62
	}
	return lengthsOf(uint16(value/pow10[n-4]))>>uint(n)&1 == 1
}

// pow10 holds the powers of ten that fit.
var pow10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// IsPAN reports whether ASCII digits, and nothing else, are a card number:
// 12 to 19 of them, in the range and length of some issuer, valid by Luhn or
// of UnionPay's 62 with 16 to 19 digits. A caller that needs the Luhn digit
// (the token format "pan" does) asks Luhn too.
//
// IsPAN judges a value that somebody calls a card number; FindPANs, which
// judges text, passes over a few more (see the package's comment).
func IsPAN(digits []byte) bool {
	d, ok := readDigits(digits)
	return ok && judge(d.value, d.n, d.luhn)
}

// IsLuhnPAN is IsPAN and Luhn together.
func IsLuhnPAN(digits []byte) bool {
	d, ok := readDigits(digits)
	return ok && d.luhn && judge(d.value, d.n, true)
}

// Luhn reports whether ASCII digits, at least two of them and nothing else,
// end in a valid check digit of ISO/IEC 7812-1 annex B.
func Luhn(digits []byte) bool {
	if len(digits) < 2 {
		return false
	}
	var plain, doubled int // sums where the last digit so far counts once, and twice
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return false
		}
		plain, doubled = doubled+int(d), plain+int(twice[d])
	}
	return plain%10 == 0
}

// twice is the digit sum of a doubled digit.
var twice = [10]uint8{0, 2, 4, 6, 8, 1, 3, 5, 7, 9}

// gtin reports whether n digits bear the check digit of a GTIN-12 or GTIN-13,
// the barcode of a product (GS1 General Specifications 7.9). Thirteen digits
// that begin with 4 are never taken for one: Visa had cards of that shape, and
// a masked barcode is the smaller harm.
func gtin(value uint64, n int) bool {
	if n != 12 && (n != 13 || value/pow10[12] == 4) {
		return false
	}
	sum := uint64(0)
	for weight := uint64(1); value > 0; value /= 10 {
		sum += value % 10 * weight
		weight = 4 - weight
	}
	return sum%10 == 0
}
