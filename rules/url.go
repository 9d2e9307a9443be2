package rules

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"chaperone/rules/yamlfile"
)

// url reads the address of a destination and returns it without a trailing
// slash.
func (l *loader) url(n yamlfile.Node) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	problem, hint := "", "write scheme, host and perhaps a path, as in https://api.example/v2"
	switch {
	case err != nil || u.Opaque != "" || u.Host == "":
		problem = n.Name() + " is not the address of a server"
	case u.Scheme != "http" && u.Scheme != "https":
		problem = n.Name() + " must begin with https:// or http://"
	case u.User != nil:
		problem, hint = n.Name()+" holds a user or password", "send credentials by headers, from a file"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#"):
		problem, hint = n.Name()+" may hold no query and no fragment", "leave out what follows the path"
	case !validHost(u):
		problem = n.Name() + " names no host that can exist"
	case strings.Contains(u.Path, "//") || strings.Contains(u.Path+"/", "/../") || strings.Contains(u.Path+"/", "/./"):
		problem, hint = n.Name()+" has an empty or dot segment in its path", "write the path out"
	}
	if problem != "" {
		n.Fail("bad_url", problem, hint)
		return ""
	}
	return strings.TrimRight(text, "/")
}

func validHost(u *url.URL) bool {
	if port := u.Port(); port != "" {
		if v, err := strconv.ParseUint(port, 10, 16); err != nil || v == 0 {
			return false
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return false
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if len(host) > 253 {
		return false
	}
	for _, part := range strings.Split(strings.TrimSuffix(host, "."), ".") {
		if part == "" || len(part) > 63 || part[0] == '-' || part[len(part)-1] == '-' {
			return false
		}
		for _, c := range []byte(part) {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return true
}

// reach is how far the bytes to a destination travel.
type reach uint8

const (
	onThisMachine reach = iota
	onOwnNetwork
	onTheInternet
)

// reachOf judges a host by its address, or by its name: names of one part, and
// those under the suffixes that no public zone has, are of one's own network.
func reachOf(address string) reach {
	u, err := url.Parse(address)
	if err != nil {
		return onTheInternet
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		switch {
		case ip.IsLoopback():
			return onThisMachine
		case ip.IsPrivate() || ip.IsLinkLocalUnicast():
			return onOwnNetwork
		}
		return onTheInternet
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return onThisMachine
	}
	for _, suffix := range []string{".internal", ".local", ".lan", ".home.arpa"} {
		if strings.HasSuffix(host, suffix) {
			return onOwnNetwork
		}
	}
	if !strings.Contains(host, ".") {
		return onOwnNetwork
	}
	return onTheInternet
}

// clearText reports whether calls to an address are not encrypted.
func clearText(address string) bool { return strings.HasPrefix(strings.ToLower(address), "http://") }
