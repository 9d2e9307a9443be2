package rules

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

func (f *facts) labels() {
	for i := range f.plan.Labels {
		l := &f.plan.Labels[i]
		f.about("label %s", l.Name)
		if l.Parent != NoLabel {
			f.say("a kind of", f.plan.Labels[l.Parent].Name)
		}
		for _, p := range l.Paths {
			if p.Source == SourceBody {
				f.say("path "+p.Path.String(), present)
			} else {
				f.say([...]string{"", "query member ", "header ", "path capture "}[p.Source]+p.Name, present)
			}
		}
		f.each("detector", l.Detect)
		if l.Generalize != GeneralizeNothing {
			f.say("generalize", l.Generalize.String())
		}
		f.say("token", string(l.Format))
		f.sayIf(l.Join, "join")
		f.say("vaulted tokens keep", [...]string{"", "the last four digits", "the first six digits and the last four"}[l.Vaulted.Keep])
		f.sayIf(l.Vaulted.Luhn, "vaulted tokens are valid by Luhn")
		f.span("vaulted tokens live", l.Vaulted.TTL)
	}
}

func (f *facts) span(aspect string, d time.Duration) {
	if d > 0 {
		f.say(aspect, d.String())
	}
}

func (f *facts) path(aspect string, p *Path) {
	if p != nil {
		f.say(aspect, p.String())
	}
}

func (f *facts) basket() {
	b := f.plan.Basket
	if b == nil {
		return
	}
	f.about("basket")
	f.path("items", &b.Items)
	f.path("currency", b.Currency)
	if b.Fixed != "" {
		f.say("currency", b.Fixed+" in every sale")
	}
	f.say("units", [...]string{"minor", "major"}[b.Units])
	for _, p := range []struct {
		aspect string
		path   *Path
	}{
		{"line.quantity", b.Line.Quantity}, {"line.unit_price", b.Line.UnitPrice}, {"line.amount", b.Line.Amount},
		{"line.discount", b.Line.Discount}, {"line.tax", b.Line.Tax}, {"totals.subtotal", b.Totals.Subtotal},
		{"totals.tax", b.Totals.Tax}, {"totals.tip", b.Totals.Tip}, {"totals.discount", b.Totals.Discount}, {"totals.total", b.Totals.Total},
	} {
		f.path(p.aspect, p.path)
	}
	f.say("tax", f.allocation(b.Tax))
	f.say("tip", f.allocation(b.Tip))
	if b.Tolerance != 0 {
		f.say("tolerance", fmt.Sprint(b.Tolerance))
	}
	f.say("otherwise", f.class(b.Otherwise))
	var order []string
	for i := range b.Classes {
		order = append(order, b.Classes[i].Name)
	}
	f.say("order of classes", strings.Join(order, ", "))
	for i := range b.Classes {
		c := &b.Classes[i]
		f.about("class %s", c.Name)
		if c.Label != NoLabel {
			f.say("label", f.plan.Labels[c.Label].Name)
		}
		for _, r := range c.Any {
			var all []string
			for _, cond := range r.Conditions {
				all = append(all, conditionText(cond))
			}
			f.say("items whose "+strings.Join(all, ", and "), present)
		}
	}
}

// conditionText says what a condition asks. A long list is told by its length
// and a fingerprint.
func conditionText(c Condition) string {
	words := append(append(append([]string(nil), c.Equal...), c.Globs...), c.Words...)
	text := strings.Join(words, " | ")
	if c.File != "" || len(text) > 120 {
		sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
		text = fmt.Sprintf("%d words, %x", len(words), sum[:4])
		if c.File != "" {
			text = c.File + " (" + text + ")"
		}
	}
	how := "is "
	if len(c.Globs) > 0 {
		how = "is like "
	} else if len(c.Words) > 0 {
		how = "says "
	}
	return c.Field.String() + " " + how + text
}

func (f *facts) allocation(a Allocation) string {
	var names []string
	for _, c := range a.Classes {
		names = append(names, f.class(c))
	}
	return strings.TrimSpace([...]string{"pro rata", "to", "by line", "included"}[a.Kind] + " " + strings.Join(names, ", "))
}

func (f *facts) class(c ClassID) string {
	if c == NoClass || f.plan.Basket == nil || int(c) > len(f.plan.Basket.Classes) {
		return ""
	}
	return f.plan.Basket.Classes[c-1].Name
}

func (f *facts) destinations() {
	for i := range f.plan.Destinations {
		d := &f.plan.Destinations[i]
		f.about("destination %s", d.Name)
		f.say("url", d.URL)
		if a := d.Agreement; a != nil {
			f.say("agreement", fmt.Sprintf("%s %s until %s", a.Kind, a.Reference, a.Expires.Format(time.DateOnly)))
		}
		f.sees(d.Sees)
		f.sayIf(d.Idempotent, "idempotent")
		for _, h := range d.Headers {
			// What a header holds may be a secret, in the policy too.
			sum := sha256.Sum256([]byte(h.Prefix + "\x00" + h.Value + "\x00" + h.File))
			f.add(fact{aspect: "header " + h.Name, value: fmt.Sprintf("%x", sum), secret: true})
		}
		f.say("ca_file", d.CAFile)
		f.span("timeout", d.Timeout)
		if d.MaxConns > 0 {
			f.say("max_connections", fmt.Sprint(d.MaxConns))
		}
		for _, l := range d.Response.Labels {
			f.say("response path "+l.Path.String(), f.plan.Labels[l.Label].Name)
		}
		f.sayIf(d.Response.KeepAll, "response keeps everything")
		f.paths("response keeps", d.Response.Keep)
		f.each("response header", d.Response.Headers)
	}
}

func (f *facts) paths(aspect string, paths []Path) {
	for i := range paths {
		f.say(aspect+" "+paths[i].String(), present)
	}
}

func (f *facts) callers() {
	f.about("callers")
	f.each("may show their key in", f.plan.Identify.Headers)
	f.sayIf(!f.plan.HasCallers, "anybody may call")
	for i := range f.plan.Callers {
		c := &f.plan.Callers[i]
		if c.Name == Anonymous && !f.plan.HasCallers {
			continue
		}
		f.about("caller %s", c.Name)
		f.say("group", c.Group)
		for _, h := range c.KeyHashes {
			f.add(fact{aspect: fmt.Sprintf("key %x…", h[:3]), value: fmt.Sprintf("%x", h), secret: true})
		}
		f.sayIf(c.AllRoutes, "may use every route")
		for _, r := range c.Routes {
			f.say("may use route "+f.plan.Routes[r].Name, present)
		}
		f.sees(c.Sees)
		f.say("scope", c.Scope)
		for b, name := range rightNames {
			f.sayIf(c.Tokens&(1<<b) != 0, "may "+name+" tokens")
		}
		f.say("limits", fmt.Sprintf("%d mints a day, %d reveals a day, %d failed reveals an hour",
			c.Limits.MintsPerDay, c.Limits.RevealsPerDay, c.Limits.FailedRevealsPerHour))
	}
}

func (f *facts) routes() {
	var order []string
	for i := range f.plan.Routes {
		order = append(order, f.plan.Routes[i].Name)
	}
	f.about("routes")
	f.say("order", strings.Join(order, ", "))
	for i := range f.plan.Routes {
		r := &f.plan.Routes[i]
		f.about("route %s", r.Name)
		f.say("match", r.Method+" "+r.Path.Source)
		f.sayIf(r.ItemsOptional, "items are optional")
		if id := r.Idempotency; id != nil {
			f.say("idempotency", present)
			f.path("idempotency key", id.Key)
			f.paths("idempotency ignores", id.Ignore)
			f.span("answers are kept", id.TTL)
		}
		f.path("subject", r.Subject)
		f.say("purpose", r.Purpose)
		f.paths("unlinks", r.Unlink)
		f.say("scope", r.Scope)
		f.path("order", r.Order)
		f.say("on_doubt", [...]string{"hold", "retry", "replay"}[r.OnDoubt])
		f.say("on_outage", [...]string{"", "refuse", "spool"}[r.OnOutage])
		f.follows(r.Follows)
		f.set("answer sets", r.Answer.Set)
		var legs []string
		for j := range r.Legs {
			legs = append(legs, r.Legs[j].Name)
		}
		f.say("legs", strings.Join(legs, ", "))
		for j := range r.Legs {
			f.about("leg %s/%s", r.Name, r.Legs[j].Name)
			f.leg(&r.Legs[j])
		}
	}
}

func (f *facts) follows(x *Follows) {
	if x == nil {
		return
	}
	f.path("follows a sale by", &x.Key)
	f.say("follows sales of", f.plan.Routes[x.Route].Name)
	f.say("follows sales of group", x.Group)
	if x.As >= 0 {
		f.say("follows by the alias of", f.plan.Destinations[x.As].Name)
	}
	f.path("amount", x.Amount)
	f.say("amount by", [...]string{"total", "subtotal", "tax", "tip"}[x.By])
	f.span("follows within", x.Within)
	f.sayIf(x.Unknown, "goes on without a sale")
	f.decides("releases a pending sale", x.Release)
	f.decides("cancels a pending sale", x.Cancel)
}

func (f *facts) decides(aspect string, d *Decides) {
	if d != nil {
		f.sayIf(d.Success, aspect+" by its success")
		f.where(aspect+" where", d.Where)
	}
}

func (f *facts) where(aspect string, all []Where) {
	for _, w := range all {
		var values []string
		for _, v := range w.Values {
			text := v.Text
			if v.Kind == ScalarString {
				text = fmt.Sprintf("%q", v.Text)
			}
			values = append(values, text)
		}
		f.say(aspect+" "+w.Path.String(), strings.Join(values, " or "))
	}
}

func (f *facts) set(aspect string, all []SetMember) {
	for i := range all {
		m := &all[i]
		value := string(m.JSON)
		if m.Token != nil {
			value = "the token of " + m.Token.String()
		}
		if m.Compute != nil {
			value = "computed by " + m.Compute.String()
		}
		f.say(aspect+" "+m.Path.String(), value)
	}
}

func (f *facts) leg(l *Leg) {
	f.say("to", f.plan.Destinations[l.Destination].Name)
	f.sayIf(l.Primary, "primary")
	f.sayIf(l.Sync, "sync")
	f.say("method", l.Method)
	if l.Path != nil {
		f.say("path", l.Path.Source)
	}
	switch l.Items {
	case ItemsAll:
		f.say("items", "all that keep lists")
	case ItemsNone:
		f.say("items", "none")
	case ItemsClass:
		f.say("items", "those of class "+f.class(l.Class))
	}
	f.sayIf(l.Recompute, "totals are recomputed")
	f.sayIf(l.KeepAll, "keeps everything")
	f.paths("keeps", l.Keep)
	f.set("sets", l.Set)
	if l.When != nil {
		f.say("is sent when", l.When.String())
	}
	f.each("forwards header", l.ForwardHeaders)
	f.each("forwards query member", l.ForwardQuery)
	if s := l.Success; s != nil {
		f.sayIf(s.HTTP, "success by any 2xx")
		f.statuses("success by status", s.Status)
		f.where("success where", s.Where)
	}
	if p := l.Pending; p != nil {
		f.statuses("pending by status", p.Status)
		f.where("pending where", p.Where)
		f.span("pending within", p.Within)
	}
}

func (f *facts) statuses(aspect string, all []StatusRange) {
	for _, r := range all {
		f.say(fmt.Sprintf("%s %d-%d", aspect, r.From, r.To), present)
	}
}
