package rules

import "fmt"

// Form is what happens to a labelled value on its way to one party. The order
// of the constants is the order of strictness: where several rules speak of
// one value, the greatest form wins.
type Form uint8

// The forms, from open to strict.
const (
	// Plain passes the value as it is; an arriving token is revealed.
	Plain Form = iota
	// Generalize coarsens the value (date to year, postcode to area).
	Generalize
	// Alias replaces the value by a pseudonym that is the destination's own.
	Alias
	// Token replaces the value by a token; an arriving token stays.
	Token
	// Mask keeps the last four digits of a card number and nothing of any
	// other value.
	Mask
	// Drop removes the value.
	Drop
	// Block refuses the whole request.
	Block
)

var formNames = [...]string{"plain", "generalize", "alias", "token", "mask", "drop", "block"}

// Forms is the number of forms.
const Forms = len(formNames)

// String returns the name that the policy file uses.
func (f Form) String() string {
	if int(f) < len(formNames) {
		return formNames[f]
	}
	return fmt.Sprintf("form(%d)", uint8(f))
}

// ParseForm returns the form of a name of the policy file.
func ParseForm(name string) (Form, bool) {
	for i, n := range formNames {
		if n == name {
			return Form(i), true
		}
	}
	return Drop, false
}
