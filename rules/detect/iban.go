package detect

// iban finds an international bank account number (ISO 13616): a country, two
// check digits and as many letters and digits as the country has, undivided or
// with a blank or a dash behind every fourth, whose remainder modulo 97 is one.
func (f *Seeker) iban() (start, end int) {
	g := f.chain.at(0)
	start = g.start - 2
	if start < 0 || g.n < 2 || !capital(f.text[start]) || !capital(f.text[start+1]) || f.text[g.start+1]-'0' > 9 || start > 0 && !f.freeLeft(start) {
		return 0, 0
	}
	length := ibanLengths[uint16(f.text[start])<<8|uint16(f.text[start+1])]
	if length == 0 {
		return 0, 0
	}
	remainder, read, i := 0, 4, start+4
	var mark byte
	for ; read < length && i < len(f.text); i++ {
		c := f.text[i]
		f.steps++
		switch {
		case c-'0' <= 9:
			remainder = (remainder*10 + int(c-'0')) % 97
		case capital(c):
			remainder = (remainder*100 + int(c-'A') + 10) % 97
		case (c == ' ' || c == '-') && read%4 == 0 && (mark == c || read == 4) && f.text[i-1] != c:
			mark = c
			continue
		default:
			return 0, 0
		}
		read++
	}
	for _, c := range f.text[start : start+2] {
		remainder = (remainder*100 + int(c-'A') + 10) % 97
	}
	check := int(f.text[start+2]-'0')*10 + int(f.text[start+3]-'0')
	if read < length || (remainder*100+check)%97 != 1 || i < len(f.text) && f.wordFrom(i) {
		return 0, 0
	}
	return start, i
}

func capital(c byte) bool { return c >= 'A' && c <= 'Z' }

// ibanLengths are the lengths of the countries of SWIFT's IBAN registry.
var ibanLengths = func() map[uint16]int {
	m := map[uint16]int{}
	for length, countries := range map[int]string{
		15: "NO", 16: "BE", 18: "DK FI FO FK GL NL SD", 19: "MK SI",
		20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA",
		23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
		26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
		29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
	} {
		for i := 0; i < len(countries); i += 3 {
			m[uint16(countries[i])<<8|uint16(countries[i+1])] = length
		}
	}
	return m
}()
