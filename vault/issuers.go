package vault

// plausible says whether an issuer may have given out a number that begins and
// is as long as this one. Minting and revealing ask the same question, so that
// whatever was minted is revealed; of random digits, a forged token among them,
// it refuses some. It is deliberately wide: what it refuses to mint becomes a
// sealed token, which is text.
func plausible(pan []byte) bool {
	n := len(pan)
	head := int(pan[0]-'0')*1000 + int(pan[1]-'0')*100 + int(pan[2]-'0')*10 + int(pan[3]-'0')
	between := func(from, to int) bool { return head >= from && head <= to }
	switch pan[0] {
	case '2':
		return between(2131, 2131) && n == 15 || // JCB
			between(2200, 2205) && n >= 16 || // Mir, Borica
			between(2221, 2720) && n == 16 // Mastercard
	case '3':
		return (between(3400, 3499) || between(3700, 3799)) && n == 15 || // American Express
			(between(3000, 3099) || between(3600, 3699) || between(3800, 3999)) && n >= 14 || // Diners Club
			between(3500, 3599) && n >= 16 // JCB, RuPay
	case '4':
		return n >= 13 // Visa
	case '5':
		return n == 16 || !between(5100, 5599) // Mastercard; Maestro, Elo, Verve, RuPay
	case '6':
		return true // Maestro, Discover, UnionPay, RuPay, Elo, Troy
	}
	return false
}
