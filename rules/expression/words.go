package expression

// Type is what a value is.
type Type uint8

// The types. Number and Money are exact decimals; they are told apart so that
// an amount is never compared with something that is none.
const (
	Untold Type = iota // it could not be told, and that has been said
	Flag               // true or false
	Text
	Number
	Money // as amounts stand in the body: in the basket's units
)

var typeNames = [...]string{"nothing", "true or false", "a text", "a number", "an amount of money"}

// String returns the type in a sentence.
func (t Type) String() string { return typeNames[t] }

// Words are the names that an expression may use where it stands. All of it is
// the policy's, and nothing of it is changed.
type Words struct {
	Basket   bool     // there are line items: items, classes, count
	Classes  []string // the names of the basket's classes
	Currency bool     // the policy says where it is
	Fixed    string   // the currency's code, if the policy says that
	Totals   []string // of TotalNames, those that the policy says the place of
	Shares   bool     // a class's part of them is known
	Amount   bool     // the request has an amount that is split as a sale was
	Minor    bool     // amounts are whole numbers of minor units
	Method   string   // of the route
	Route    string   // its name
	Callers  []string // the names of all callers
	Headers  []string // that the leg forwards, in canonical form
	Query    []string // members of the query that the leg forwards
	// Suggest returns a hint for a misspelt name, or "".
	Suggest func(name string, known []string) string
}

// TotalNames are the basket's amounts.
var TotalNames = []string{"subtotal", "tax", "tip", "discount", "total"}

// Kind says where a Read looks.
type Kind uint8

// The kinds. Those of the body have a path in Name.
const (
	BodyText      Kind = iota
	BodyNumber         // a JSON number, or a string that holds one
	BodyMoney          // likewise
	BodyFlag           // true or false
	BodyHas            // whether there is a value other than null
	Total              // of the whole basket: Name is one of TotalNames
	ClassTotal         // the part of a Class in it
	Amount             // of a request that follows a sale
	ClassAmount        // the part of a Class in it
	Items              // the number of line items
	ClassItems         // those of a Class
	ClassPresent       // whether the Class takes part in the request
	Currency           // the code, as it stands in the body
	Caller             // the caller's name in the policy
	HeaderText         // the request's field of that Name
	HeaderPresent      // whether there is one
	QueryText          // the member of the request's query of that Name
	QueryPresent       // whether there is one
)

// OfBody reports whether Name is a path of the body.
func (k Kind) OfBody() bool { return k <= BodyHas }

// types are what a Read of each kind gives.
var types = [...]Type{
	BodyText: Text, BodyNumber: Number, BodyMoney: Money, BodyFlag: Flag, BodyHas: Flag,
	Total: Money, ClassTotal: Money, Amount: Money, ClassAmount: Money, Items: Number, ClassItems: Number, ClassPresent: Flag,
	Currency: Text, Caller: Text, HeaderText: Text, HeaderPresent: Flag, QueryText: Text, QueryPresent: Flag,
}

// Type returns the type of what is read.
func (k Kind) Type() Type { return types[k] }

// Read is one place that an expression may look at.
type Read struct {
	Kind  Kind
	Name  string // of a path, total, header or query member
	Class string // of ClassTotal, ClassAmount, ClassItems and ClassPresent
	At    int    // where the expression says so, in characters from its beginning
}

// same reports whether two reads look at the same place.
func (r Read) same(o Read) bool { return r.Kind == o.Kind && r.Name == o.Name && r.Class == o.Class }

// Problem is one thing that is wrong with an expression.
type Problem struct {
	At      int // in characters from its beginning
	Code    string
	Message string
	Hint    string
}
