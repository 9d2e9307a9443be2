package detect

import "golang.org/x/sys/cpu"

// blocks says that the machine can look at blocks of bytes.
var blocks = cpu.X86.HasAVX2

// firstRunAVX2 is firstRun for n bytes from p on.
//
//go:noescape
func firstRunAVX2(p *byte, n int, exponents uint64) int

// firstRun returns the offset of the first byte of b at which a run begins, or an
// exponent, as suspiciousBlocks means them; exponents is withExponents or
// noExponents. b has blockSize bytes at least, and is looked at as far as there are
// more than that: where nothing begins up to there, the complement of that offset
// is returned.
func firstRun(b []byte, exponents uint64) int { return firstRunAVX2(&b[0], len(b), exponents) }
