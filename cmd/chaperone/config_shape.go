package main

import "chaperone/rules/yamlfile"

// The pieces that several blocks of chaperone.yaml share.

func fileOf(doc string) *yamlfile.Shape {
	return yamlfile.Text(doc + " Its name is relative to this file's folder.")
}

func addressOf(doc, example string) *yamlfile.Shape {
	return yamlfile.Text(doc).Matching(`^.+:[0-9]{1,5}$`).Example(example)
}

var (
	hostsShape = yamlfile.Many("Names that the header Host may have, besides the address itself. A request to any other is refused.",
		yamlfile.Text("A host, perhaps with a port.").Example("pos.clinic.internal"))
	tlsShape = yamlfile.Keys("The certificate of the listener; without it, it speaks plain HTTP. Its files are read again when they change, without a restart.",
		yamlfile.Must("cert", fileOf("The PEM file of the certificate chain.").Example("tls/cert.pem")),
		yamlfile.Must("key", fileOf("The PEM file of the private key.").Example("tls/key.pem")),
		yamlfile.May("client_ca", fileOf("The PEM file of the authorities of callers' certificates. With it, whoever connects has to show a valid one, besides its key.").Example("tls/clients-ca.pem")))
	usernameShape = yamlfile.Text("The name to log in with, where Redis has users (ACL).").Example("chaperone")
	passwordShape = fileOf("The file that holds the password.").Example("redis.pass")
	mountShape    = yamlfile.Text("Where the method is mounted in Vault, if not under its own name.")
)

// configShape is the model of chaperone.yaml, which the reader follows and an
// editor's schema is written from.
var configShape = yamlfile.Keys("The configuration of Chaperone: where the policy, the state and the keys are, and where it listens.",
	yamlfile.Must("rules", fileOf("The policy file.").Example("rules.yaml").See("changing-rules.md")),
	yamlfile.Must("listen", yamlfile.Keys("Where requests come in, and with which certificate.",
		yamlfile.Must("address", addressOf("Host and port; 0.0.0.0 means every interface.", "127.0.0.1:8080")),
		yamlfile.May("hosts", hostsShape),
		yamlfile.May("tls", tlsShape))),
	yamlfile.May("admin", yamlfile.Keys("Where metrics, health and the token API are. Without the block, on 127.0.0.1:9090.",
		yamlfile.Must("address", addressOf("Host and port.", "127.0.0.1:9090").Default("127.0.0.1:9090")),
		yamlfile.May("hosts", hostsShape),
		yamlfile.May("tls", tlsShape))),
	yamlfile.May("data", yamlfile.Text("The folder of the embedded store, the spool, the local keyring and the control socket. Relative to this file's folder.").Default("data").See("deployment.md")),
	yamlfile.May("state", yamlfile.Keys("Where claims, queues and the log are kept; without it, in the data folder.",
		yamlfile.May("redis", redisShape),
		yamlfile.May("on_outage", yamlfile.Word("What becomes of requests while Redis is away: refuse answers 503, spool records them on local disk and stores them later.", "refuse", "spool").Default("refuse").See("outage.md")),
		yamlfile.May("spool_limit", yamlfile.Bytes("How much is recorded on local disk while Redis is away; after that requests are refused.", minSpool, maxSpool).Default("256MiB")))),
	yamlfile.May("keys", yamlfile.Keys("What wraps the keyring; without it, a key file in the data folder.",
		yamlfile.May("vault", vaultShape),
		yamlfile.May("local", yamlfile.Keys("A keyring in the data folder, and what wraps it.",
			yamlfile.May("passphrase_file", fileOf("The file that holds a passphrase, from which the wrapping key is derived.")),
			yamlfile.May("key_file", fileOf("The file that holds the wrapping key. Without it, one beside the keyring that is made on first use.")),
		).OnlyOne("passphrase_file", "key_file")),
		yamlfile.May("cryptoperiod", yamlfile.Span("How long a generation of keys is meant to be used. `keys list` and an alert say when it is over; nothing stops.", minCryptoperiod, maxCryptoperiod).Default("365d").See("vault.md#rotation")),
	).OnlyOne("vault", "local")),
	yamlfile.May("limits", yamlfile.Keys("What a request may ask for.",
		yamlfile.May("body", yamlfile.Bytes("How large the body of a request, or of a destination's answer, may be.", minBody, maxBody).Default("4MiB")),
		yamlfile.May("memory", yamlfile.Bytes("How much bodies over 256 KiB may take up at once, with what is made of them. Others wait.", minMemory, maxMemory).Default("256MiB").See("performance.md#memory")),
		yamlfile.May("depth", yamlfile.Whole("How deeply a body may be nested.", minDepth, maxDepth).Default(defaultDepth)),
		yamlfile.May("read_timeout", timeoutShape("How long the head and the body of a request may take to arrive.", "10s")),
		yamlfile.May("upstream_timeout", timeoutShape("How long a destination may take to answer; a destination's own `timeout` wins.", "15s")),
		yamlfile.May("drain_timeout", timeoutShape("How long requests may go on when the proxy is told to stop; what is queued is delivered after the next start, or by another proxy.", "30s")))),
	yamlfile.May("log", yamlfile.Keys("The process's own log, on stderr. Decisions are in another, which `chaperone log` reads.",
		yamlfile.May("level", yamlfile.Word("From which weight on something is worth a line.", "debug", "info", "warn", "error").Default("info")),
		yamlfile.May("format", yamlfile.Word("How a line looks.", "text", "json").Default("text")))),
)

func timeoutShape(doc, standard string) *yamlfile.Shape {
	return yamlfile.Span(doc, minTimeout, maxTimeout).Default(standard)
}

var redisShape = yamlfile.Keys("Redis, for the state of several proxies. Without it, the embedded store.",
	yamlfile.Must("addresses", yamlfile.Many("Servers; several are those of Sentinel or of a Cluster.",
		yamlfile.Text("host:port, or unix:PATH.").Matching(`^(unix:.+|.+:[0-9]{1,5})$`).Example("127.0.0.1:6379"))),
	yamlfile.May("username", usernameShape),
	yamlfile.May("password_file", passwordShape),
	yamlfile.May("durability", yamlfile.Word("What has a write before it counts: local is the master's disk, replica a replica as well.", "local", "replica").Default("local").See("redis.md#set-ups")),
	yamlfile.May("tls", yamlfile.Either("Whether Redis is spoken to with TLS: true, or a map with the authorities.",
		yamlfile.Truth("true trusts the system's authorities.").Default(false),
		yamlfile.Keys("With TLS.",
			yamlfile.May("ca_file", fileOf("The PEM file of the authorities that may vouch for it."))))),
	yamlfile.May("sentinel", yamlfile.Keys("The addresses are those of Sentinels, which know the master.",
		yamlfile.Must("master", yamlfile.Text("The name under which Sentinel knows the master.").Example("clinic")),
		yamlfile.May("username", usernameShape),
		yamlfile.May("password_file", passwordShape))),
	yamlfile.May("cluster", yamlfile.Truth("The addresses are those of a Cluster.").Default(false)),
)

var vaultShape = yamlfile.Keys("Vault, whose Transit key wraps the keyring. Several proxies share the keyring by it.",
	yamlfile.Must("address", yamlfile.Text("Its URL: scheme, host and port.").Matching("^https?://").Example("https://vault.clinic.internal:8200")),
	yamlfile.Must("transit_key", yamlfile.Text("The name of the Transit key, which never leaves Vault.").Example("chaperone")),
	yamlfile.Must("kv_path", yamlfile.Text("Mount and path in KV version 2, where the wrapped keyring is kept.").Matching("[^/]/+[^/]").Example("secret/chaperone")),
	yamlfile.May("namespace", yamlfile.Text("The namespace, where Vault has them.")),
	yamlfile.May("ca_file", fileOf("The PEM file of the authorities that may vouch for it.")),
	yamlfile.Must("auth", yamlfile.Keys("How the proxy logs in: exactly one of token_file, approle and kubernetes.",
		yamlfile.May("token_file", fileOf("The file that holds a token.")),
		yamlfile.May("approle", yamlfile.Keys("By a role id and a secret id (AppRole).",
			yamlfile.Must("role_id_file", fileOf("The file that holds the role id.")),
			yamlfile.Must("secret_id_file", fileOf("The file that holds the secret id.")),
			yamlfile.May("mount", mountShape.Default("approle")))),
		yamlfile.May("kubernetes", yamlfile.Keys("By the service account of the pod.",
			yamlfile.Must("role", yamlfile.Text("The name of the role in Vault.").Example("chaperone")),
			yamlfile.May("jwt_file", fileOf("The file of the account's token, if not the usual one.")),
			yamlfile.May("mount", mountShape.Default("kubernetes")))),
	).NeedsOne("token_file", "approle", "kubernetes").OnlyOne("token_file", "approle", "kubernetes")),
)
