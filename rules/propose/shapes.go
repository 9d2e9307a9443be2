package propose

import (
	"regexp"
	"strings"
	"time"
	"unicode"

	"chaperone/rules/basket"
	"chaperone/rules/currency"
	"chaperone/rules/detect"
)

// The shapes of values. They look at one value and keep nothing of it.

// wholePAN reports whether a value is a card number and nothing else.
func wholePAN(n *node) bool {
	switch n.kind {
	case text:
		digits, ok := detect.CompactDigits(nil, []byte(n.text))
		return ok && detect.IsPAN(digits)
	case number:
		_, ok := detect.PANNumber(nil, []byte(n.text))
		return ok
	}
	return false
}

// holdsPAN reports whether a card number stands in a text.
func holdsPAN(n *node) bool {
	_, found := detect.HasPAN([]byte(n.text))
	return n.kind == text && found
}

// longDigits reports whether a value is as long as a card number: a typing
// mistake, or a token.
func longDigits(n *node) bool {
	if n.kind != text && n.kind != number {
		return false
	}
	digits := 0
	for _, r := range n.text {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r != ' ' && r != '-':
			return false
		}
	}
	return digits >= 12 && digits <= 19
}

var (
	// timeShape is what follows the day of a moment.
	timeShape  = regexp.MustCompile(`^[T ][0-9]{2}:[0-9]{2}`)
	trackShape = regexp.MustCompile(`^(%[A-Za-z][0-9]{12,19}\^|;[0-9]{12,19}=)`)
	// codeShape is what a category may look like: a word or three, and no
	// number that could be somebody's.
	codeShape = regexp.MustCompile(`^[\pL][\pL&/+-]{0,23}([ _.-][\pL&/+]{1,23}){0,2}$`)
	// prefixShape are the letters before the first dash of an article number.
	prefixShape = regexp.MustCompile(`^([A-Za-z]{2,5})[-_.]`)
)

func isText(n *node) bool  { return n.kind == text }
func isTrack(n *node) bool { return n.kind == text && trackShape.MatchString(n.text) }

// day reads the date with which a text begins: what follows it, and its year,
// zero where that has two digits.
func day(n *node) (rest string, year int, ok bool) {
	if n.kind != text {
		return "", 0, false
	}
	size, year := detect.Date([]byte(n.text))
	return n.text[size:], year, size > 0
}

func isDate(n *node) bool {
	rest, _, ok := day(n)
	return ok && rest == ""
}

func isDateTime(n *node) bool {
	rest, _, ok := day(n)
	return ok && timeShape.MatchString(rest)
}

// isBirth reports whether a value is a day on which a grown person can have
// been born.
func isBirth(n *node) bool {
	_, year, _ := day(n)
	age := time.Now().Year() - year
	return isDate(n) && age > 14 && age < 120
}

// isEpoch reports whether a number is a moment of these decades, in seconds or
// milliseconds.
func isEpoch(n *node) bool {
	return n.kind == number && (len(n.text) == 10 || len(n.text) == 13) && !strings.ContainsAny(n.text, ".eE-") && (n.text[0] == '1' || n.text[0] == '2')
}

// isProse reports whether a text is one that somebody has typed: four words or
// more, and so possibly about anybody.
func isProse(n *node) bool {
	if n.kind != text {
		return false
	}
	spoken := 0
	for w := range strings.FieldsSeq(n.text) {
		if strings.ContainsFunc(w, unicode.IsLetter) {
			spoken++
		}
	}
	return spoken >= 4
}

// isCurrency reports whether a value is the code of a currency.
func isCurrency(n *node) bool {
	_, known := currency.Exponent([]byte(n.text))
	return n.kind == text && known
}

// isAmount reports whether a value is a decimal number, also as a text.
func isAmount(n *node) bool {
	if n.kind != text && n.kind != number {
		return false
	}
	_, err := basket.ParseDecimal([]byte(n.text))
	return err == nil
}

// decimals are the places behind the point of an amount, 0 of what is none.
func decimals(n *node) int {
	if n.kind != text && n.kind != number {
		return 0
	}
	d, err := basket.ParseDecimal([]byte(n.text))
	if err != nil {
		return 0
	}
	return int(d.Written)
}
