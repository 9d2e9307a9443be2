package basket

import "math/bits"

// Divide divides an amount in the proportions of the weights, whose signs
// count: what went the other way in a sale goes the other way again when the
// sale is given back. Each gets its part rounded down, by the amount's
// magnitude, and the units that are left go, one each, to the largest
// remainders, the earlier weight first among equals. The parts, which add up to
// the amount, are written into dst, which is grown as needed; dst and weights
// may not be the same slice. An amount that is the sum of the weights gives the
// weights. It returns false where the weights add up to zero and the amount is
// not zero, and where a number has more than 18 digits. What Split computed
// stays as it is.
func (s *Splitter) Divide(dst []int64, amount int64, weights []int64) ([]int64, bool) {
	dst = resize(dst, len(weights))
	clear(dst)
	var sum, magnitudes int64
	for _, w := range weights {
		if !inRange(w) {
			return dst, false
		}
		sum += w
		if magnitudes += abs(w); !inRange(magnitudes) {
			return dst, false
		}
	}
	if amount == 0 || sum == 0 || !inRange(amount) {
		return dst, amount == 0
	}
	rests, order := s.remainders(len(weights))
	total, whole := magnitude(amount), magnitude(sum)
	left := int64(total)
	for i, w := range weights {
		hi, lo := bits.Mul64(total, magnitude(w))
		if hi >= whole {
			return dst, false
		}
		part, rest := bits.Div64(hi, lo, whole)
		if part > maxUnits {
			return dst, false
		}
		if dst[i] = int64(part); (w < 0) != (sum < 0) {
			if dst[i] = -dst[i]; rest > 0 {
				dst[i]--
				rest = whole - rest
			}
		}
		rests[i], order[i] = rest, int32(i)
		left -= dst[i] // may wrap on the way; the last one brings it back
	}
	handOut(dst, rests, order, uint64(left))
	if amount < 0 {
		for i := range dst {
			dst[i] = -dst[i]
		}
	}
	return dst, true
}
