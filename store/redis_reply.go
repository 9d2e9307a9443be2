package store

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// reply is what Redis says to one command.
type reply struct {
	none bool   // nothing is there
	n    int64  // of a number
	text []byte // of a text or a status; valid until the next one is read
	list []reply
	err  error // of a refused command
}

// refusal is an error that Redis replied with. go-redis takes it for one of
// its own.
type refusal string

func (e refusal) Error() string { return string(e) }

// RedisError is that of redis.Error.
func (refusal) RedisError() {}

var _ redis.Error = refusal("")

const (
	// What one reply may hold, so that a garbled one is an error and not a
	// process out of memory: Redis's own limits.
	replyMost  = 512 << 20
	lineMost   = 64 << 10
	listDepth  = 4
	replyFirst = 16 << 10
)

// replies reads RESP, version 2.
type replies struct {
	src     io.Reader
	buf     []byte
	at, end int // what is in buf and was not read yet
}

// next reads one reply.
func (r *replies) next() (reply, error) { return r.read(0) }

func (r *replies) read(depth int) (reply, error) {
	line, err := r.line()
	if err != nil {
		return reply{}, err
	}
	switch sort, rest := line[0], line[1:]; sort {
	case '+':
		return reply{text: rest}, nil
	case '-':
		return reply{err: refusal(rest)}, nil
	case ':':
		n, err := parseNumber(rest)
		return reply{n: n}, err
	case '$':
		return r.bulk(rest)
	case '*':
		return r.list(rest, depth)
	}
	return reply{}, errReply
}

// parseNumber reads a number as Redis writes it.
func parseNumber(b []byte) (n int64, err error) {
	if len(b) == 0 || len(b) > 20 {
		return 0, errReply
	}
	if len(b) > 18 || b[0] == '-' {
		n, err := strconv.ParseInt(string(b), 10, 64)
		if err != nil {
			return 0, errReply
		}
		return n, nil
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errReply
		}
		n = 10*n + int64(c-'0')
	}
	return n, nil
}

// line reads up to a line's end, which is not part of it. It has one byte at
// least.
func (r *replies) line() ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(r.buf[r.at+seen:r.end], '\n'); i >= 0 {
			i += seen
			if i < 2 || r.buf[r.at+i-1] != '\r' {
				return nil, errReply
			}
			line := r.buf[r.at : r.at+i-1]
			r.at += i + 1
			return line, nil
		}
		seen = r.end - r.at
		if seen > lineMost {
			return nil, errReply
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// bulk reads a text whose length is in its head.
func (r *replies) bulk(head []byte) (reply, error) {
	n, err := parseNumber(head)
	switch {
	case err != nil || n < -1 || n > replyMost:
		return reply{}, errReply
	case n == -1:
		return reply{none: true}, nil
	}
	whole := int(n) + 2
	for r.end-r.at < whole {
		if err := r.fill(); err != nil {
			return reply{}, err
		}
	}
	text := r.buf[r.at : r.at+int(n) : r.at+int(n)]
	if r.buf[r.at+int(n)] != '\r' || r.buf[r.at+whole-1] != '\n' {
		return reply{}, errReply
	}
	r.at += whole
	return reply{text: text}, nil
}

// list reads replies in a row. Their texts are copies, as reading one may move
// the one before.
func (r *replies) list(head []byte, depth int) (reply, error) {
	n, err := parseNumber(head)
	switch {
	case err != nil || n < -1 || depth >= listDepth:
		return reply{}, errReply
	case n == -1:
		return reply{none: true}, nil
	}
	l := make([]reply, 0, min(n, 16))
	for range n {
		e, err := r.read(depth + 1)
		if err != nil {
			return reply{}, err
		}
		e.text = bytes.Clone(e.text)
		l = append(l, e)
	}
	return reply{list: l}, nil
}

// fill reads more, and makes room for it.
func (r *replies) fill() error {
	switch {
	case r.at == r.end:
		r.at, r.end = 0, 0
	case r.end == len(r.buf) && r.at > 0:
		r.end = copy(r.buf, r.buf[r.at:r.end])
		r.at = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, max(2*len(r.buf), replyFirst))
		copy(grown, r.buf[:r.end])
		r.buf = grown
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// idle tells whether all that came was read, and forgets memory that only a
// large reply needs.
func (r *replies) idle() bool {
	if r.at != r.end {
		return false
	}
	if len(r.buf) > keepSize {
		r.buf = nil
	}
	r.at, r.end = 0, 0
	return true
}

// tooSmall recognizes the reply to an XADD whose id is not above the newest.
func tooSmall(err error) bool {
	if err == nil {
		return false
	}
	var reply redis.Error
	return errors.As(err, &reply) && strings.Contains(reply.Error(), "equal or smaller")
}
