package e2e

import (
	"fmt"
	"math/rand"
	"strings"

	"chaperone/cmd/chaperone/e2e/rig"
)

// secrets are the values of one sale, each of which only some parties may see.
// They are all distinct, so that a search finds where one went.
type secrets struct {
	pans     []string // digits
	cvvs     []string
	phi      []string // of the patient
	clinical []string // of clinical items
	retail   []string // of retail items

	born, postcode string            // of the patient, which may be made coarser
	deposit        int               // of the patient, an amount
	ids            map[string]string // by the detector that finds them: typed where nothing is labelled

	// What expressions read besides, and what they have to make of it.
	name, tier, memo   string
	left, right        string // of a card number
	total, retailTotal int
	retailItems        int
	vip, noted         bool
	refused            bool // nothing may be sent
}

// world makes random policies and baskets.
type world struct {
	*rand.Rand
	n     int
	given map[string]bool // values that some sale has already
}

// once makes a value that no other sale has: where it is found, it went.
func (w *world) once(make func() string) string {
	for {
		if v := make(); !w.given[v] {
			w.given[v] = true
			return v
		}
	}
}

func (w *world) word(prefix string) string {
	w.n++
	return prefix + "-" + w.letters(10)
}

// pan makes a Luhn-valid card number of a network.
func (w *world) pan() string {
	shapes := []struct {
		prefix string
		n      int
	}{{"4", 16}, {"51", 16}, {"55", 16}, {"2221", 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"36", 14}, {"3530", 16}, {"4", 13}, {"62", 19}}
	s := shapes[w.Intn(len(shapes))]
	digits := []byte(s.prefix)
	for len(digits) < s.n-1 {
		digits = append(digits, byte('0'+w.Intn(10)))
	}
	return rig.Luhn(digits)
}

// dress writes a card number as a JSON value in one of the ways in which a
// legacy POS may.
func (w *world) dress(pan string) string {
	switch w.Intn(7) {
	case 0:
		return pan
	case 1:
		var e strings.Builder
		for i := range pan {
			fmt.Fprintf(&e, `\u%04x`, pan[i])
		}
		return `"` + e.String() + `"`
	case 2:
		return `"` + pan[:4] + " " + pan[4:8] + " " + pan[8:12] + " " + pan[12:] + `"`
	case 3:
		return `"` + pan[:4] + "-" + pan[4:8] + "-" + pan[8:12] + "-" + pan[12:] + `"`
	case 4:
		if len(strings.TrimRight(pan, "0")) == len(pan) {
			return pan[:1] + "." + pan[1:] + fmt.Sprintf("e%d", len(pan)-1)
		}
	case 5:
		return fmt.Sprintf(`"paid with %s, thanks"`, pan)
	}
	return `"` + pan + `"`
}

// sale makes a random basket with its secrets. Card numbers stand where they
// belong, in notes, in items, as numbers, in unknown members and in names.
func (w *world) sale(id string) (string, *secrets) {
	s := &secrets{ids: map[string]string{}}
	pan := func() string { p := w.pan(); s.pans = append(s.pans, p); return p }
	phi := func() string { p := w.word("phi"); s.phi = append(s.phi, p); return p }
	cvv := func() string { c := w.word("cvv"); s.cvvs = append(s.cvvs, c); return c }
	var items []string
	subtotal, clinicalNet := 0, 0
	for n := 1 + w.Intn(5); n > 0; n-- {
		qty, price := 1+w.Intn(3), 100+w.Intn(90000)
		subtotal += qty * price
		category, mark := "skincare", ""
		if w.Intn(2) == 0 {
			category, mark = "injectable", w.word("clinical")
			clinicalNet += qty * price
			s.clinical = append(s.clinical, mark)
		} else {
			mark = w.word("retail")
			s.retail = append(s.retail, mark)
			s.retailItems++
			s.retailTotal += qty * price
		}
		fields := []string{
			fmt.Sprintf(`"name":%q`, mark), fmt.Sprintf(`"category":%q`, category), fmt.Sprintf(`"qty":%d`, qty),
			fmt.Sprintf(`"unit_price":%d`, price), fmt.Sprintf(`"lot":%q`, phi()),
		}
		if w.Intn(3) == 0 {
			fields = append(fields, `"remark":`+w.dress(pan()))
		}
		if w.Intn(4) == 0 {
			fields = append(fields, `"hint":`+fmt.Sprintf("%q", "see "+w.identifier(s)))
		}
		w.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		items = append(items, "{"+strings.Join(fields, ",")+"}")
	}
	tip := 0
	if clinicalNet > 0 {
		tip = w.Intn(2000)
	}
	card := fmt.Sprintf(`{"number":%s,%q:%q,"exp":"12/29"}`, w.plainDress(pan()),
		[]string{"cvv", "cvc", "CVV2", "security_code", "\\u0063vv"}[w.Intn(4)], cvv())
	s.total = subtotal + tip
	members := []string{
		fmt.Sprintf(`"transaction_id":%q`, id), `"currency":"USD"`,
		w.patient(s, phi),
		`"items":[` + strings.Join(items, ", ") + `]`,
		fmt.Sprintf(`"totals":{"subtotal":%d,"tax":0,"tip":%d,"discount":0,"total":%d}`, subtotal, tip, subtotal+tip),
		`"payment":{"card":` + card + `,"track2":` + fmt.Sprintf("%q", cvv()) + `}`,
		w.unlabelled(s, pan),
	}
	for n := w.Intn(4); n > 0; n-- {
		members = append(members, []string{
			`"note2":` + w.dress(pan()),
			fmt.Sprintf(`"extra%d":{"a":[%s,null,{"b":%s}]}`, w.Intn(9), w.dress(pan()), w.dress(pan())),
			fmt.Sprintf(`"by %s":true`, pan()),
			fmt.Sprintf(`"misc":{"pin_block":%q}`, cvv()),
			fmt.Sprintf(`"payment2":{"card":{"number":%s}}`, w.dress(pan())),
		}[w.Intn(5)])
	}
	w.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{\n " + strings.Join(members, ",\n ") + "\n}", s
}

// patient writes the patient, all of whose values are labelled.
func (w *world) patient(s *secrets, phi func() string) string {
	s.name, s.tier = phi(), []string{"gold", "silver"}[w.Intn(2)]
	s.born = w.once(func() string { return fmt.Sprintf("%d-%02d-%02d", 1930+w.Intn(60), 1+w.Intn(12), 1+w.Intn(28)) })
	s.postcode = w.once(func() string {
		return fmt.Sprintf("%s%d %d%s", []string{"SW", "M", "LS", "EC"}[w.Intn(4)], 1+w.Intn(9), w.Intn(10), strings.ToUpper(w.letters(2)))
	})
	s.deposit = 1e11 + w.Intn(1e11) // of no issuer, and like no other number
	return fmt.Sprintf(`"patient":{"id":%q,"name":%q,"phone":%q,"deep":[[{"x":%q}]],"tier":%q,"born":%q,"postcode":%q,"deposit":%d}`,
		phi(), s.name, phi(), phi(), s.tier, s.born, s.postcode, s.deposit)
}

// unlabelled writes members that nothing is said of in the policy, and that
// expressions read: a memo, in which anything may be typed, the two halves of a
// card number, which are none by themselves, and a flag.
func (w *world) unlabelled(s *secrets, pan func() string) string {
	s.memo, s.vip = w.word("memo"), w.Intn(2) == 0
	switch w.Intn(6) {
	case 0:
		s.memo += " has " + w.identifier(s)
	case 1:
		s.memo += " paid with " + pan()
	}
	whole := pan()
	s.left, s.right = whole[:len(whole)/2], whole[len(whole)/2:]
	members := fmt.Sprintf(`"memo":%q,"left":%q,"right":%q,"vip":%t`, s.memo, s.left, s.right, s.vip)
	if s.noted = w.Intn(2) == 0; s.noted {
		members += fmt.Sprintf(`,"note":"about %s"`, pan())
	}
	return members
}

// identifier makes one that a detector finds in a text, in one of the usual
// ways of writing it.
func (w *world) identifier(s *secrets) string {
	kind := []string{"ssn", "nhs_number", "email", "phone", "iban"}[w.Intn(5)]
	if old := s.ids[kind]; old != "" {
		return old
	}
	s.ids[kind] = w.once(func() string { return w.number(kind) })
	return s.ids[kind]
}

// number makes an identifier of a kind.
func (w *world) number(kind string) (value string) {
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + w.Intn(10))
		}
		return string(b)
	}
	switch kind {
	case "ssn":
		value = fmt.Sprintf("%03d-%02d-%04d", 1+w.Intn(665), 1+w.Intn(99), 1+w.Intn(9999))
	case "nhs_number":
		for value == "" {
			nine, sum := "4"+digits(8), 0
			for i := range nine {
				sum += int(nine[i]-'0') * (10 - i)
			}
			if check := (11 - sum%11) % 11; check < 10 {
				value = fmt.Sprintf("%s %s %s%d", nine[:3], nine[3:6], nine[6:], check)
			}
		}
	case "email":
		value = w.letters(8) + "@" + w.letters(6) + ".example"
	case "phone":
		value = "+44 20 7" + digits(3) + " " + digits(4)
	case "iban":
		account := digits(14)
		rest := 0 // of WEST, the account and GB00, in which letters are 10 to 35
		for _, c := range "32142829" + account + "161100" {
			rest = (rest*10 + int(c-'0')) % 97
		}
		value = fmt.Sprintf("GB%02dWEST%s", 98-rest, account)
	}
	return value
}

func (w *world) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "bcdfghjklmnpqrstvwxz"[w.Intn(20)]
	}
	return string(b)
}

func (w *world) plainDress(pan string) string {
	if w.Intn(2) == 0 {
		return pan
	}
	return `"` + pan + `"`
}
