package proxy

import (
	"errors"
	"io"

	"chaperone/rules/reason"
)

// source is where the body of a request is read from, as from a framing.Conn.
type source interface {
	TakeBody() (body []byte, whole bool, err error)
	ReadBody(p []byte) (int, error)
}

// readBody makes the body stand in one buffer: where it arrived, if it has room
// there.
func (x *exchange) readBody() *reason.Error {
	x.sit()
	if !x.hasBody {
		return nil
	}
	stream := x.ctx.body
	if body, whole, err := stream.TakeBody(); err != nil {
		return bodyFault(err)
	} else if whole {
		x.borrow(body)
		x.read, x.bodyIn = true, len(body)
		return nil
	}
	size := x.ctx.head.Length()
	switch {
	case size < 0:
		return x.readChunked(stream)
	case size >= keepBuffer:
		if e := x.enter(size); e != nil {
			return e
		}
		x.body = x.s.spares.take(size + 1)
	case cap(x.body) < size+1:
		x.body = make([]byte, 0, size+1)
	}
	done := false
	for !done {
		if len(x.body) > size {
			return refuse(reason.HeadMalformed, "the body did not arrive whole")
		}
		var e *reason.Error
		if x.body, done, e = fill(stream, x.body); e != nil {
			return e
		}
	}
	if size != len(x.body) {
		return refuse(reason.HeadMalformed, "the body did not arrive whole")
	}
	x.read, x.bodyIn = true, size
	return nil
}

// fill reads once into what is free of b, of which there must be something.
func fill(stream source, b []byte) (more []byte, done bool, e *reason.Error) {
	n, err := stream.ReadBody(b[len(b):cap(b)])
	b = b[:len(b)+n]
	switch {
	case err == nil:
		return b, false, nil
	case errors.Is(err, io.EOF):
		return b, true, nil
	}
	return b, false, bodyFault(err)
}

// bodyFault says why a body cannot be had.
func bodyFault(err error) *reason.Error {
	if timedOut(err) {
		return refuse(reason.BodyTooSlow, "the body did not arrive in time")
	}
	return refuse(reason.HeadMalformed, "the body did not arrive whole")
}

// readChunked reads a body that does not say how long it is. Of a large one the
// parts are put together when all are there, so that nothing is copied twice.
func (x *exchange) readChunked(stream source) *reason.Error {
	if cap(x.body) == 0 {
		x.body = make([]byte, 0, 4<<10)
	}
	var parts [][]byte // full ones, before x.body
	defer func() {
		for _, part := range parts {
			clear(part)
		}
	}()
	size := 0 // of parts
	for done := false; !done; {
		if len(x.body) == cap(x.body) && cap(x.body) < keepBuffer {
			// Of the old buffer nothing may stay behind.
			grown := make([]byte, len(x.body), min(2*cap(x.body), keepBuffer))
			copy(grown, x.body)
			clear(x.body)
			x.body = grown
		} else if len(x.body) == cap(x.body) {
			if len(parts) == 0 {
				// As it may be as large as the limit.
				if e := x.enter(x.s.limits.Body); e != nil {
					return e
				}
			}
			parts = append(parts, x.body)
			size += len(x.body)
			x.body = make([]byte, 0, keepBuffer)
		}
		var e *reason.Error
		if x.body, done, e = fill(stream, x.body); e != nil {
			return e
		}
		if size+len(x.body) > x.s.limits.Body {
			return refuse(reason.BodyTooLarge, "the body is larger than the limit")
		}
	}
	x.read, x.bodyIn = true, size+len(x.body)
	if len(parts) == 0 {
		if len(x.body) == 0 {
			return refuse(reason.BodyMissing, "the request needs a JSON body")
		}
		return nil
	}
	parts = append(parts, x.body)
	x.body = x.s.spares.take(size + len(x.body))
	for _, part := range parts {
		x.body = append(x.body, part...)
	}
	x.leave(x.s.room.cost(len(x.body), len(x.p.plan.Routes[x.route].Legs)))
	return nil
}

// enter waits until there is room for a large body, as long as it may take to
// arrive.
func (x *exchange) enter(size int) *reason.Error {
	n := x.s.room.cost(size, len(x.p.plan.Routes[x.route].Legs))
	if !x.s.room.enter(n, x.s.limits.ReadTimeout) {
		return refuse(reason.Overloaded, "there was no memory for a large body in time")
	}
	x.taken = n
	return nil
}

// leave gives the room back but for keep bytes.
func (x *exchange) leave(keep int) {
	x.s.room.leave(x.taken - keep)
	x.taken = keep
}
