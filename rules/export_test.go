package rules

// CodesOf is for tests outside of the package.
var CodesOf = codesOf
