package proxy

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
)

// hosts are the authorities under which this proxy may be addressed. A web
// page can make a browser on the front desk's PC send a request here; it
// cannot make it lie about Host and Origin.
type hosts struct {
	exact map[string]bool // host:port
	any   map[string]bool // host, whatever the port
}

// newHosts takes the address that the listener is bound to, as it was
// configured, and further names, with or without a port.
func newHosts(bound net.Addr, configured string, more []string) *hosts {
	h := &hosts{exact: map[string]bool{}, any: map[string]bool{}}
	if _, port, err := net.SplitHostPort(bound.String()); err == nil {
		h.exact[strings.ToLower(bound.String())] = true
		if host, _, err := net.SplitHostPort(configured); err == nil && host != "" {
			h.exact[strings.ToLower(net.JoinHostPort(host, port))] = true
		}
		// The local forms: only this machine reaches us by them.
		for _, local := range []string{"localhost", "127.0.0.1", "::1"} {
			h.exact[net.JoinHostPort(local, port)] = true
		}
		if port == "80" || port == "443" {
			for authority := range h.exact {
				host, _, _ := net.SplitHostPort(authority)
				h.any[bracket(host)] = true
			}
		}
	}
	for _, name := range more {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, _, err := net.SplitHostPort(name); err == nil {
			h.exact[name] = true
		} else if name != "" {
			h.any[bracket(strings.Trim(name, "[]"))] = true
		}
	}
	return h
}

func bracket(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// has reports whether authority, as in Host, is ours. local is the address at
// which the connection arrived: one may always name that.
func (h *hosts) has(authority []byte, local net.Addr) bool {
	if len(authority) == 0 || len(authority) > 255 {
		return false
	}
	if h.exact[string(authority)] || h.any[string(authority)] {
		return true
	}
	lower := strings.ToLower(string(authority))
	if h.exact[lower] || h.any[lower] {
		return true
	}
	host, port, err := net.SplitHostPort(lower)
	if err != nil {
		return false
	}
	if h.any[bracket(host)] {
		return true
	}
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip, err := netip.ParseAddr(host)
	at := tcp.AddrPort()
	return err == nil && ip.Unmap() == at.Addr().Unmap() && port == itoa(int(at.Port()))
}

// sameSite reports whether the head's Origin and Sec-Fetch-Site, where they
// are present, say that the request does not come from another site.
func (h *hosts) sameSite(origin, fetchSite []byte, local net.Addr) bool {
	if len(fetchSite) > 0 && !bytes.Equal(fetchSite, []byte("same-origin")) && !bytes.Equal(fetchSite, []byte("none")) {
		return false
	}
	if len(origin) == 0 {
		return true
	}
	_, authority, ok := bytes.Cut(origin, []byte("://"))
	return ok && h.has(authority, local)
}

// loopback reports whether only this machine can reach an address.
func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
