package propose

import (
	"slices"
	"strings"
	"unicode"
)

// words splits a member's name, however it is written: unitPrice, unit_price
// and UNIT-PRICE are unit and price.
func words(name string) []string {
	var out []string
	var w strings.Builder
	end := func() {
		if w.Len() > 0 {
			out = append(out, strings.ToLower(w.String()))
			w.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			continue
		case unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end()
		}
		w.WriteRune(r)
	}
	end()
	return out
}

// fold is a name without case and punctuation.
func fold(name string) string { return strings.Join(words(name), "") }

// set is a list of words, separated by blanks.
type set map[string]bool

func list(text string) set {
	s := set{}
	for w := range strings.FieldsSeq(text) {
		s[w] = true
	}
	return s
}

// any reports whether one of the words is in the set.
func (s set) any(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return s[w] })
}

// What the members of a sale and of a patient's record are usually called, in
// folded form. Words that say two things are left out: a guess would be worse
// than a question.
var (
	people = list("patient patients client clients customer customers guest guests member person people buyer attendee guarantor insured subscriber payer consumer")
	// Whatever lies in such a member says something about a patient's health.
	health = list("consent consents appointment appointments visit visits encounter encounters diagnosis diagnoses medical medicalhistory history " +
		"allergy allergies medication medications prescription prescriptions intake vitals chart insurance treatmentplan treatmentnotes treatments " +
		"condition conditions labs labresults photos images pregnancy health clinical immunizations emergencycontact emergency forms " +
		"procedures problems observations careplan carenotes waiver waivers questionnaire")
	contact = list("phone phonenumber mobile mobilenumber mobilephone cell cellphone telephone tel fax email emailaddress mail address addresses street " +
		"addressline1 addressline2 address1 address2 line1 line2 city town zip zipcode postcode postalcode county phones emails homephone workphone")
	names    = list("name firstname lastname fullname givenname familyname surname middlename displayname forename nickname legalname preferredname initials")
	personal = list("dob dateofbirth birthdate birthday born birth gender sex age pronouns ethnicity race weight height maritalstatus " +
		"ssn socialsecuritynumber nhs nhsnumber mrn medicalrecordnumber chinumber nationalinsurancenumber passport passportnumber driverslicense " +
		"medicaid medicare policynumber insurancenumber memberid signature photo selfie")
	notes      = list("note notes comment comments memo remark remarks instructions specialinstructions freetext chartnote internalnote annotation")
	clinicians = list("practitioner practitioners provider providers injector clinician nurse doctor physician esthetician aesthetician therapist surgeon " +
		"performedby treatedby renderingprovider practitionername providername")
	treatment = list("lot lotnumber lotno batch batchnumber batchno vial serial serialnumber ndc area areas bodyarea bodysite site zone zones dose dosage " +
		"unitsused dilution syringes needle laserpasses fluence indication")
	business = list("store location merchant clinic branch business company terminal register device spa pos till workstation outlet shop")
	cards    = list("card creditcard debitcard paymentcard cc")
	payments = list("payment payments tender tenders paymentmethod paymentmethods card creditcard debitcard paymentcard cc paymentsource transactionpayment")
	holders  = list("holder cardholder cardholdername nameoncard holdername cardname")
	panNames = list("pan cardnumber ccnumber ccnum cardnum cardno creditcardnumber primaryaccountnumber cardpan accountnumber")
	expiries = list("exp expiry expiration expirydate expirationdate expmonth expyear expirymonth expiryyear expirationmonth expirationyear expdate cardexpiry month year validthru expire")
	methods  = list("method paymentmethod tendertype tender paymenttype entrymode entrymethod brand cardbrand cardtype network scheme type kind mode tendername")
	// What stands for a card that the point of sale never sees.
	nonces  = list("nonce cardnonce paymentnonce sourceid paymentmethodid cardid cardonfileid paymentsourceid")
	endings = list("last4 lastfour last4digits lastfourdigits cardlast4 maskednumber maskedpan")
	moments = list("timestamp createdat created time datetime sentat occurredat transactiondate transactiontime saledate saletime date soldat closedat completedat businessdate updatedat submittedat")
	starts  = list("at start starttime startat startsat starts scheduledat scheduledfor time date when datetime begin appointmentdate appointmenttime visitdate end endtime endsat ends duration")
)

// prefixes are words in front that say whose, and not what.
var prefixes = list("patient client customer guest member person buyer billing shipping contact primary home work personal legal cust emergency")

// bare is a name without the words that say whose it is: customerEmail is an
// email. whose reports whether one of them was a person.
func bare(name string) (rest string, whose bool) {
	w := words(name)
	for len(w) > 1 && prefixes[w[0]] {
		whose = whose || people[w[0]] || w[0] == "cust" || w[0] == "emergency"
		w = w[1:]
	}
	return strings.Join(w, ""), whose
}

// amountRole says which amount a name is: subtotal, tax, tip, discount, total,
// or none.
func amountRole(name string) string {
	w := words(name)
	has := func(list ...string) bool {
		return slices.ContainsFunc(list, func(x string) bool { return slices.Contains(w, x) })
	}
	switch folded := strings.Join(w, ""); {
	case has("rate", "percent", "percentage", "pct", "id", "code", "type", "count", "name", "reason", "points", "change", "paid", "tendered", "balance", "currency", "exempt", "included", "quantity", "qty", "items", "number", "weight"):
		return ""
	case has("tip", "tips", "gratuity"):
		return "tip"
	case has("discount", "discounts", "markdown"):
		return "discount"
	case has("tax", "taxes", "vat", "gst", "salestax"):
		return "tax"
	case strings.Contains(folded, "subtotal"), folded == "net", folded == "nettotal", folded == "netamount", folded == "totalnet":
		return "subtotal"
	case has("total", "totals", "grandtotal", "amount", "due", "sum"):
		return "total"
	}
	return ""
}

// minorWords say that an amount is in cents.
var minorWords = list("cents cent minor pence pennies")
