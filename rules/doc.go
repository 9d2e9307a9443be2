// Package rules reads the policy file of an admin and compiles it into a
// Plan: what a value is (labels), what a line item is (classes), who may see
// which label in what form (parties), and which legs a request becomes
// (routes). A file with a mistake yields diagnostics, all at once, and no plan.
//
// The Plan is plain data. How a body is scanned and rewritten by it is the
// business of rules/rewrite.
package rules
