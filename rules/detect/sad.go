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
	return len(name) >= minSADName && sadFirst[name[0]]>>(sadClass[name[1]]&31)&1 != 0 && sad(name)
}

// SADHead reports whether SAD may say yes of a name whose first eight bytes are
// these, little-endian and filled up with zeros.
func SADHead(word uint64) bool {
	second := byte(word >> 8)
	return sadFirst[byte(word)]>>(sadClass[second]&31)&1 != 0 && sadSecond[second]>>(sadClass[byte(word>>16)]&31)&1 != 0
}

func sad(name []byte) bool {
	second, third := sadClass[name[1]], sadClass[name[2]]
	if len(name) > maxSADName || len(name) < int(sadLeast[second][third]) || sadLast[name[0]]>>(sadClass[name[len(name)-1]]&31)&1 == 0 {
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

// sadClass tells the bytes of a name apart as far as the screens below need:
// letters in both cases, digits, decorations, and what no name holds.
const (
	classNever, classDigits, classDecoration = 0, 27, 28
	sadClasses                               = 29
)

var sadClass = func() (t [256]uint8) {
	for c, f := range sadFold {
		switch {
		case f >= 'a':
			t[c] = f - 'a' + 1
		case f >= '0':
			t[c] = classDigits
		case f == sadPassed:
			t[c] = classDecoration
		}
	}
	return t
}()

// sadFirst, sadSecond and sadLast have, by the first or second byte of a name, a
// bit for every class that the second, third or last byte can have then.
// sadLeast is the least length, by the classes of the second and third byte, and
// more than any name has where there is none. Decorations may stand anywhere.
var sadFirst, sadSecond, sadLast, sadLeast = func() (first, second, last [256]uint32, least [sadClasses][sadClasses]uint8) {
	for c := range least {
		for d := range least {
			least[c][d] = maxSADName + 1
		}
	}
	const decorated = 1 << classDecoration
	allow := func(c, d byte, length int) { // two bytes of a name, one behind the other
		least[sadClass[c]][sadClass[d]] = min(least[sadClass[c]][sadClass[d]], uint8(length))
		for _, x := range [...]byte{c, d} {
			least[classDecoration][sadClass[x]], least[sadClass[x]][classDecoration] = minSADName, minSADName
		}
	}
	least[classDecoration][classDecoration] = minSADName
	for name := range sadNames {
		for _, upper := range [...]byte{0, 'a' - 'A'} { // all of them begin with two letters
			a, b := name[0]-upper, name[1]-upper
			first[a] |= 1<<sadClass[b] | decorated
			last[a] |= 1<<sadClass[name[len(name)-1]] | decorated
			second[a] |= 1<<sadClass[b] | decorated // behind a decoration
			second[b] |= 1<<sadClass[name[2]] | decorated
		}
		allow(name[0], name[1], minSADName) // behind a decoration
		allow(name[1], name[2], len(name))
	}
	for _, d := range sadDecorations {
		first[d], second[d], last[d] = 1<<32-1, 1<<32-1, 1<<32-1
	}
	return first, second, last, least
}()
