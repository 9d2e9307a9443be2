package rewrite

import "golang.org/x/sys/cpu"

// blocks says that the machine can look at blocks of bytes.
var blocks = cpu.X86.HasAVX2

// plainBlocksAVX2 is plainBlocks for n bytes from p on.
//
//go:noescape
func plainBlocksAVX2(p *byte, n int) int

// plainBlocks returns how many bytes of b, in blocks of 64, are plain string bytes
// one and all before the first block of which that is not so.
func plainBlocks(b []byte) int { return plainBlocksAVX2(&b[0], len(b)) }
