package proxy

import "chaperone/rules/reason"

// The primary's message stands in one piece in exchange.wire, its body behind
// some room and its head, which says how long that is, right before it. So no
// byte of a small body is copied once it is rendered.

// headRoom is what a head has room in.
const headRoom = 512

// wholeMessage is the size above which a body is sent on its own.
const wholeMessage = 64 << 10

// renderBody makes the body of a leg.
func (x *exchange) renderBody(l *leg, primary bool) (e *reason.Error) {
	same := l.view.Empty()
	switch {
	case primary && len(x.body) <= wholeMessage:
		if size := headRoom + l.view.Size(); cap(x.wire) < size {
			x.wire = make([]byte, 0, size+size/4)
		}
		x.wire, x.head, x.bodyAt = x.wire[:headRoom], headRoom, headRoom
		if x.wire, e = l.view.Render(x.wire); e != nil {
			return e
		}
		l.body = x.wire[headRoom:]
	case same:
		l.body, x.lent = x.body, true
	default:
		if len(x.body) >= keepBuffer {
			x.makeRoom(l)
		}
		if l.buf, e = l.view.Render(l.buf[:0]); e != nil {
			return e
		}
		l.body = l.buf
	}
	return nil
}

// makeRoom gives a leg of a large body a buffer in which it need not grow.
func (x *exchange) makeRoom(l *leg) {
	if n := l.view.Size(); n >= keepBuffer {
		l.buf = x.s.spares.take(n)
	}
}

// address writes the head of the primary's message before its body.
func (x *exchange) address() {
	x.sit()
	r := &x.p.plan.Routes[x.route]
	spec, l := &r.Legs[r.Primary], &x.legs[r.Primary]
	method, size := x.method(spec), len(l.body)
	if !x.hasBody && !needsBody([]byte(method)) {
		size = -1
	}
	head := x.p.upstreams[spec.Destination].appendHead(x.input, method, l.target, l.key, l.fields, size)
	if len(x.wire) == 0 { // the body is not in it
		if cap(x.wire) < headRoom {
			x.wire = make([]byte, 0, 2*headRoom)
		}
		x.wire, x.bodyAt, x.tail = x.wire[:headRoom], headRoom, l.body
	}
	clear(x.wire[x.head:x.bodyAt]) // of a head that was there before
	if len(head) > x.bodyAt {
		before := x.wire
		x.wire = append(make([]byte, len(head), len(head)+len(before)), before[x.bodyAt:]...)
		if x.tail == nil {
			l.body = x.wire[len(head):]
		}
		clear(before)
		x.bodyAt = len(head)
	}
	x.head = x.bodyAt - len(head)
	copy(x.wire[x.head:], head)
	x.input = rinse(head)
}
