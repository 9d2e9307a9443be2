// Package automaton turns path patterns into one deterministic automaton over
// decoded member names and array elements. A body is walked with one state per
// value; everything that the patterns say of the value and of its ancestors
// (labels, keep masks, flags) is a property of that state, so that it costs one
// load, however many patterns there are.
//
// The construction is the subset construction with two savings that keep a
// thousand patterns small. Patterns with a leading ** are pending in every
// state, so they are left out of a state's identity; and their names are not
// repeated in every state but found through Fallback, a state that is pending
// in nothing else. What can still blow up (**.a.*.*.*.b) is bounded: Build
// refuses it and names the pattern.
package automaton
