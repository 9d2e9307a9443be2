package admin

import (
	"context"
	"net"
	"strconv"
)

type peerKey struct{}

// withPeer remembers who is at the other end of a control connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, c)
}

// peerName names the user at the other end: "local:UID", or "local" where the
// system does not tell.
func peerName(ctx context.Context) string {
	if c, ok := ctx.Value(peerKey{}).(*net.UnixConn); ok {
		if uid, ok := peerUID(c); ok {
			return "local:" + strconv.FormatUint(uint64(uid), 10)
		}
	}
	return "local"
}
