//go:build !race

package rewrite

const pooled = 0
