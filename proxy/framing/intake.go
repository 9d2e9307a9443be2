package framing

import "sync"

// intake is what a connection holds while requests of it come: their bytes, and
// what was found in the head. The head stands at the beginning of the buffer
// and stays there until the next request.
type intake struct {
	head Head
	r, w int // what has come and was not taken: buf[r:w]
	body int // where the body begins
	buf  [bufferSize]byte
}

// intakes are those that no connection holds. They are empty, and zeroed.
var intakes = sync.Pool{New: func() any { return new(intake) }}

// next makes room for the next request, of which something may be there.
func (in *intake) next() {
	n := copy(in.buf[:], in.buf[in.r:in.w])
	clear(in.buf[n:in.w])
	in.r, in.w, in.body = 0, n, 0
	in.head.reset()
}

// shift moves what was not taken of a body to where the body began.
func (in *intake) shift() {
	n := copy(in.buf[in.body:], in.buf[in.r:in.w])
	clear(in.buf[in.body+n : in.w])
	in.r, in.w = in.body, in.body+n
}

// release gives the intake back, with nothing left in it.
func (c *Conn) release() {
	if c.in == nil {
		return
	}
	c.in.r = c.in.w
	c.in.next()
	intakes.Put(c.in)
	c.in = nil
}
