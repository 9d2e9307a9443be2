package detect

// runSize is the number of groups that a run remembers: those that a card may
// reach ahead and behind, and room to move.
const (
	reach   = maxDigits + 3 // groups that a card has at most, and those of a date next to it
	runSize = 3 * reach
)

// run is a sequence of groups with gaps between them, of which it remembers
// the last ones. from is the first group of which no card found so far is a
// part; next the first that was not yet tried as a beginning. open says that
// groups before the first have been forgotten.
type run struct {
	groups     [runSize]group
	totals     [runSize + 1]total // those before groups[k]; the last one, those of all
	n          int
	from, next int
	open       bool
}

// total is what the groups of a run come to, from its beginning on.
type total struct {
	digits, wholes int
	sums           sums
}

// push adds a group.
func (r *run) push(g group) {
	g.whole = whole(&g)
	t := r.totals[r.n]
	t.sums = t.sums.then(g.n).plus(g.sums)
	t.digits += g.n
	if g.whole {
		t.wholes++
	}
	r.groups[r.n] = g
	r.n++
	r.totals[r.n] = t
}

// run judges the groups from i on to the end of the run.
func (f *finder) run(i int) {
	var r run
	var before gap
	for {
		g, end := readGroup(f.text, i)
		g.before = before
		if g.n > maxDigits || (before.class() == classWeak && !r.weakly(&g)) {
			f.end(&r)
			r.n, r.from, r.next, r.open = 0, 0, 0, false
		}
		if g.n <= maxDigits {
			r.push(g)
		}
		var next int
		if before, next = readGap(f.text, end); next == end {
			f.end(&r)
			return
		}
		i = next
		if r.n == runSize {
			f.advance(&r, runSize-reach)
			r.shift()
		}
		if f.out == nil && f.found {
			return
		}
	}
}

// weakly reports whether the group may follow the last one after a weak
// separator: both have the length of a card's groups.
func (r *run) weakly(g *group) bool {
	if r.n == 0 {
		return true
	}
	n := r.groups[r.n-1].n
	return n >= 3 && n <= 6 && g.n >= 3 && g.n <= 6
}

// shift forgets the groups that no later card can reach.
func (r *run) shift() {
	k := r.next - reach
	copy(r.groups[:], r.groups[k:r.n])
	copy(r.totals[:], r.totals[k:r.n+1])
	r.n -= k
	r.next -= k
	if r.from -= k; r.from < 0 {
		r.from, r.open = 0, true
	}
}

func (f *finder) end(r *run) { f.advance(r, r.n) }

// advance tries the groups before limit as beginnings of a card.
func (f *finder) advance(r *run, limit int) {
	for r.next < limit {
		j, ok := f.longest(r, r.next, r.n, false)
		if !ok {
			r.next++
			continue
		}
		f.leave(r, r.from, r.next)
		f.take(r, r.next, j)
		r.from, r.next, r.open = j, j, false
	}
}

// leave judges the groups from a to b, which are left before a card that was
// found: as the card will be replaced, they are now a run of their own.
func (f *finder) leave(r *run, a, b int) {
	for i := a; i < b; i++ {
		if j, ok := f.longest(r, i, b, true); ok {
			f.take(r, i, j)
			i = j - 1
		}
	}
}

// take reports the groups from i to j as a card.
func (f *finder) take(r *run, i, j int) {
	f.hit(r.groups[i].start, r.groups[j-1].end, r.totals[j].digits-r.totals[i].digits)
}

// longest returns the end j of the longest card that begins with group i and
// ends before group limit. One with a Luhn digit goes before one without.
// closed says that the run ends at limit.
func (f *finder) longest(r *run, i, limit int, closed bool) (j int, ok bool) {
	before := r.totals[i]
	if r.totals[limit].digits-before.digits < minDigits {
		return 0, false
	}
	first4 := r.first4(i)
	lengths := lengthsOf(first4)
	if lengths == 0 {
		return 0, false
	}
	lax := 0
	for k := i; k < limit; k++ {
		after := &r.totals[k+1]
		n := after.digits - before.digits
		if n < minDigits {
			continue
		}
		if n > maxDigits || k > i && after.wholes > before.wholes {
			break
		}
		if lengths>>uint(n)&1 == 0 {
			continue
		}
		luhn := before.sums.then(n).once == after.sums.once
		if !luhn && (first4/100 != 62 || n < minLax) || f.phone(r.groups[i].start, uint64(first4/1000), n) {
			continue
		}
		common := k == i && !gtin(r.groups[i].value, n) || k > i && usual(r.groups[i:k+1])
		switch {
		case !luhn:
			if common {
				lax = k + 1
			}
		case (common || k > i && f.apart(r, i, k+1, limit, closed)) && !r.inDate(i):
			j = k + 1
		}
	}
	if j == 0 {
		j = lax
	}
	return j, j > 0
}

// first4 returns the first four digits from group i on. There are that many.
func (r *run) first4(i int) uint16 {
	var value uint64
	for missing := 4; missing > 0; i++ {
		g := &r.groups[i]
		take := min(g.n, missing)
		value = value*pow10[take] + g.value/pow10[g.n-take]
		missing -= take
	}
	return uint16(value)
}

// whole reports whether the group is a number of its own that is never one of
// several parts of a card: it is a card, or has the shape of a token of format
// "pan" (a token that was put in place of a card must not make another one
// together with its neighbours).
func whole(g *group) bool {
	if g.n < minDigits {
		return false
	}
	if judge(g.value, g.n, g.luhn()) {
		return true
	}
	first := g.first()
	return first == 1 || first == 7 || first == 8
}

// usual reports whether the groups are those in which cards are printed or
// typed: fours with a shorter end, 4-6-5, 4-6-4, two halves.
func usual(gs []group) bool {
	last := len(gs) - 1
	if last == 1 {
		a, b := gs[0].n, gs[1].n
		return (a == 4 && b == 12) || (a == 6 && b >= 10) || (a == 8 && b == 8) || (a == 4 && b == 11)
	}
	if last == 2 && gs[0].n == 4 && gs[1].n == 6 {
		return gs[2].n == 5 || gs[2].n == 4
	}
	for _, g := range gs[:last] {
		if g.n != 4 {
			return false
		}
	}
	return gs[last].n <= 4
}

// apart reports whether the groups from i to j stand apart from the rest of
// their run on both sides.
func (f *finder) apart(r *run, i, j, limit int, closed bool) bool {
	inner := r.groups[i+1].before
	sameGap, sameLength := true, true
	for k := i; k < j; k++ {
		g := &r.groups[k]
		if k > i && g.before.class() == classLine {
			return false
		}
		sameGap = sameGap && (k == i || g.before == inner)
		sameLength = sameLength && g.n == r.groups[i].n
	}
	left := (i == r.from && !r.open) || r.date(i-3)
	right := j == limit && (closed || limit == r.n) || r.date(j)
	if sameGap {
		left = left || r.groups[i].before != inner
		right = right || j < r.n && r.groups[j].before != inner
	}
	if sameLength {
		left = left || i > 0 && r.groups[i-1].n != r.groups[i].n
		right = right || j < r.n && r.groups[j].n != r.groups[i].n
	}
	return left && right
}

// date reports whether the three groups from i on are an ISO 8601 date.
func (r *run) date(i int) bool {
	if i < 0 || i+3 > r.n {
		return false
	}
	year, month, day := &r.groups[i], &r.groups[i+1], &r.groups[i+2]
	return year.n == 4 && year.value >= 1800 && year.value <= 2199 &&
		month.n == 2 && month.value >= 1 && month.value <= 12 &&
		day.n == 2 && day.value >= 1 && day.value <= 31 &&
		month.before.class() == classDash && day.before.class() == classDash
}

// inDate reports whether the group is the month or the day of an ISO date.
func (r *run) inDate(i int) bool { return r.date(i-1) || r.date(i-2) }
