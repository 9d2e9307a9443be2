package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Change is one difference between two policies, in words. It holds names of
// the policy's author, and never a secret of the policy: what a header holds, or
// the hash of a caller's key.
type Change struct {
	Subject string // what it is about, as in "destination ehr"
	Aspect  string // of it, as in "sees pan"; empty: the subject as a whole
	Old     string // empty: it was not there
	New     string // empty: it is not there any more
	// Opens says whether the party sees more than before (1), less (-1), or
	// whether that is not the question (0).
	Opens int
}

// String returns the change as a line for a person.
func (c Change) String() string {
	about := strings.TrimSpace(c.Subject + ": " + c.Aspect)
	if c.Aspect == "" {
		about = c.Subject
	}
	switch {
	case c.Old == "" && c.New == present, c.Old == "" && c.New == hidden:
		about += " is new"
	case c.Old == "":
		about += " is new: " + c.New
	case c.New == "" && (c.Old == present || c.Old == hidden):
		about += " is gone"
	case c.New == "":
		about += " is gone, was " + c.Old
	case c.Old == hidden:
		about += " is another"
	default:
		about += " was " + c.Old + ", is " + c.New
	}
	switch {
	case c.Opens > 0:
		about += " (more open)"
	case c.Opens < 0:
		about += " (stricter)"
	}
	return about
}

// What stands for a fact that has no text, or none that may be shown.
const (
	present = "there"
	hidden  = "set"
)

// Changes says what differs between two policies, in the order of a policy
// file. Policies that mean the same have none, however they are written.
func Changes(old, next *Plan) []Change {
	was, is := factsOf(old), factsOf(next)
	var all []Change
	for _, subject := range subjects(was, is) {
		all = append(all, changesOf(subject, was.of[subject], is.of[subject])...)
	}
	return all
}

// subjects lists those of both, each where the newer policy has it.
func subjects(was, is *facts) []string {
	all := slices.Clone(is.order)
	for _, s := range was.order {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

func changesOf(subject string, was, is []fact) (all []Change) {
	if was == nil {
		all = append(all, Change{Subject: subject, New: present})
	}
	if is == nil {
		return []Change{{Subject: subject, Old: present}}
	}
	for _, f := range is {
		i := slices.IndexFunc(was, func(o fact) bool { return o.aspect == f.aspect })
		switch {
		case i < 0:
			all = append(all, Change{Subject: subject, Aspect: f.aspect, New: f.shown(), Opens: opens(Drop, f.form, f.clears)})
		case was[i].value != f.value:
			all = append(all, Change{Subject: subject, Aspect: f.aspect, Old: was[i].shown(), New: f.shown(), Opens: opens(was[i].form, f.form, f.clears)})
		}
	}
	for _, o := range was {
		if !slices.ContainsFunc(is, func(f fact) bool { return o.aspect == f.aspect }) {
			all = append(all, Change{Subject: subject, Aspect: o.aspect, Old: o.shown(), Opens: opens(o.form, Drop, o.clears)})
		}
	}
	return all
}

// opens compares two forms, which go from open to strict.
func opens(old, next Form, clears bool) int {
	switch {
	case !clears || old == next:
		return 0
	case next < old:
		return 1
	}
	return -1
}

// fact is one thing that a policy says of a subject.
type fact struct {
	aspect, value string
	secret        bool
	form          Form // where clears: in which a party sees something
	clears        bool
}

func (f fact) shown() string {
	if f.secret {
		return hidden
	}
	return f.value
}

// facts are all that a policy says, by subject.
type facts struct {
	plan    *Plan
	order   []string
	of      map[string][]fact
	subject string // that is being described
}

func (f *facts) about(format string, args ...any) {
	f.subject = fmt.Sprintf(format, args...)
	f.order = append(f.order, f.subject)
	f.of[f.subject] = []fact{}
}

func (f *facts) add(x fact) { f.of[f.subject] = append(f.of[f.subject], x) }

// say notes a value; an empty one is not said.
func (f *facts) say(aspect, value string) {
	if value != "" {
		f.add(fact{aspect: aspect, value: value})
	}
}

func (f *facts) sayIf(yes bool, aspect string) {
	if yes {
		f.say(aspect, present)
	}
}

// each notes members of a list, whose order does not matter.
func (f *facts) each(aspect string, members []string) {
	for _, m := range members {
		f.say(aspect+" "+m, present)
	}
}

// sees notes a clearance, label by label.
func (f *facts) sees(c Clearance) {
	for i := range f.plan.Labels {
		if form := c.Of(LabelID(i)); form != Drop {
			f.add(fact{aspect: "sees " + f.plan.Labels[i].Name, value: form.String(), form: form, clears: true})
		}
	}
}

func factsOf(p *Plan) *facts {
	f := &facts{plan: p, of: map[string][]fact{}}
	f.labels()
	f.basket()
	f.destinations()
	f.callers()
	f.routes()
	return f
}
