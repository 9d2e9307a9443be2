package rules

// ClassID is an index into Basket.Classes, plus one; zero means that a value
// is not part of a line item.
type ClassID uint8

// NoClass is the ClassID of what is not part of a line item.
const NoClass ClassID = 0

// Basket says where a body's line items and totals are. The paths are exact
// (no wildcard); those of a line are relative to the item. A nil path means
// that the policy names none.
type Basket struct {
	Items     Path
	Currency  *Path  // of the code of the currency
	Fixed     string // the code, where no body has it and Currency is nil
	Places    int    // of Fixed: decimals of its minor unit
	Units     Units
	Line      LinePaths
	Totals    TotalPaths
	Tax       Allocation
	Tip       Allocation
	Tolerance int64 // minor units by which a basket's own totals may be off
	Classes   []Class
	Otherwise ClassID
}

// LinePaths are the paths of one line item's amounts, relative to the item.
// Either Amount is set, or UnitPrice (and Quantity, else one).
type LinePaths struct {
	Quantity, UnitPrice, Amount, Discount, Tax *Path
}

// TotalPaths are the paths of a basket's totals.
type TotalPaths struct {
	Subtotal, Tax, Tip, Discount, Total *Path
}

// Units says how amounts are written.
type Units uint8

// The units.
const (
	UnitsMinor Units = iota // integers of the currency's minor unit
	UnitsMajor              // "627.00", exponent by ISO 4217
)

// Allocation says to which items an amount of the whole basket belongs.
type Allocation struct {
	Kind    AllocationKind
	Classes []ClassID // AllocateClasses only
}

// AllocationKind is the rule of an Allocation.
type AllocationKind uint8

// The allocation rules.
const (
	AllocateProRata  AllocationKind = iota // over all items
	AllocateClasses                        // over the items of some classes (taxable, tip to)
	AllocateLines                          // tax: from line.tax
	AllocateIncluded                       // tax: contained in the prices; shown, not added
)

// Class is what a line item is. Classes are tried in order; one with a label
// beats one without.
type Class struct {
	Name     string
	Label    LabelID // NoLabel where the class carries none
	Any      []Rule  // alternatives
	Position Position
}

// Rule is one alternative of a class: all its conditions hold.
type Rule struct {
	Conditions []Condition
	Position   Position
}

// Condition compares one field of an item. Exactly one of Equal, Globs and
// Words is set; any of its entries suffices. All comparisons fold case.
type Condition struct {
	Field Path // relative to the item, exact
	Equal []string
	Globs []string // * any run, ? one character
	Words []string // phrases that occur on word boundaries
	File  string   // where Words came from; empty for the others
}
