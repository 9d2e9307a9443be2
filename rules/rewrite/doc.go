// Package rewrite is the engine: it reads a JSON body once, decides what each
// party may see of it, and renders each leg by splicing edits into the bytes
// that arrived.
//
//	Compile       a rules.Plan becomes an Engine: one path automaton per
//	              route and direction
//	Scan          one strict RFC 8259 pass over the body, into a flat tape
//	Decide        one walk of the tape per leg, into edits and token operations
//	(resolve)     the proxy resolves the operations of the whole message at once
//	Render        the edits, spliced into the original bytes
//
// What is not edited is byte for byte what arrived. Time and memory are linear
// in the body at any nesting, and a Message and a View that are used again
// allocate nothing.
//
// Nothing in this package keeps, logs or returns in an error a value of a body.
// Nor does it a member name, but for those of letters that a Message expects
// the next body to have as well.
package rewrite
