// Package basket computes with the money of a sale and says what a line item
// is. It knows nothing of JSON: the engine hands it the literals that it read
// and renders what comes back.
//
// All amounts are integers of the currency's minor unit. No operation rounds,
// but one: quantity times unit price, which is rounded half to even where it
// is not a whole number of minor units (Product). What belongs to the basket
// as a whole is allocated to its items by largest remainder, so that any
// partition of the items adds up to the basket exactly.
package basket
