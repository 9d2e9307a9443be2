package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"chaperone/rules"
	"chaperone/rules/yamlfile"
)

// The bounds of what chaperone.yaml may ask for.
const (
	minBody, defaultBody, maxBody       = 1 << 10, 4 << 20, 64 << 20
	minMemory, defaultMemory, maxMemory = 16 << 20, 256 << 20, 64 << 30

	minDepth, defaultDepth, maxDepth = 4, 128, 1024

	minTimeout, maxTimeout = 100 * time.Millisecond, 10 * time.Minute
)

// loadConfig reads chaperone.yaml. With an error among the diagnostics there
// is no configuration. It opens nothing that the file names.
func loadConfig(file string) (*config, rules.Diagnostics) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, rules.Diagnostics{unreadable(file, err)}
	}
	cfg, ds := parseConfig(file, src)
	if ds.HasErrors() {
		return nil, ds
	}
	return cfg, ds
}

// unreadable is the diagnostic of a file that cannot be opened.
func unreadable(file string, err error) rules.Diagnostic {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return rules.Diagnostic{
		Position: rules.Position{File: file}, Code: "file_unreadable",
		Message: fmt.Sprintf("the file cannot be read: %s", err), Hint: "check its name, and who may read it",
	}
}

// parseConfig reads the text of a chaperone.yaml. With an error among the
// diagnostics the configuration is only what could be read, and is good for
// finding the policy file alone.
func parseConfig(file string, src []byte) (*config, rules.Diagnostics) {
	var ds rules.Diagnostics
	cfg := &config{}
	if root := yamlfile.Parse(file, src, &ds).Shaped(configShape); root.Present() {
		r := configReader{dir: filepath.Dir(file)}
		cfg = r.read(root)
	}
	cfg.file = file
	ds.Sort()
	return cfg, ds
}

// configReader turns the nodes of the file into a config. Mistakes go to the
// nodes' own list.
type configReader struct {
	dir string // that of the file: relative paths begin there
}

func (r configReader) read(root yamlfile.Node) *config {
	m := root.Map()
	cfg := &config{
		rules:  r.path(m.Require("rules", "name the policy file, as in rules: rules.yaml")),
		listen: r.listen(m.Require("listen", "say where to listen, as in listen: {address: 127.0.0.1:8080}")),
		admin:  r.admin(m.Get("admin")),
		data:   r.pathOr(m.Get("data"), "data"),
		state:  r.state(m.Get("state")),
		keys:   r.keys(m.Get("keys")),
		limits: r.limits(m.Get("limits")),
		log:    r.log(m.Get("log")),
	}
	if cfg.listen.address != "" && cfg.listen.address == cfg.admin.address && !portIsZero(cfg.listen.address) {
		m.Get("admin").Fail("address_twice", "admin and listen have the same address", "give the admin listener another port")
	}
	m.Done(
		yamlfile.Hint{Key: "labels", Text: "labels belong into the policy file, which rules: names"},
		yamlfile.Hint{Key: "destinations", Text: "destinations belong into the policy file, which rules: names"},
		yamlfile.Hint{Key: "routes", Text: "routes belong into the policy file, which rules: names"},
		yamlfile.Hint{Key: "callers", Text: "callers belong into the policy file, which rules: names"},
	)
	return cfg
}

// path reads a file name and resolves it; "" where there is none.
func (r configReader) path(n yamlfile.Node) string {
	name, ok := n.Text()
	if !ok {
		return ""
	}
	return r.resolve(name)
}

func (r configReader) resolve(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(r.dir, name)
}

func (r configReader) pathOr(n yamlfile.Node, name string) string {
	if !n.Written() {
		return filepath.Join(r.dir, name)
	}
	return r.path(n)
}

func (r configReader) listen(n yamlfile.Node) listenConfig {
	if !n.Present() {
		return listenConfig{}
	}
	m := n.Map()
	address := m.Require("address", "write host and port, as in 127.0.0.1:8080")
	l := listenConfig{address: r.address(address), position: address.Position(), hosts: r.hosts(m.Get("hosts"))}
	l.tls = r.tls(m.Get("tls"))
	m.Done()
	return l
}

// tls reads the certificate of a listener; nil where there is none.
func (r configReader) tls(n yamlfile.Node) *tlsConfig {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	t := &tlsConfig{
		cert: r.path(m.Require("cert", "name the PEM file of the certificate chain")),
		key:  r.path(m.Require("key", "name the PEM file of the private key")),
	}
	if ca := m.Get("client_ca"); ca.Written() {
		t.clientCA = r.path(ca)
	}
	m.Done()
	return t
}

func (r configReader) admin(n yamlfile.Node) adminConfig {
	if !n.Present() {
		return adminConfig{address: "127.0.0.1:9090"}
	}
	m := n.Map()
	a := adminConfig{
		address: r.address(m.Require("address", "write host and port, as in 127.0.0.1:9090")),
		hosts:   r.hosts(m.Get("hosts")),
		tls:     r.tls(m.Get("tls")),
	}
	m.Done()
	return a
}

// address reads host:port. The host may be left out only deliberately: ":8080"
// means every interface, and has to be written as 0.0.0.0:8080.
func (r configReader) address(n yamlfile.Node) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	return r.checkAddress(n, text)
}

func (r configReader) checkAddress(n yamlfile.Node, text string) string {
	host, port, err := net.SplitHostPort(text)
	if err != nil || !validPort(port) {
		n.Fail("bad_address", fmt.Sprintf("%s is not host:port", n.Name()), "write it as in 127.0.0.1:8080 or [::1]:8080")
		return ""
	}
	if host == "" {
		n.Fail("bad_address", fmt.Sprintf("%s names no host", n.Name()), "write 127.0.0.1 for this machine alone, 0.0.0.0 for every interface")
		return ""
	}
	return text
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n <= 65535
}

func portIsZero(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

func (r configReader) hosts(n yamlfile.Node) []string {
	if !n.Present() {
		return nil
	}
	var hosts []string
	for _, item := range n.OneOrMore() {
		if text, ok := item.Text(); ok {
			hosts = append(hosts, text)
		}
	}
	return hosts
}

func (r configReader) limits(n yamlfile.Node) limitsConfig {
	l := limitsConfig{
		body: defaultBody, memory: defaultMemory, depth: defaultDepth,
		readTimeout: 10 * time.Second, upstreamTimeout: 15 * time.Second, drainTimeout: 30 * time.Second,
	}
	if !n.Present() {
		return l
	}
	m := n.Map()
	if v := m.Get("body"); v.Present() {
		l.body = int(v.Bytes())
	}
	if v := m.Get("memory"); v.Present() {
		l.memory = int(v.Size(minMemory, maxMemory))
	}
	if v := m.Get("depth"); v.Present() {
		l.depth = int(v.Whole())
	}
	timeout := func(key string, into *time.Duration) {
		if v := m.Get(key); v.Present() {
			*into = v.Span()
		}
	}
	timeout("read_timeout", &l.readTimeout)
	timeout("upstream_timeout", &l.upstreamTimeout)
	timeout("drain_timeout", &l.drainTimeout)
	m.Done()
	return l
}

func (r configReader) log(n yamlfile.Node) logConfig {
	l := logConfig{level: "info"}
	if !n.Present() {
		return l
	}
	m := n.Map()
	if v := m.Get("level"); v.Present() {
		l.level, _ = v.Word()
	}
	if v := m.Get("format"); v.Present() {
		format, _ := v.Word()
		l.json = format == "json"
	}
	m.Done()
	return l
}

// webURL checks an http or https URL without anything behind the host.
func webURL(n yamlfile.Node) string {
	text, ok := n.Text()
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		n.Fail("bad_url", fmt.Sprintf("%s is not an http or https URL", n.Name()), "write it as in https://vault.clinic.internal:8200")
		return ""
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		n.Fail("bad_url", fmt.Sprintf("%s must be scheme, host and port alone", n.Name()), "write it as in https://vault.clinic.internal:8200")
		return ""
	}
	if host := u.Hostname(); u.Scheme == "http" && !loopback(net.JoinHostPort(host, "0")) {
		n.Warn("plain_http", fmt.Sprintf("%s is spoken to without TLS over the network", n.Name()), "use https")
	}
	return u.Scheme + "://" + u.Host
}
