package detect

// maxSADName is the length of the longest name below and its decorations.
const maxSADName = 40

// SAD reports whether a decoded member name is one of the usual names of
// sensitive authentication data (PCI DSS 3.3.1: card verification code, full
// track, PIN and PIN block). Case is folded, and hyphens, underscores, blanks
// and dots are passed over. Names of a card verification code also count with
// card, cc, credit_card, debit_card or payment before them and code, number,
// value, no or data behind them.
func SAD(name []byte) bool {
	if len(name) < 3 || len(name) > maxSADName || !sadFirst[name[0]] {
		return false
	}
	var buf [maxSADName]byte
	folded := buf[:0]
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			folded = append(folded, c+'a'-'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			folded = append(folded, c)
		case c == '-' || c == '_' || c == ' ' || c == '.':
		default:
			return false
		}
	}
	return sadName(folded)
}

// sadFirst marks the first bytes that a name may have.
var sadFirst = func() (t [256]bool) {
	for _, c := range "CcDdEeFfIiMmOoPpRrSsTtVv-_ ." {
		t[c] = true
	}
	return t
}()

func sadName(name []byte) bool {
	switch string(name) {
	case "pin", "pinblock", "pindata", "pinnumber", "cardpin", "encryptedpin", "encryptedpinblock", "encpinblock", "onlinepin",
		"cardcode", "securitycode", "securityvalue", "cardsecuritycode", "cardsecurityvalue", "cardsecuritynumber",
		"verificationvalue", "cardverification", "cardverificationcode", "cardverificationvalue",
		"cardverificationnumber", "cardverificationdata", "cardvalidationcode", "cardvalidationvalue",
		"creditcardsecuritycode", "creditcardverificationcode", "creditcardverificationvalue",
		"track1", "track2", "track3", "track1data", "track2data", "track3data", "trackdata",
		"trackone", "tracktwo", "fulltrack", "fulltrackdata", "track2equivalent", "track2equivalentdata",
		"rawtrack", "rawtrackdata", "swipedata", "cardswipe",
		"magstripe", "magstripedata", "magneticstripe", "magneticstripedata", "magdata", "msrdata":
		return true
	}
	for _, p := range [...]string{"creditcard", "debitcard", "payment", "card", "cc"} {
		if len(name) > len(p)+2 && string(name[:len(p)]) == p {
			return verificationCode(name[len(p):])
		}
	}
	return verificationCode(name)
}

// verificationCode reports whether the name is one that networks and gateways
// give to the card verification code, with or without "code" and the like.
func verificationCode(name []byte) bool {
	for _, s := range [...]string{"", "code", "number", "value", "data", "no"} {
		core := len(name) - len(s)
		if core < 3 || string(name[core:]) != s {
			continue
		}
		switch string(name[:core]) {
		case "cvv", "cvv1", "cvv2", "cvv3", "icvv", "dcvv", "cvc", "cvc1", "cvc2", "cvc3", "cvn", "cvn2", "cvd", "cvd2",
			"cve", "cav", "cav2", "cid", "csc", "csc2":
			return true
		}
	}
	return false
}
