package proxy

import (
	"chaperone/audit"
	"chaperone/rules/rewrite"
)

// slate is what a request works on as long as it waits for nobody: the body as
// it is read, what the engine makes of it, and room to write in.
//
// Many requests wait at a time, and few work. A request takes a slate when it has
// something to do, and gives it back, wiped, before it waits for the store or the
// primary. So there are about as many as processors, and they stay in the caches
// of these, where what a request had of its own would be cold whenever its turn
// comes. What is zeroed is zeroed as early as can be.
type slate struct {
	body    []byte
	own     []byte // what is used again, where the body is one that its connection lends
	borrows bool   // it is
	req     *rewrite.Message
	ans     *rewrite.Message

	views   []*rewrite.View // of the legs
	ansView *rewrite.View

	prepared []audit.Prepared // what was chosen about the answer

	entry   audit.Entry
	input   []byte // what the body's MAC is of; then the head of the primary's message
	scratch []byte // empty between its uses, and zeroed beyond its length
	ad      []byte // the name of the register that is being sealed
	out     []byte // the answer
}

// sit takes a slate for the exchange, if it has none.
func (x *exchange) sit() {
	if x.slate == nil {
		x.slate = x.s.takeSlate(x.p.engine)
	}
}

func (s *Server) takeSlate(e *rewrite.Engine) *slate {
	if t, ok := s.slates.Get().(*slate); ok {
		return t
	}
	return &slate{req: e.NewMessage(), ans: e.NewMessage(), ansView: e.NewView()}
}

// rise gives the slate back, if the exchange has one. Nothing that borrows from
// it is of use any more.
func (x *exchange) rise() {
	t := x.slate
	if t == nil {
		return
	}
	x.slate = nil
	for i := range x.legs {
		x.legs[i].view = nil
	}
	t.wipe(x.s)
	x.s.slates.Put(t)
}

// riseRecorded is rise for a request of which all is written down that is to be
// recorded, and sent to the primary. What the answer asks of it is kept. The slate
// is, where another attempt may ask more of the body.
func (x *exchange) riseRecorded() {
	r := &x.p.plan.Routes[x.route]
	if x.slate == nil || x.lent || r.Follows != nil || r.Followed != nil || x.tokens.borrows() {
		return
	}
	if x.req.Asked() && !x.kept {
		if x.asked == nil {
			x.asked = x.p.engine.NewMessage()
		}
		x.req.KeepAsked(x.asked)
		x.kept = true
	}
	x.rise()
}

// resolved is what DecideAnswer is to ask of the request.
func (x *exchange) resolved() *rewrite.Message {
	if x.kept {
		return x.asked
	}
	return x.req
}

// wipe leaves nothing of a request on the slate.
func (t *slate) wipe(s *Server) {
	t.req.Reset()
	t.ans.Reset()
	t.ansView.Reset()
	t.prepared = t.prepared[:0]
	for _, v := range t.views {
		v.Reset()
	}
	// Nothing is behind the length of these.
	clear(t.body)
	if t.borrows {
		t.body, t.own, t.borrows = t.own, nil, false
	}
	t.body = s.keep(t.body)
	t.input, t.scratch, t.out = empty(t.input), empty(t.scratch), empty(t.out)
}

// borrow makes the body one that stands elsewhere until the slate is given back.
func (t *slate) borrow(body []byte) { t.body, t.own, t.borrows = body, t.body, true }

// view returns the view of a leg.
func (t *slate) view(e *rewrite.Engine, leg int) *rewrite.View {
	for len(t.views) <= leg {
		t.views = append(t.views, e.NewView())
	}
	return t.views[leg]
}
