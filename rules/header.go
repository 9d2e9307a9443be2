package rules

import (
	"net/textproto"
	"slices"
	"strings"
)

// hopByHop are the headers of one connection (RFC 9110, section 7.6.1).
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// ownHeaders are those that the proxy writes itself, or that speak of the
// bytes of one message.
var ownHeaders = []string{"Host", "Content-Length", "Content-Type", "Content-Encoding", "Accept-Encoding", "Expect", "Idempotency-Key"}

// validHeaderName reports whether a name is a token of RFC 9110.
func validHeaderName(name string) bool {
	if name == "" || len(name) > 100 {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

// validHeaderValue reports whether a text may be the value of a header:
// visible ASCII, and blanks that are not at its ends.
func validHeaderValue(value string) bool {
	for _, c := range []byte(value) {
		if c != ' ' && c != '\t' && (c < '!' || c > '~') {
			return false
		}
	}
	return value == strings.Trim(value, " \t")
}

// headerProblem says why a header's name may not be used, "" if it may.
func headerProblem(name string) string {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case !validHeaderName(name):
		return "is not the name of a header"
	case slices.Contains(hopByHop, canonical):
		return "belongs to one connection and is never passed on"
	case slices.Contains(ownHeaders, canonical):
		return "is written by the proxy itself"
	case strings.HasPrefix(canonical, "Chaperone-"):
		return "is the proxy's own"
	}
	return ""
}

// secretHeader reports whether a header's name says that its value is a
// secret.
func secretHeader(name string) bool {
	lower := strings.ToLower(name)
	if lower == "authorization" || lower == "cookie" {
		return true
	}
	for _, word := range []string{"key", "token", "secret", "password", "auth"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}
