package rules

import "chaperone/rules/diag"

// explainParties is about destinations and callers.
var explainParties = []diag.Explanation{
	diag.Explain("bad_url", "The value is no address of a server.",
		"It has a scheme (https or http), a host and perhaps a path; no query, no fragment, no user or password.").
		Example("url: http://127.0.0.1:8082", "url: shop.clinic.internal", "url: http://shop.clinic.internal"),
	diag.Explain("undefined_destination", "A destination is named that the policy does not have.", "The call would go nowhere.").
		Example(shopRefund, "- {to: shp, items: retail, keep: [id, sale, amount]}", shopRefund),
	diag.Explain("destination_unused", "No leg goes to the destination.", "It is left over, or a leg was forgotten.").
		Example("shop:", "books: {url: http://127.0.0.1:8083}\nshop:", "shop:"),
	diag.Explain("agreement_missing", "A destination may see health data, and there is no agreement with it.",
		"Who gets health data on a clinic's behalf has signed for it (45 CFR 164.504(e), UK GDPR Art. 28).").
		Example("agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}", "# no agreement", "agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}"),
	diag.Explain("agreement_lapsed", "The agreement with a destination has lapsed.",
		"Until it is renewed, requests that need the destination at once are refused before anything is charged, and queued calls are parked. At run time a request is refused with the same code.").
		Example("agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}", "agreement: {kind: BAA, reference: R-1, expires: 2020-12-31}", "agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}"),
	diag.Explain("cleartext_card_data", "Card numbers or security codes would go over a network without encryption.",
		"PCI DSS 4.2.1 asks for encryption on open networks: over the internet the policy is refused, on a network that is taken for your own there is a warning.").
		Example("url: https://api.bank.example", "url: http://api.bank.example", "url: https://api.bank.example"),
	diag.Explain("cleartext_data", "Labelled values would go over the internet without encryption.",
		"45 CFR 164.312(e) asks for it.").
		Example("url: http://127.0.0.1:8081", "url: http://ehr.example.com", "url: https://ehr.example.com"),
	diag.Explain("pan_queued", "A destination that may see card numbers has a leg that is queued, or sync.",
		"They lie in the outbox, sealed, until they are delivered. Use token or mask unless the destination needs the number.").
		Example("sees: {phi: plain, pan: token}", "sees: {phi: plain, pan: plain}", "sees: {phi: plain, pan: token}"),
	diag.Explain("response_unused", "A destination has response:, and is never the primary.", "Only the primary's answer reaches the caller.").
		Example("url: http://127.0.0.1:8082", "url: http://127.0.0.1:8082\nresponse: {keep: [id]}", "url: http://127.0.0.1:8082"),
	diag.Explain("bad_header", "A header may not be set, forwarded or labelled.",
		"It is no name of a header, belongs to one connection, is written by the proxy, or shows who calls.").
		Example(shopRefund, "- {to: shop, items: retail, keep: [id, sale, amount], forward: {headers: [Host]}}", "- {to: shop, items: retail, keep: [id, sale, amount], forward: {headers: [X-Store]}}"),
	diag.Explain("bad_header_value", "The value of a header holds what no header may hold.", "Line ends and control characters could become headers of their own. Use visible ASCII characters and blanks.").
		Example("url: http://127.0.0.1:8082", "url: http://127.0.0.1:8082\nheaders: {X-Store: \"north\\nX-Other: 1\"}", "url: http://127.0.0.1:8082\nheaders: {X-Store: north}"),
	diag.Explain("header_twice", "A header is listed twice.", "Header names do not tell upper from lower case; the second one does nothing.").
		Example("identify: {headers: [X-Api-Key]}", "identify: {headers: [X-Api-Key, x-api-key]}", "identify: {headers: [X-Api-Key]}"),
	diag.Explain("query_twice", "A query member is listed twice.", "The second one does nothing; perhaps another one was meant.").
		Example(shopRefund, "- {to: shop, items: retail, keep: [id, sale, amount], forward: {query: [store, store]}}", "- {to: shop, items: retail, keep: [id, sale, amount], forward: {query: [store, till]}}"),
	diag.Explain("literal_secret", "A header that carries a secret has its value in the policy.",
		"Policies are mailed, diffed and kept in version control. Keep the secret in a file that only the proxy can read.").
		Example("url: http://127.0.0.1:8082", "url: http://127.0.0.1:8082\nheaders: {X-Api-Key: north}", "url: http://127.0.0.1:8082\nheaders: {X-Api-Key: {file: shop.key}}"),
	diag.Explain("identify_unused", "identify: says where callers show their keys, and the policy has no callers.", "Without callers nobody shows a key.").
		Example("identify: {headers: [X-Api-Key]}", "identify: {headers: [X-Api-Key]}", "# no identify").
		Without("callers:", "till:", "key_sha256: 5f6a0e0c1d9b4a7f8e3c2b1a09d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a3f2e1d0",
			"routes: all", "sees: {pan: token}", "answer:", "set: {card_token: {token: card.number}}"),
	diag.Explain("bad_hash", "The value is no SHA-256 in hex, or that of an empty key.",
		"Callers are known by the hashes of their keys; `chaperone callers add` makes both.").
		Example("key_sha256: 5f6a0e0c1d9b4a7f8e3c2b1a09d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a3f2e1d0", "key_sha256: my-key", "key_sha256: 5f6a0e0c1d9b4a7f8e3c2b1a09d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a3f2e1d0"),
	diag.Explain("key_twice", "Two callers have the same key.", "Nobody could tell who called, and the stricter clearance would not hold. Give every caller its own.").
		Example("till:", "back: {key_sha256: 5f6a0e0c1d9b4a7f8e3c2b1a09d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a3f2e1d0, routes: all, sees: {pan: token}}\ntill:",
			"back: {key_sha256: 0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d90a1b2c3e8f7a4b9d1c0e0a6f5, routes: all, sees: {pan: token}}\ntill:"),
	diag.Explain("undefined_route", "A route is named that the policy does not have.", "The caller could not call what it is meant to.").
		Example("routes: all", "routes: [sale, refunds]", "routes: [sale, refund]"),
	diag.Explain("route_uncalled", "No caller may call the route.", "Every request for it would be refused. List it under a caller's routes.").
		Example("routes: all", "routes: [sale]", "routes: [sale, refund]"),
	diag.Explain("right_alone", "A caller may make tokens in batches, and may make none at all.", "batch is a right besides make.").
		Example("routes: all", "routes: all\ntokens: [batch]", "routes: all\ntokens: [make, batch]"),
	diag.Explain("scope_conflict", "A caller and a route that it may call name different scopes of tokens.",
		"Tokens of one scope mean nothing in another, and nobody could say which of the two holds. Name it at one of them.").
		Example("routes: all", "routes: all\nscope: south", "routes: all\nscope: north").With("- name: refund", "- name: refund\n  scope: north"),
}
