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
	hostsShape = yamlfile.Many("Names that the header Host may have, besides the address itself.",
		yamlfile.Text("A host, perhaps with a port.").Example("pos.clinic.internal"))
	tlsShape = yamlfile.Keys("The certificate of the listener; without it, it speaks plain HTTP.",
		yamlfile.Must("cert", fileOf("The PEM file of the certificate chain.").Example("tls/cert.pem")),
		yamlfile.Must("key", fileOf("The PEM file of the private key.").Example("tls/key.pem")),
		yamlfile.Refused("client_ca"))
	usernameShape = yamlfile.Text("The user's name.").Example("chaperone")
	passwordShape = fileOf("The file that holds the password.").Example("redis.pass")
	mountShape    = yamlfile.Text("Where the method is mounted in Vault, if not under its own name.")
)

// configShape is the model of chaperone.yaml, which the reader follows and an
// editor's schema is written from.
var configShape = yamlfile.Keys("The configuration of Chaperone: where the policy, the state and the keys are, and where it listens.",
	yamlfile.Must("rules", fileOf("The policy file.").Example("rules.yaml")),
	yamlfile.Must("listen", yamlfile.Keys("Where requests come in.",
		yamlfile.Must("address", addressOf("Host and port; 0.0.0.0 means every interface.", "127.0.0.1:8080")),
		yamlfile.May("hosts", hostsShape),
		yamlfile.May("tls", tlsShape))),
	yamlfile.May("admin", yamlfile.Keys("Where metrics, health and the token API are.",
		yamlfile.Must("address", addressOf("Host and port.", "127.0.0.1:9090").Default("127.0.0.1:9090")),
		yamlfile.May("hosts", hostsShape),
		yamlfile.May("tls", tlsShape))),
	yamlfile.May("data", yamlfile.Text("The folder of the embedded store, the spool, the local keyring and the control socket. Relative to this file's folder.").Default("data")),
	yamlfile.May("state", yamlfile.Keys("Where claims, queues and the log are kept; without it, in the data folder.",
		yamlfile.May("redis", redisShape),
		yamlfile.May("on_outage", yamlfile.Word("What becomes of requests while Redis is away.", "refuse", "spool").Default("refuse")),
		yamlfile.May("spool_limit", yamlfile.Bytes("How much is recorded on local disk while Redis is away.", minSpool, maxSpool).Default("256MiB")))),
	yamlfile.May("keys", yamlfile.Keys("What wraps the keyring; without it, a key file in the data folder.",
		yamlfile.May("vault", vaultShape),
		yamlfile.May("local", yamlfile.Keys("A keyring in the data folder, and what wraps it.",
			yamlfile.May("passphrase_file", fileOf("The file that holds a passphrase.")),
			yamlfile.May("key_file", fileOf("The file that holds a key.")),
		).OnlyOne("passphrase_file", "key_file")),
		yamlfile.May("cryptoperiod", yamlfile.Span("How long a generation of keys is meant to be used.", minCryptoperiod, maxCryptoperiod).Default("365d")),
	).OnlyOne("vault", "local")),
	yamlfile.May("limits", yamlfile.Keys("What a request may ask for.",
		yamlfile.May("body", yamlfile.Bytes("The size of a body.", minBody, maxBody).Default("4MiB")),
		yamlfile.May("memory", yamlfile.Bytes("How much bodies over 256 KiB may take up at once, with what is made of them. Others wait.", minMemory, maxMemory).Default("256MiB")),
		yamlfile.May("depth", yamlfile.Whole("How deeply a body may be nested.", minDepth, maxDepth).Default(defaultDepth)),
		yamlfile.May("read_timeout", timeoutShape("How long a request may take to arrive.", "10s")),
		yamlfile.May("upstream_timeout", timeoutShape("How long a destination may take to answer.", "15s")),
		yamlfile.May("drain_timeout", timeoutShape("How long requests may go on when the proxy is told to stop.", "30s")))),
	yamlfile.May("log", yamlfile.Keys("The process's own log, on stderr. Decisions are in another, which `chaperone log` reads.",
		yamlfile.May("level", yamlfile.Word("What is worth a line.", "debug", "info", "warn", "error").Default("info")),
		yamlfile.May("format", yamlfile.Word("How a line looks.", "text", "json").Default("text")))),
)

func timeoutShape(doc, standard string) *yamlfile.Shape {
	return yamlfile.Span(doc, minTimeout, maxTimeout).Default(standard)
}

var redisShape = yamlfile.Keys("Redis, for the state of several proxies.",
	yamlfile.Must("addresses", yamlfile.Many("Servers; several are those of Sentinel or of a Cluster.",
		yamlfile.Text("host:port, or unix:PATH.").Matching(`^(unix:.+|.+:[0-9]{1,5})$`).Example("127.0.0.1:6379"))),
	yamlfile.May("username", usernameShape),
	yamlfile.May("password_file", passwordShape),
	yamlfile.May("durability", yamlfile.Word("What has a write before it counts: the master's disk, or a replica as well.", "local", "replica").Default("local")),
	yamlfile.May("tls", yamlfile.Either("Whether Redis is spoken to with TLS.",
		yamlfile.Truth("With the system's authorities.").Default(false),
		yamlfile.Keys("With TLS.",
			yamlfile.May("ca_file", fileOf("The PEM file of the authorities that may vouch for it."))))),
	yamlfile.May("sentinel", yamlfile.Keys("The addresses are those of Sentinels.",
		yamlfile.Must("master", yamlfile.Text("The name under which Sentinel knows the master.").Example("clinic")),
		yamlfile.May("username", usernameShape),
		yamlfile.May("password_file", passwordShape))),
	yamlfile.May("cluster", yamlfile.Truth("The addresses are those of a Cluster.").Default(false)),
)

var vaultShape = yamlfile.Keys("Vault, whose Transit key wraps the keyring.",
	yamlfile.Must("address", yamlfile.Text("Its URL: scheme, host and port.").Matching("^https?://").Example("https://vault.clinic.internal:8200")),
	yamlfile.Must("transit_key", yamlfile.Text("The name of the Transit key.").Example("chaperone")),
	yamlfile.Must("kv_path", yamlfile.Text("Mount and path in KV version 2.").Matching("[^/]/+[^/]").Example("secret/chaperone")),
	yamlfile.May("namespace", yamlfile.Text("The namespace, where Vault has them.")),
	yamlfile.May("ca_file", fileOf("The PEM file of the authorities that may vouch for it.")),
	yamlfile.Must("auth", yamlfile.Keys("How the proxy logs in: one of these.",
		yamlfile.May("token_file", fileOf("The file that holds a token.")),
		yamlfile.May("approle", yamlfile.Keys("By a role id and a secret id.",
			yamlfile.Must("role_id_file", fileOf("The file that holds the role id.")),
			yamlfile.Must("secret_id_file", fileOf("The file that holds the secret id.")),
			yamlfile.May("mount", mountShape.Default("approle")))),
		yamlfile.May("kubernetes", yamlfile.Keys("By a service account.",
			yamlfile.Must("role", yamlfile.Text("The name of the role in Vault.").Example("chaperone")),
			yamlfile.May("jwt_file", fileOf("The file of the account's token, if not the usual one.")),
			yamlfile.May("mount", mountShape.Default("kubernetes")))),
	).NeedsOne("token_file", "approle", "kubernetes").OnlyOne("token_file", "approle", "kubernetes")),
)
