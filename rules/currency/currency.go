// Package currency knows the currencies of ISO 4217.
package currency

// Exponent returns how many places behind the point the minor unit of an ISO
// 4217 currency is (JPY 0, USD 2, KWD 3), and whether the code, three letters
// of any case, is a currency of the list as of 2025 or one that a till may
// still know (HRK, …). Funds codes without a minor unit and metals are none.
func Exponent(letters []byte) (int, bool) {
	if len(letters) != 3 {
		return 0, false
	}
	var code [3]byte
	for i, c := range letters {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c < 'A' || c > 'Z' {
			return 0, false
		}
		code[i] = c
	}
	e := exponents[code]
	return int(e) - 1, e > 0
}

// exponents holds exponent + 1 of every currency.
var exponents = func() map[[3]byte]uint8 {
	m := make(map[[3]byte]uint8, 180)
	for exponent, codes := range [...]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
		2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD " +
			"CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD " +
			"GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA " +
			"MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON " +
			"RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS " +
			"UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL",
		3: "BHD IQD JOD KWD LYD OMR TND",
		4: "CLF UYW",
	} {
		for i := 0; i+3 <= len(codes); i += 4 {
			m[[3]byte([]byte(codes[i:i+3]))] = uint8(exponent) + 1
		}
	}
	return m
}()
