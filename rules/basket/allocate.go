package basket

import (
	"cmp"
	"math/bits"
	"slices"
)

// allocator is the scratch of allocations.
type allocator struct {
	scratch []int64
	rests   []uint64 // remainders of the division
	order   []int32  // lines by remainder
}

// allocate divides an amount among lines by the magnitudes of their weights:
// each gets its part rounded towards zero, and the units that are left go, one
// each, to the largest remainders, the earlier line first among equals. The
// shares, which have the amount's sign, are written into dst, which is grown
// as needed. It returns false where all weights are zero and the amount is
// not. The sum of the weights' magnitudes has at most 18 digits. dst and
// weights may not be the same slice.
func (a *allocator) allocate(dst []int64, amount int64, weights []int64) ([]int64, bool) {
	dst = resize(dst, len(weights))
	var sum uint64
	for _, w := range weights {
		sum += magnitude(w)
	}
	if amount == 0 || sum == 0 {
		clear(dst)
		return dst, amount == 0
	}
	rests, order := a.remainders(len(weights))
	total := magnitude(amount)
	left := total
	for i, w := range weights {
		hi, lo := bits.Mul64(total, magnitude(w)) // hi < sum, as w <= sum
		part, rest := bits.Div64(hi, lo, sum)
		dst[i], rests[i], order[i] = int64(part), rest, int32(i)
		left -= part
	}
	handOut(dst, rests, order, left)
	if amount < 0 {
		for i := range dst {
			dst[i] = -dst[i]
		}
	}
	return dst, true
}

// remainders returns scratch for n remainders and their order.
func (a *allocator) remainders(n int) (rests []uint64, order []int32) {
	if cap(a.rests) < n {
		a.rests, a.order = make([]uint64, n, 2*n), make([]int32, n, 2*n)
	}
	return a.rests[:n], a.order[:n]
}

// handOut gives the units that are left, one each, to the largest remainders,
// the earlier one first among equals. order names all of dst.
func handOut(dst []int64, rests []uint64, order []int32, left uint64) {
	if left == 0 {
		return
	}
	slices.SortFunc(order, func(x, y int32) int {
		if c := cmp.Compare(rests[y], rests[x]); c != 0 {
			return c
		}
		return cmp.Compare(x, y)
	})
	for _, i := range order[:left] {
		dst[i]++
	}
}
