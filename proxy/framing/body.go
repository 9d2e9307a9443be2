package framing

import (
	"bytes"
	"io"
	"time"
)

// bodyState is what comes next of a request after its head.
type bodyState uint8

const (
	bodyDone bodyState = iota
	bodyLength
	bodyChunkSize
	bodyChunkData
	bodyChunkEnd
	bodyTrailer
)

// beginBody follows a head.
func (c *Conn) beginBody() error {
	switch h := &c.in.head; {
	case h.chunked:
		c.body = bodyChunkSize
	case h.length > 0:
		c.body, c.left = bodyLength, h.length
	default:
		return c.endBody()
	}
	return nil
}

// endBody follows the last byte of a request.
func (c *Conn) endBody() error {
	c.body, c.left = bodyDone, 0
	c.requests++
	c.whole = time.Time{}
	if c.set == last {
		c.set = none
	}
	if c.in.head.Last() && c.in.r < c.in.w {
		// The sender and we disagree about where it ends. Nothing of it may be
		// acted on.
		return c.fail(ErrMalformed)
	}
	return nil
}

// Taken reports whether all of the request was taken. Where it was not, the
// connection cannot go on.
func (c *Conn) Taken() bool { return c.body == bodyDone }

// TakeBody returns the body of the request if it says how long it is and has
// room in the connection's buffer; ok is false where it is to be read by
// ReadBody. The body is borrowed as the head is, and may be written to.
func (c *Conn) TakeBody() (body []byte, ok bool, err error) {
	in := c.in
	if c.body != bodyLength || c.left > int64(len(in.buf)-in.r) {
		return nil, false, nil
	}
	end := in.r + int(c.left)
	for in.w < end {
		if err := c.fill(); err != nil {
			return nil, true, amidst(err)
		}
	}
	body = in.buf[in.r:end:end]
	in.r = end
	return body, true, c.endBody()
}

// ReadBody reads from the body of the request, as an io.Reader does. A body that
// ends before its time is io.ErrUnexpectedEOF, one that cannot be framed
// ErrMalformed.
func (c *Conn) ReadBody(p []byte) (int, error) {
	for {
		switch c.body {
		case bodyDone:
			return 0, io.EOF
		case bodyLength, bodyChunkData:
			return c.readRun(p)
		}
		line, err := c.line()
		if err != nil {
			return 0, err
		}
		if !c.chunkLine(line) {
			return 0, c.fail(ErrMalformed)
		}
		if c.body == bodyDone {
			if err := c.endBody(); err != nil {
				return 0, err
			}
		}
	}
}

// readRun reads bytes of the body that stand together.
func (c *Conn) readRun(p []byte) (int, error) {
	in := c.in
	p = p[:min(int64(len(p)), c.left)]
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	if n == 0 {
		var err error
		if n, err = c.read(p); err != nil {
			return n, amidst(err)
		}
	}
	if c.left -= int64(n); c.left > 0 {
		return n, nil
	}
	if c.body == bodyChunkData {
		c.body = bodyChunkEnd
		return n, nil
	}
	if err := c.endBody(); err != nil {
		return n, err
	}
	return n, io.EOF
}

// maxChunkLine is how long a line between chunks may be: eight digits and CRLF.
const maxChunkLine = 10

// line takes a line of a chunked body, without its CRLF.
func (c *Conn) line() ([]byte, error) {
	in := c.in
	for {
		rest := in.buf[in.r:in.w]
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			if n < 1 || n >= maxChunkLine || rest[n-1] != '\r' {
				return nil, c.fail(ErrMalformed)
			}
			in.r += n + 1
			return rest[:n-1], nil
		}
		if cr := bytes.IndexByte(rest, '\r'); len(rest) >= maxChunkLine || cr >= 0 && cr != len(rest)-1 {
			return nil, c.fail(ErrMalformed)
		}
		in.shift()
		if err := c.fill(); err != nil {
			return nil, amidst(err)
		}
	}
}

// chunkLine judges a line of a chunked body.
func (c *Conn) chunkLine(line []byte) bool {
	switch c.body {
	case bodyChunkSize:
		return c.chunkSize(line)
	case bodyChunkEnd:
		c.body = bodyChunkSize
	case bodyTrailer:
		c.body = bodyDone
	}
	return len(line) == 0
}

// chunkSize judges a chunk's first line: hexadecimal digits and nothing else.
func (c *Conn) chunkSize(line []byte) bool {
	if len(line) == 0 {
		return false
	}
	c.left = 0
	for _, b := range line {
		d := HexDigit(b)
		if d < 0 {
			return false
		}
		c.left = c.left<<4 | int64(d)
	}
	if c.body = bodyChunkData; c.left == 0 {
		c.body = bodyTrailer
	}
	return true
}

// HexDigit returns the value of a hexadecimal digit of either case, -1 of what
// is none.
func HexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// amidst is the error of a read that ends a request before its time.
func amidst(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
