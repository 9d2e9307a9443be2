package detect

// Lengths of a member name, decorations and all, that SAD looks at.
const (
	minSADName = 3
	maxSADName = 40
)

// SAD reports whether a decoded member name is one of the usual names of
// sensitive authentication data (PCI DSS 3.3.1: card verification code, full
// track, PIN and PIN block). Case is folded, and hyphens, underscores, blanks
// and dots are passed over. Names of a card verification code also count with
// card, cc, credit_card, debit_card or payment before them and code, number,
// value, no or data behind them.
func SAD(name []byte) bool {
	// The screen turns nearly all names away, small enough to be inlined.
	return len(name) >= minSADName && sadScreen[name[0]&31]>>(name[1]&31)&1 != 0 && sad(name)
}

// SADHead reports whether SAD may say yes of a name whose first eight bytes are
// these, little-endian and filled up with zeros.
func SADHead(word uint64) bool {
	return sadScreen[word&31]>>(word>>8&31)&1 != 0 && sadThird[word>>8&31]>>(word>>16&31)&1 != 0
}

func sad(name []byte) bool {
	if len(name) > maxSADName || sadThird[name[1]&31]>>(name[2]&31)&1 == 0 || sadLast[name[0]&31]>>(name[len(name)-1]&31)&1 == 0 {
		return false
	}
	var buf [maxSADName]byte
	n := 0
	for _, c := range name {
		f := sadFold[c]
		if f == sadNever {
			return false
		}
		buf[n] = f
		if f != sadPassed {
			n++
		}
	}
	_, ok := sadNames[string(buf[:n])]
	return ok
}

// sadFold folds the bytes of a name; two values are none that a folded name
// has: that of what is passed over, and that of what no name holds.
const sadPassed, sadNever = 1, 0

var sadFold = func() (t [256]byte) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = byte(c), byte(c)
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = byte(c)
	}
	for _, c := range sadDecorations {
		t[c] = sadPassed
	}
	return t
}()

const sadDecorations = "-_ ."

// sadNames are all names, folded.
var sadNames = func() map[string]struct{} {
	names := map[string]struct{}{}
	for _, n := range [...]string{
		"pin", "pinblock", "pindata", "pinnumber", "cardpin", "encryptedpin", "encryptedpinblock", "encpinblock", "onlinepin",
		"cardcode", "securitycode", "securityvalue", "cardsecuritycode", "cardsecurityvalue", "cardsecuritynumber",
		"verificationvalue", "cardverification", "cardverificationcode", "cardverificationvalue",
		"cardverificationnumber", "cardverificationdata", "cardvalidationcode", "cardvalidationvalue",
		"creditcardsecuritycode", "creditcardverificationcode", "creditcardverificationvalue",
		"track1", "track2", "track3", "track1data", "track2data", "track3data", "trackdata",
		"trackone", "tracktwo", "fulltrack", "fulltrackdata", "track2equivalent", "track2equivalentdata",
		"rawtrack", "rawtrackdata", "swipedata", "cardswipe",
		"magstripe", "magstripedata", "magneticstripe", "magneticstripedata", "magdata", "msrdata",
	} {
		names[n] = struct{}{}
	}
	// What networks and gateways call the card verification code.
	for _, core := range [...]string{
		"cvv", "cvv1", "cvv2", "cvv3", "icvv", "dcvv", "cvc", "cvc1", "cvc2", "cvc3", "cvn", "cvn2", "cvd", "cvd2",
		"cve", "cav", "cav2", "cid", "csc", "csc2",
	} {
		for _, before := range [...]string{"", "creditcard", "debitcard", "payment", "card", "cc"} {
			for _, behind := range [...]string{"", "code", "number", "value", "data", "no"} {
				names[before+core+behind] = struct{}{}
			}
		}
	}
	return names
}()

// sadScreen, sadThird and sadLast have a bit for every pair of first and second,
// second and third, and first and last byte that a name can have, by the low
// five bits of each, which are the same in both cases of a letter. Decorations
// may stand anywhere.
var sadScreen, sadThird, sadLast = func() (screen, third, last [32]uint32) {
	for name := range sadNames {
		first, second := name[0]&31, name[1]&31
		screen[first] |= 1 << second
		third[first] |= 1 << second // behind a decoration
		third[second] |= 1 << (name[2] & 31)
		last[first] |= 1 << (name[len(name)-1] & 31)
	}
	for _, d := range sadDecorations {
		for c := range screen {
			screen[c] |= 1 << (d & 31)
			third[c] |= 1 << (d & 31)
			last[c] |= 1 << (d & 31)
		}
	}
	for _, d := range sadDecorations {
		screen[d&31], third[d&31], last[d&31] = 1<<32-1, 1<<32-1, 1<<32-1
	}
	return screen, third, last
}()
