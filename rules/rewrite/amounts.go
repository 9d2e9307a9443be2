package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/basket"
)

// own prepares the amounts that a leg with a class shows as its own.
func (v *View) own(leg *rules.Leg) {
	m := v.m
	switch {
	case leg.Recompute && m.divided:
		v.totals, v.amounts = m.splitter.Leg(leg.Class), amountsTotals
	case leg.Recompute && m.sale.used:
		v.amounts = amountsNone
	}
	if m.sale.split && leg.Class != rules.NoClass {
		v.ownPart = m.sale.parts[leg.Class-1]
		v.amounts |= amountsPart
	}
}

// ownAmount replaces an amount of the whole call by the leg's own. done is
// false where the value is none, or the leg's is the same; alive is false where
// the leg has none.
func (v *View) ownAmount(i uint32, n *node) (done, alive bool) {
	m := v.m
	if m.body[n.start] == 'n' {
		return false, true
	}
	total := false
	for slot := slotSubtotal; slot <= slotTotal; slot++ {
		if m.slots[slot] != i+1 {
			continue
		}
		if v.amounts&amountsTotals != 0 {
			t := &v.totals
			own := [totalSlots]int64{t.Subtotal, t.Tax, t.Tip, t.Discount, t.Total}
			return v.putAmount(n, m.totals[slot-slotSubtotal], own[slot-slotSubtotal]), true
		}
		total = true
	}
	switch {
	case v.amounts&amountsPart != 0 && m.slots[slotAmount] == i+1:
		return v.putAmount(n, m.sale.amount, v.ownPart), true
	case total && v.amounts&amountsNone != 0:
		return true, false
	}
	return false, true
}

// putAmount writes other units in the style of an amount. It is false where
// they are the same.
func (v *View) putAmount(n *node, amount basket.Amount, units int64) bool {
	if units == amount.Units {
		return false
	}
	amount.Units = units
	from := len(v.text)
	v.text = amount.Append(v.text)
	v.put(n.start, n.end, from)
	return true
}
