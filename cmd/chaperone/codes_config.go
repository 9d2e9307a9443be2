package main

import "chaperone/rules/diag"

// configSample is the configuration of which the examples below are lines.
// There is nothing to say about it.
const configSample = `rules: rules.yaml
listen: {address: 127.0.0.1:8080}
admin: {address: 127.0.0.1:9090}
state:
  redis: {addresses: ["10.0.0.5:6379"]}
  on_outage: refuse
keys:
  vault:
    address: https://vault.clinic.internal:8200
    transit_key: chaperone
    kv_path: secret/chaperone
    auth: {token_file: vault.token}
limits: {body: 4MiB}
`

// configExplanations is about the codes that only a chaperone.yaml has.
var configExplanations = []diag.Explanation{
	diag.Explain("address_twice", "The admin listener has the address of the other one.", "Metrics and tokens are not for tills. Give it another port.").
		Example("admin: {address: 127.0.0.1:9090}", "admin: {address: 127.0.0.1:8080}", "admin: {address: 127.0.0.1:9090}"),
	diag.Explain("anonymous_listener", "The policy has no callers, and the listener can be reached from other machines.",
		"Everybody on the network could sell. Listen on 127.0.0.1, or make a key with `chaperone callers add`.").
		Example("listen: {address: 127.0.0.1:8080}", "listen: {address: 0.0.0.0:8080}", "listen: {address: 127.0.0.1:8080}"),
	diag.Explain("plain_listener", "The listener can be reached from other machines, without TLS.",
		"Keys and card numbers come in readable for all between (PCI DSS 4.2.1).").
		Example("listen: {address: 127.0.0.1:8080}", "listen: {address: 0.0.0.0:8080}", "listen: {address: 0.0.0.0:8080, tls: {cert: cert.pem, key: key.pem}}"),
	diag.Explain("bad_address", "The value is not host:port.", "Every interface has to be meant: write 0.0.0.0, not nothing.").
		Example("admin: {address: 127.0.0.1:9090}", "admin: {address: :9090}", "admin: {address: 127.0.0.1:9090}"),
	diag.Explain("bad_size", "The value is no size.", "A bare number has no unit. Write a number and a unit: 512B, 64KiB, 4MiB.").
		Example("limits: {body: 4MiB}", "limits: {body: 4}", "limits: {body: 4MiB}"),
	diag.Explain("plain_http", "Vault is spoken to without TLS over the network.", "Its token, and with it every key, could be read on the way.").
		Example("address: https://vault.clinic.internal:8200", "address: http://vault.clinic.internal:8200", "address: https://vault.clinic.internal:8200"),
	diag.Explain("nothing_to_spool", "on_outage: spool or spool_limit stands without a Redis.", "The embedded store is on the same disk as the spool would be: they go away together.").
		Example("on_outage: refuse", "on_outage: spool", "on_outage: refuse").With(`redis: {addresses: ["10.0.0.5:6379"]}`, "# no redis"),
	diag.Explain("sentinel_and_cluster", "A Redis is both behind Sentinel and a Cluster.", "It is one of the two.").
		Example(`redis: {addresses: ["10.0.0.5:6379"]}`, `redis: {addresses: ["10.0.0.5:26379"], sentinel: {master: clinic}, cluster: true}`, `redis: {addresses: ["10.0.0.5:26379"], sentinel: {master: clinic}}`),
	diag.Explain("too_many_addresses", "Several addresses of Redis, and nothing says what they are.", "Two servers that do not know of each other would each take the same key.").
		Example(`redis: {addresses: ["10.0.0.5:6379"]}`, `redis: {addresses: ["10.0.0.5:6379", "10.0.0.6:6379"]}`, `redis: {addresses: ["10.0.0.5:6379", "10.0.0.6:6379"], cluster: true}`),
	diag.Explain("two_keyrings", "Keys are to come from Vault and from a local keyring.", "Tokens made under one could not be turned back under the other.").
		Example("limits: {body: 4MiB}", "  local: {key_file: data/key}\nlimits: {body: 4MiB}", "limits: {body: 4MiB}"),
	diag.Explain("two_keys", "The local keyring is to be wrapped by a passphrase and by a key file.", "It is wrapped by one of them.").
		Example("keys:", "keys: {local: {passphrase_file: a, key_file: b}}", "keys: {local: {key_file: b}}").
		Without("vault:", "address: https://vault.clinic.internal:8200", "transit_key: chaperone", "kv_path: secret/chaperone", "auth: {token_file: vault.token}"),
	diag.Explain("vault_auth", "There is no way to log in to Vault, or more than one.", "Exactly one of token_file, approle and kubernetes.").
		Example("auth: {token_file: vault.token}", "auth: {token_file: vault.token, kubernetes: {role: chaperone}}", "auth: {kubernetes: {role: chaperone}}"),
}
