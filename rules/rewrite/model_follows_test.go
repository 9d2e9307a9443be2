package rewrite

import (
	"math/big"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"chaperone/rules"
	"chaperone/rules/reason"
)

// What the model says of an amount that is split as a sale was.

// modelSale is the sale that a random request follows.
type modelSale struct {
	plan    *rules.Plan
	follows *rules.Follows
	shares  []ClassShare
	amount  string // as it stands in the body; empty for none
}

// follower makes the plan's only route follow a sale.
func (g generator) follower(t testing.TB, p *rules.Plan) {
	t.Helper()
	steps := []string{g.pick("a", "b", "c", "0")}
	if g.IntN(2) == 0 {
		steps = append(steps, g.pick("a", "b", "1"))
	}
	amount, err := rules.ParsePath(strings.Join(steps, "."))
	if err != nil {
		t.Fatal(err)
	}
	p.Basket = &rules.Basket{
		Items: rules.Path{Source: "basket", Steps: []rules.Step{{Name: "basket"}}}, Otherwise: 1,
		Classes: []rules.Class{{Name: "one", Label: rules.NoLabel}, {Name: "two", Label: rules.NoLabel}, {Name: "three", Label: rules.NoLabel}},
	}
	if g.IntN(2) == 0 {
		p.Basket.Tip = rules.Allocation{Kind: rules.AllocateClasses, Classes: []rules.ClassID{1, 3}}
	}
	r := &p.Routes[0]
	r.Follows = &rules.Follows{Key: rules.Path{Source: "sale", Steps: []rules.Step{{Name: "sale"}}}, Amount: &amount, By: rules.Share(g.IntN(4))}
	r.Legs[0].Items, r.Legs[0].Class = rules.ItemsClass, rules.ClassID(1+g.IntN(3))
}

// sale makes a sale, and mostly puts an amount into the body that follows it.
func (g generator) sale(p *rules.Plan, root *tree) (*tree, *modelSale) {
	s := &modelSale{plan: p, follows: p.Routes[0].Follows}
	for _, c := range p.Basket.Classes {
		share := ClassShare{Class: c.Name}
		for _, n := range []*int64{&share.Subtotal, &share.Tax, &share.Tip, &share.Total} {
			if *n = g.Int64N(20000); g.IntN(4) == 0 {
				*n = 0
			}
		}
		if g.IntN(10) == 0 {
			share.Total = -share.Total
		}
		if g.IntN(4) > 0 {
			s.shares = append(s.shares, share)
		}
	}
	if g.IntN(5) > 0 {
		s.amount = g.pick("100", "-7", "0", "12.00", "1e2", `"250"`, `"-3.0"`, "12.50", `"x"`, "true", card, "99999999999999999999", "null")
		root = plant(root, s.follows.Amount.Steps, s.amount)
	}
	s.amount = ""
	if n := s.find(root); n != nil {
		s.amount = n.raw
		if n.kind != 'l' {
			s.amount = "{}"
		}
	}
	return root, s
}

// plant puts a leaf at a path and makes the way to it.
func plant(t *tree, steps []rules.Step, raw string) *tree {
	if len(steps) == 0 {
		if raw == card {
			return &tree{kind: 'l', raw: raw, whole: raw}
		}
		return &tree{kind: 'l', raw: raw}
	}
	if t == nil || t.kind != '{' {
		t = &tree{kind: '{'}
	}
	at := slices.IndexFunc(t.names, func(n name) bool { return n.decoded == steps[0].Name })
	if at < 0 {
		at = len(t.names)
		t.names, t.children = append(t.names, name{`"` + steps[0].Name + `"`, steps[0].Name}), append(t.children, nil)
	}
	t.children[at] = plant(t.children[at], steps[1:], raw)
	return t
}

// find returns what stands at the amount's path.
func (s *modelSale) find(t *tree) *tree {
	for i, step := range s.follows.Amount.Steps {
		var next *tree
		for j := range t.children {
			if t.kind == '[' && step.Name == []string{"0", "1", "2", "3", "4"}[min(j, 4)] || t.kind == '{' && t.names[j].decoded == step.Name {
				next = t.children[j]
			}
		}
		if next == nil {
			return nil
		}
		if t = next; i == len(s.follows.Amount.Steps)-1 {
			return t
		}
	}
	return nil
}

// twice reports whether an object on the way to a path has two members of the
// name that it asks for.
func twice(t *tree, steps []rules.Step) bool {
	if len(steps) == 0 || t.kind == 'l' {
		return false
	}
	found := 0
	for i := range t.children {
		hit := false
		if t.kind == '{' {
			hit = t.names[i].decoded == steps[0].Name
		} else {
			hit = steps[0].Name == "0" && i == 0 || steps[0].Name == "1" && i == 1
		}
		if !hit {
			continue
		}
		if found++; twice(t.children[i], steps[1:]) {
			return true
		}
	}
	return found > 1
}

// wholeNumber is what an amount in minor units looks like, as far as the
// generator makes them.
var wholeNumber = regexp.MustCompile(`^("?)(-?[0-9]{1,18})(\.0+|e2)?("?)$`)

// refuses returns the code with which the request is refused.
func (s *modelSale) refuses(root *tree) reason.Code {
	if s == nil {
		return ""
	}
	if twice(root, s.follows.Amount.Steps) {
		return reason.AmbiguousMember
	}
	if s.amount == "" || s.amount == "null" {
		return ""
	}
	if !wholeNumber.MatchString(s.amount) {
		return reason.AmountMalformed
	}
	if _, ok := s.parts(); !ok {
		return reason.TotalsUnsplittable
	}
	return ""
}

func (s *modelSale) units() *big.Int {
	found := wholeNumber.FindStringSubmatch(s.amount)
	n, _ := new(big.Int).SetString(found[2], 10)
	if found[3] == "e2" {
		n.Mul(n, big.NewInt(100))
	}
	return n
}

// parts splits the amount by exact fractions.
func (s *modelSale) parts() (map[string]*big.Int, bool) {
	weights, some := map[string]int64{}, false
	for _, c := range s.shares {
		weights[c.Class] = [...]int64{c.Total, c.Subtotal, c.Tax, c.Tip}[s.follows.By]
		some = some || weights[c.Class] != 0
	}
	if s.follows.By == rules.ShareTip && !some {
		for _, c := range s.shares {
			if s.plan.Basket.Tip.Kind != rules.AllocateClasses || c.Class != "two" {
				weights[c.Class] = c.Subtotal
			}
		}
	}
	sum := int64(0)
	for _, w := range weights {
		sum += w
	}
	amount := s.units()
	parts := map[string]*big.Int{}
	if amount.Sign() == 0 || sum == 0 {
		for _, c := range s.plan.Basket.Classes {
			parts[c.Name] = new(big.Int)
		}
		return parts, amount.Sign() == 0
	}
	type rest struct {
		class string
		of    *big.Rat
		at    int
	}
	var rests []rest
	left := new(big.Int).Abs(amount)
	for i, c := range s.plan.Basket.Classes {
		quota := new(big.Rat).SetFrac(new(big.Int).Mul(new(big.Int).Abs(amount), big.NewInt(weights[c.Name])), big.NewInt(sum))
		floor := new(big.Int).Div(quota.Num(), quota.Denom()) // rounds down
		parts[c.Name] = floor
		left.Sub(left, floor)
		rests = append(rests, rest{c.Name, quota.Sub(quota, new(big.Rat).SetInt(floor)), i})
	}
	sort.SliceStable(rests, func(i, j int) bool { return rests[i].of.Cmp(rests[j].of) > 0 })
	for i := range left.Int64() {
		parts[rests[i].class].Add(parts[rests[i].class], big.NewInt(1))
	}
	if amount.Sign() < 0 {
		for _, n := range parts {
			n.Neg(n)
		}
	}
	return parts, true
}

// part returns the leg's part as it is written in the amount's stead; ok is
// false where the amount stays as it is.
func (s *modelSale) part(raw string) (string, bool) {
	if s.amount == "null" || raw != s.amount {
		return "", false
	}
	parts, _ := s.parts()
	part := parts[s.plan.Basket.Classes[s.plan.Routes[0].Legs[0].Class-1].Name]
	if part.Cmp(s.units()) == 0 {
		return "", false
	}
	found := wholeNumber.FindStringSubmatch(s.amount)
	if found[3] == "e2" {
		found[3] = ""
	}
	return found[1] + part.String() + found[3] + found[4], true
}
