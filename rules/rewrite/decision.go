package rewrite

import "chaperone/rules"

// Decision is one recorded choice, and how often it was made. Its strings are
// the plan's, never the body's.
type Decision struct {
	// Rule is what decided:
	//
	//	labels.NAME          a path of the label, also @query, @header, @path
	//	detect.pan           the detector of card numbers
	//	detect.NAME          a detector of identifiers: detect.ssn, …
	//	detect.sad           a member name of authentication data
	//	token.NAME           the label that a sealed token bears
	//	basket.classes.NAME  a line item
	//	unlink               an alias without a label
	//	routes.R.legs.L.set.PATH  what flows into a computed value
	//	keep                 a labelled value that the leg does not list
	Rule string
	// Pattern is the path pattern as the policy has it. It is empty for a
	// detector, and where a policy has so many wildcards that the automaton
	// tells labels apart but not their paths.
	Pattern string
	Label   string // empty where a class or an unlink has none
	Class   string // of the line item; empty outside of items
	// Form is what was done in the end. A value of several labels has a
	// decision for each, all of the same form. A line item's is its class
	// label's, plain without one, drop where nothing of it is left.
	Form  rules.Form
	Count int
}
