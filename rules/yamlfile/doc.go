// Package yamlfile reads YAML files that people write, strictly: every value
// is asked for by name and type, what nobody asked for is an unknown key, and
// every mistake is recorded with its line and column, all in one run.
//
// It reads a subset of YAML that means the same to every reader: one document,
// no anchors, aliases, merges, tags or directives, no duplicate keys. A value
// without quotes that looks like a number is still text where text is asked
// for ("reference: 0012" stays 0012).
//
// A Node is read by one goroutine.
package yamlfile
