package main

import (
	"regexp"
	"strings"
	"unicode"
)

// What should not have been written into a file, but was, is not shown again:
// neither in an excerpt of it nor in a message that quotes it.

// secretKey is a key whose value is a secret, with the value. What ends with
// _file names a file.
var secretKey = regexp.MustCompile(`(?i)(?:^|[\s{,"'-])([\w-]*(?:password|passphrase|secret|api[-_]?key|access[-_]?key|authorization|cookie)[\w-]*|key_sha256|x-[\w-]*(?:key|token|auth)[\w-]*)["']?\s*[:=]\s*("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,{}\[\]"'][^,}\]]*)`)

// secretText are values that say what they are: keys of ours and of others,
// schemes of Authorization, hashes, and card numbers.
var secretText = regexp.MustCompile(`\b(?:hv[sbr]\.|chp_|sk_|rk_|pk_live_)[\w.-]+|\bs\.\w{20,}|(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}|\b[0-9a-fA-F]{32,}\b|\b[0-9]{12,19}\b`)

// opaque are runs of letters and digits that could be a key; mixed decides.
var opaque = regexp.MustCompile(`[A-Za-z0-9+=_-]{20,}`)

// mixed reports whether a text has digits and letters of both cases.
func mixed(s string) bool {
	return strings.ContainsFunc(s, unicode.IsDigit) && strings.ContainsFunc(s, unicode.IsUpper) && strings.ContainsFunc(s, unicode.IsLower)
}

// secretSpans returns where a line holds secrets, in bytes.
func secretSpans(line string) [][2]int {
	var spans [][2]int
	for _, m := range secretKey.FindAllStringSubmatchIndex(line, -1) {
		name := strings.ToLower(line[m[2]:m[3]])
		if strings.HasSuffix(name, "_file") || strings.HasSuffix(name, "_files") {
			continue
		}
		end := m[5]
		if !strings.ContainsAny(line[:m[2]], "{[") && line[m[4]] != '"' && line[m[4]] != '\'' {
			end = len(strings.TrimRight(line, " \t")) // a comma ends nothing in a block
		}
		spans = append(spans, [2]int{m[4], end})
	}
	for _, m := range secretText.FindAllStringIndex(line, -1) {
		spans = append(spans, [2]int{m[0], m[1]})
	}
	for _, m := range opaque.FindAllStringIndex(line, -1) {
		if mixed(line[m[0]:m[1]]) {
			spans = append(spans, [2]int{m[0], m[1]})
		}
	}
	return spans
}

// withoutSecrets returns a text with … in the place of each secret.
func withoutSecrets(s string) string {
	s = secretText.ReplaceAllString(s, "…")
	return opaque.ReplaceAllStringFunc(s, func(run string) string {
		if mixed(run) {
			return "…"
		}
		return run
	})
}
