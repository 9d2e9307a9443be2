// Package propose writes a first policy from sample bodies of a point of sale:
// what its values are, where its line items and totals are, and which calls a
// sale becomes, every line with the reason for it; and tests of that policy.
//
// It is strict where it does not know: a member that it cannot place reaches
// nobody, an item that it cannot place is clinical. And it is silent: no value
// of a sample is written, shown or part of an error, only member names, shapes
// and counts. The exception are the codes by which line items are told apart,
// categories and the first letters of article numbers, which a policy needs:
// they are taken from members with such a name alone, and only if they look
// like codes (see codeShape).
package propose
