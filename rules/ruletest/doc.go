// Package ruletest holds the unit tests that an admin writes beside a policy:
// what a *_test.yaml file says, how it is read, and how what came of a request
// is held against what was expected. It sends nothing: whoever runs the tests
// gives it what was observed.
package ruletest
