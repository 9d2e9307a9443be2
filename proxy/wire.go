package proxy

import (
	"iter"
	"net/textproto"
	"strconv"
)

// field is a header field of a call, borrowed.
type field struct {
	name  string
	value []byte
}

// appendField appends one header field line.
func appendField[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, '\r', '\n')
}

// appendHead appends the head of a call to u: the request line, what HTTP
// needs, the policy's own fields, and the fields given. Nothing else of the
// caller's head gets here.
func (u *upstream) appendHead(dst []byte, method string, target []byte, key string, fields []field, body int) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, u.prefix...)
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = appendField(dst, "Host", u.host)
	if body >= 0 {
		dst = append(dst, "Content-Type: application/json\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(body), 10)
		dst = append(dst, '\r', '\n')
	}
	dst = append(dst, "Accept: application/json\r\nAccept-Encoding: identity\r\n"...)
	if key != "" && !u.own["Idempotency-Key"] {
		dst = appendField(dst, "Idempotency-Key", key)
	}
	dst = append(dst, u.fields...)
	for _, f := range fields {
		if !u.own[f.name] {
			dst = appendField(dst, f.name, f.value)
		}
	}
	return append(dst, '\r', '\n')
}

// neverForwarded are the caller's header fields that no leg gets, whatever the
// policy forwards: hop-by-hop ones (RFC 9110, 7.6.1), those that frame or
// describe a body which is no longer the caller's, and credentials.
var neverForwarded = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Http2-Settings": true,
	"Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Host": true, "Content-Length": true, "Content-Type": true, "Content-Encoding": true,
	"Content-Md5": true, "Digest": true, "Content-Digest": true, "Repr-Digest": true, "Expect": true, "Range": true,
	"Accept-Encoding": true, "Accept": true,
	"Authorization": true, "Cookie": true,
	"Idempotency-Key": true,
}

// forwardable reports whether a caller's field may be forwarded where the
// policy lists it. connection are the values of the caller's Connection fields,
// whose options name fields for this hop alone.
func forwardable(name string, identify []string, connection iter.Seq[[]byte]) bool {
	if neverForwarded[name] || len(name) >= 10 && textproto.CanonicalMIMEHeaderKey(name[:10]) == "Chaperone-" {
		return false
	}
	for _, own := range identify {
		if own == name {
			return false
		}
	}
	for value := range connection {
		for _, option := range splitList(value) {
			if textproto.CanonicalMIMEHeaderKey(option) == name {
				return false
			}
		}
	}
	return true
}

// splitList splits a comma-separated field value.
func splitList(b []byte) []string {
	var all []string
	for len(b) > 0 {
		i := 0
		for i < len(b) && b[i] != ',' {
			i++
		}
		if option := trimSpace(b[:i]); len(option) > 0 {
			all = append(all, string(option))
		}
		if i == len(b) {
			break
		}
		b = b[i+1:]
	}
	return all
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
