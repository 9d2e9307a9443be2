package proxy

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"chaperone/audit"
	"chaperone/rules/reason"
	"chaperone/store"
)

// identityCoded reports whether an answer's body is what it says, and no coding
// of it.
func identityCoded(h *fasthttp.ResponseHeader) bool {
	v := h.Peek("Content-Encoding")
	return len(v) == 0 || bytes.EqualFold(v, []byte("identity"))
}

// replayRaw answers a repeat from the primary's own answer, which nobody was
// given before: the proxy had asked for it by itself. The caller gets what it
// may see of it, as of any answer.
func (x *exchange) replayRaw(o *outcome, a *storedAnswer, legs string) *reason.Error {
	for _, f := range a.Fields {
		x.resp.Header.Set(f.Name, f.Value)
	}
	x.resp.SetStatusCode(a.Status)
	x.resp.SetBody(a.Body)
	u := x.p.upstreams[x.primaryIndex()]
	_, fault := x.readAnswer(u)
	if fault == reason.None && len(x.legs) == 0 {
		fault = reason.AnswerWithheld // the request is not rendered: it only asks what became of it
	}
	if fault == reason.None {
		fault = x.renderAnswer(u)
	}
	x.writeAnswer(a.Status, fault)
	x.stamp(o.Result, o.Upstream, legs)
	x.ctx.Response.Header.Set(headerReplayed, "true")
	entry := x.newEntry(audit.KindOutcome, audit.ResultReplayed, fault)
	entry.Status, entry.Upstream = a.Status, o.Upstream
	unit := &store.Unit{Spool: x.spools()}
	x.addAnswer(unit, entry)
	unit.Entries = append(unit.Entries, x.s.sealing().Seal(nil, entry))
	if err := x.s.committer.Commit(x.s.work, unit); err != nil {
		x.ctx.Response.Reset()
		return refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded")
	}
	return nil
}
