//go:build !amd64

package rewrite

// blocks says that the machine can look at blocks of bytes.
const blocks = false

func plainBlocks([]byte) int { return 0 }
