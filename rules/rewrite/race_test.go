//go:build race

package rewrite

// pooled is how many allocations a run may have under the race detector, under
// which a sync.Pool (the classifier's) forgets at random. Otherwise none.
const pooled = 4
