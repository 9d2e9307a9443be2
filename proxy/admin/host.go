package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// checkHost refuses requests whose Host names somebody else. A page in a
// browser on this machine can make its own name resolve to this address (DNS
// rebinding) and would then read the metrics as its own origin; its Host gives
// it away. Loopback, the address that the connection came in on, and the given
// names are ours.
func checkHost(names []string, next http.Handler) http.Handler {
	known := map[string]bool{"localhost": true}
	for _, n := range names {
		known[hostName(n)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostName(r.Host)
		if !known[host] && !ownAddress(host, r) {
			http.Error(w, "this host is not served here", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostName returns the host of a Host header, without port, brackets and
// trailing dot, in lower case.
func hostName(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// ownAddress reports whether host is a loopback address, or the one that the
// connection came in on. An address cannot be rebound.
func ownAddress(host string, r *http.Request) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if addr.Unmap().IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.AddrPort().Addr().Unmap() == addr.Unmap()
}
