// Package detect finds what must not pass by accident: card numbers in text
// and in JSON numbers, member names of sensitive authentication data, and the
// shape of sealed tokens. Its guard looks at the final bytes of a message once
// more, on its own, before they leave.
//
// A Seeker finds identifiers of people: NHS and social security numbers, medical
// record numbers, addresses, telephone numbers and what else Detector names. What
// counts as one, each detector's function says; docs/security.md has it in a table.
//
// Nothing here allocates on the way of ordinary messages, all of it is linear
// in its input, and every function is safe for concurrent use.
//
// # What counts as a card number
//
// Twelve to nineteen decimal digits with a valid Luhn check digit, a first
// part that some issuer uses and a length that this issuer uses (issuers.go).
// Cards of UnionPay that begin with 62 and have 16 to 19 digits count even
// where the Luhn digit is wrong, since such cards were issued; those have to
// stand undivided or in the groups that are usual on cards.
//
// Digits are those of any script that Unicode calls decimal (full-width,
// Arabic-Indic, mathematical, …), so that another keyboard does not hide a
// card. They may be divided by one to three blanks (space, no-break space, thin
// space, tab, …), dashes (also the typographic ones) and invisible characters;
// dots, underscores, slashes and middle dots divide only groups of three to
// six digits, because a lone dot is more often a decimal point. Line ends
// divide only the groups that are usual on cards.
//
// A run of undivided digits is one group: a card is never a part of it, and a
// group of more than nineteen digits is none. Letters next to a card do not
// hide it. In a run of more groups than one card has, a part is a card where
// its groups are those of cards (4-4-4-4, 4-6-5, 6-13, …) or where something
// sets it apart: the run's end, an ISO date, another separator, another
// length of group. Without that rule two phone numbers in a row would be a
// card every tenth time.
//
// Not cards, although they may satisfy Luhn: the day of an ISO date as the
// beginning of one; 12 to 14 digits right after a plus sign that begin with 4,
// 5 or 6 (an international phone number); 12 or 13 undivided digits with a
// valid GTIN check digit (the barcode of a retail product; cards of these
// lengths are no longer issued), but for Visa's thirteen; and tokens of format "pan", which begin with
// 1, 7 or 8 and never satisfy Luhn.
package detect

// Kind says what a Span is.
type Kind uint8

// The kinds.
const (
	PAN          Kind = iota // a card number
	SealedToken              // a text of the shape of a sealed token
	VaultedToken             // a text of the shape of a vaulted token's opaque id
)

// Span is a part of a text: offsets in bytes, End excluded. Digits is the
// number of a card number's digits and zero for other kinds.
type Span struct {
	Start, End int
	Kind       Kind
	Digits     int
}
