// Package expression is the language of conditions (when) and of computed
// values (set: {compute: …}): small enough for somebody who is no programmer,
// checked as a whole when the policy is loaded, and bounded when it runs.
//
//	when: total > 50000 and not ("clinical" in classes)
//	set: {description: {compute: '"Store purchase: " + count("retail") + " articles"'}}
//
// The grammar and the machine are those of github.com/expr-lang/expr, of which
// only a part is admitted: no loops, no variables, no member access, no clock
// and no chance. The types are our own, since those of Go have no exact
// decimals: every number is a decimal (github.com/cockroachdb/apd), from the
// literal in the policy and the literal in the body to the result. There is no
// floating point, and what cannot be computed exactly is not decided.
//
// An expression reads values by name or by path: each place that it may read is
// a Read, so that whoever loads the policy can say which labels flow into it,
// and whoever runs it can look the value up. What is missing, or is not of the
// type that the expression asks for, leaves it undecided: Run fails, and says
// nothing of any value.
package expression
