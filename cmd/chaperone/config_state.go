package main

import (
	"strings"
	"time"

	"chaperone/rules"
	"chaperone/rules/yamlfile"
)

// state reads where claims, queues and the log are kept.
func (r configReader) state(n yamlfile.Node) stateConfig {
	var s stateConfig
	if !n.Present() {
		return s
	}
	m := n.Map()
	if redis := m.Get("redis"); redis.Present() {
		s.redis = r.redis(redis)
	}
	r.outage(m, &s)
	m.Done()
	return s
}

// The bounds of state.spool_limit. What is recorded on local disk is held in
// memory as well, so that repeats are known.
const (
	minSpool     = 1 << 20
	defaultSpool = 256 << 20
	maxSpool     = 512 << 20
)

// outage reads what becomes of requests while Redis is away.
func (r configReader) outage(m *yamlfile.Map, s *stateConfig) {
	s.outage = rules.OutageRefuse
	if s.redis != nil {
		s.spool = defaultSpool
	}
	if n := m.Get("on_outage"); n.Present() {
		word, ok := n.Word()
		switch {
		case ok && word == "spool" && s.redis == nil:
			n.Fail("nothing_to_spool", "on_outage: spool is for a store elsewhere, and the embedded one is not", "leave on_outage out: the embedded store is on the same disk as the spool would be")
		case ok && word == "spool":
			s.outage = rules.OutageSpool
		}
	}
	if n := m.Get("spool_limit"); n.Present() {
		if s.redis == nil {
			n.Fail("nothing_to_spool", "spool_limit is for a store elsewhere, and the embedded one is not", "leave spool_limit out")
			return
		}
		s.spool = n.Bytes()
	}
}

func (r configReader) redis(n yamlfile.Node) *redisConfig {
	m := n.Map()
	c := &redisConfig{}
	if addresses := m.Require("addresses", "list host:port of each server, as in [127.0.0.1:6379]"); addresses.Present() {
		for _, item := range addresses.OneOrMore() {
			if a := r.redisAddress(item); a != "" {
				c.addresses = append(c.addresses, a)
			}
		}
	}
	if v := m.Get("username"); v.Present() {
		c.username, _ = v.Text()
	}
	if v := m.Get("password_file"); v.Present() {
		c.passwordFile = r.path(v)
	}
	if v := m.Get("durability"); v.Present() {
		word, _ := v.Word()
		c.replicated = word == "replica"
	}
	r.redisTLS(m.Get("tls"), c)
	r.topology(m, c)
	m.Done(yamlfile.Hint{Key: "password", Text: "write password_file, and put the password into that file"})
	return c
}

// redisAddress reads host:port, or unix:/path. By YAML's own rules a colon
// without a space after it is part of a text, but our parser makes a map of it
// inside brackets: [127.0.0.1:6379]. What was written without a space is put
// together again.
func (r configReader) redisAddress(n yamlfile.Node) string {
	text := ""
	if n.Kind() == yamlfile.Mapping {
		entries := n.Map().Entries()
		if len(entries) == 1 && entries[0].Value.Kind() == yamlfile.Scalar {
			host, value := entries[0], entries[0].Value
			if at := value.Position(); at.Line == host.At.Line && at.Column == host.At.Column+len(host.Key)+1 {
				port, _ := value.Text()
				text = host.Key + ":" + port
			}
		}
		if text == "" {
			n.Fail("bad_address", n.Name()+" is not host:port", "write it without a space, as in 127.0.0.1:6379")
			return ""
		}
	} else if text, _ = n.Text(); text == "" {
		return ""
	}
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return "unix:" + r.resolve(path)
	}
	return r.checkAddress(n, text)
}

// redisTLS reads `tls: true`, or `tls: {ca_file: …}`.
func (r configReader) redisTLS(n yamlfile.Node, c *redisConfig) {
	switch n.Kind() {
	case yamlfile.Scalar:
		c.tls = n.Bool()
	case yamlfile.Absent:
	default:
		m := n.Map()
		c.tls = m.Present()
		if v := m.Get("ca_file"); v.Present() {
			c.caFile = r.path(v)
		}
		m.Done()
	}
}

// topology reads which kind of Redis it is: one server, Sentinel or Cluster.
func (r configReader) topology(m *yamlfile.Map, c *redisConfig) {
	sentinel := m.Get("sentinel")
	if sentinel.Present() {
		sm := sentinel.Map()
		c.sentinel, _ = sm.Require("master", "write the name under which Sentinel knows the master").Text()
		if v := sm.Get("username"); v.Present() {
			c.sentinelUsername, _ = v.Text()
		}
		if v := sm.Get("password_file"); v.Present() {
			c.sentinelPasswordFile = r.path(v)
		}
		sm.Done()
	}
	cluster := m.Get("cluster")
	if cluster.Present() {
		c.cluster = cluster.Bool()
	}
	switch {
	case c.cluster && sentinel.Present():
		cluster.Fail("sentinel_and_cluster", "a Redis is behind Sentinel or a Cluster, not both", "keep one of the two")
	case len(c.addresses) > 1 && !c.cluster && !sentinel.Present():
		m.Get("addresses").Fail("too_many_addresses", "several addresses need to say what they are", "add cluster: true, or sentinel: {master: NAME}")
	}
}

// The bounds of keys.cryptoperiod.
const (
	minCryptoperiod     = 24 * time.Hour
	defaultCryptoperiod = 365 * 24 * time.Hour
	maxCryptoperiod     = 10 * 365 * 24 * time.Hour
)

// keys reads what wraps the keyring.
func (r configReader) keys(n yamlfile.Node) keysConfig {
	k := keysConfig{cryptoperiod: defaultCryptoperiod}
	if !n.Present() {
		return k
	}
	m := n.Map()
	vault, local := m.Get("vault"), m.Get("local")
	if v := m.Get("cryptoperiod"); v.Present() {
		k.cryptoperiod = v.Span()
	}
	if vault.Present() {
		k.vault = r.vault(vault)
	}
	if local.Present() {
		lm := local.Map()
		if v := lm.Get("passphrase_file"); v.Present() {
			k.local.passphraseFile = r.path(v)
		}
		if v := lm.Get("key_file"); v.Present() {
			k.local.keyFile = r.path(v)
		}
		if k.local.passphraseFile != "" && k.local.keyFile != "" {
			local.Fail("two_keys", "the local keyring is wrapped by a passphrase or by a key file, not by both", "keep one of the two")
		}
		lm.Done()
	}
	if vault.Present() && local.Present() {
		local.Fail("two_keyrings", "keys come from Vault or from the local keyring, not from both", "keep one of the two")
	}
	m.Done()
	return k
}

func (r configReader) vault(n yamlfile.Node) *vaultConfig {
	m := n.Map()
	v := &vaultConfig{
		address:    webURL(m.Require("address", "write Vault's URL, as in https://vault.clinic.internal:8200")),
		transitKey: r.name(m.Require("transit_key", "write the name of the Transit key, as in chaperone")),
		kvPath:     r.name(m.Require("kv_path", "write mount and path in KV version 2, as in secret/chaperone")),
	}
	if kv := m.Get("kv_path"); v.kvPath != "" && !strings.Contains(v.kvPath, "/") {
		kv.Fail("bad_path", "kv_path needs the mount and a path below it", "write it as in secret/chaperone")
	}
	if ns := m.Get("namespace"); ns.Present() {
		v.namespace, _ = ns.Text()
	}
	if ca := m.Get("ca_file"); ca.Present() {
		v.caFile = r.path(ca)
	}
	if auth := m.Require("auth", "write token_file, approle with role_id_file and secret_id_file, or kubernetes with role"); auth.Present() {
		r.vaultAuth(auth, v)
	}
	m.Done(yamlfile.Hint{Key: "token", Text: "write auth: {token_file: …}, and put the token into that file"})
	return v
}

// name reads a path in Vault; slashes at its ends mean nothing there.
func (r configReader) name(n yamlfile.Node) string {
	text, _ := n.Text()
	return strings.Trim(text, "/")
}

// vaultAuth reads how the proxy logs in.
func (r configReader) vaultAuth(n yamlfile.Node, v *vaultConfig) {
	m := n.Map()
	given := 0
	if token := m.Get("token_file"); token.Written() {
		given++
		v.tokenFile = r.path(token)
	}
	if a := m.Get("approle"); a.Written() {
		given++
		am := a.Map()
		v.appRole = &appRoleConfig{
			roleIDFile:   r.path(am.Require("role_id_file", "name the file that holds the role id")),
			secretIDFile: r.path(am.Require("secret_id_file", "name the file that holds the secret id")),
			mount:        r.name(am.Get("mount")),
		}
		am.Done()
	}
	if k := m.Get("kubernetes"); k.Written() {
		given++
		km := k.Map()
		v.kubernetes = &kubernetesConfig{
			role:    r.name(km.Require("role", "write the name of the role in Vault")),
			jwtFile: r.path(km.Get("jwt_file")),
			mount:   r.name(km.Get("mount")),
		}
		km.Done()
	}
	if given != 1 && m.Present() {
		n.Fail("vault_auth", "auth needs exactly one of token_file, approle and kubernetes", "keep one of them")
	}
	m.Done(yamlfile.Hint{Key: "token", Text: "write token_file, and put the token into that file"})
}
