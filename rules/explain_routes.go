package rules

import "chaperone/rules/diag"

// explainRoutes is about what comes in, and what the caller is answered.
var explainRoutes = []diag.Explanation{
	diag.Explain("route_unreachable", "An earlier route takes every request of this one.",
		"The first match wins, so this route's rules never hold. Move the narrower route up.").
		Example("match: {method: POST, path: /refund}", "match: {method: POST, path: /sale}", "match: {method: POST, path: /refund}"),
	diag.Explain("undefined_capture", "A label or a leg's path names a segment that the route's path does not capture.",
		"There would be no value. Write {name} into match.path, or end it with /* where the leg's does.").
		Example("success: {status: [2xx], where: {status: [paid]}}", "success: {status: [2xx], where: {status: [paid]}}\npath: /stores/{store}/payments", "success: {status: [2xx], where: {status: [paid]}}\npath: /payments"),
	diag.Explain("capture_not_seen", "A leg uses a segment of the path that its destination may not see.",
		"The URL cannot be built without it, and it may not be built with it.").
		Example("match: {method: POST, path: /sale}", "match: {method: POST, path: \"/sale/{patient}\"}", "match: {method: POST, path: /sale}").
		With("phi: {paths: [patient]}", "phi: {paths: [patient, \"@path.patient\"]}").
		With("- name: refund", "- {name: visit, match: {method: POST, path: \"/visit/{patient}\"}, legs: [{to: record, primary: true, keep: [id], success: http}]}\n- name: refund"),
	diag.Explain("bad_purpose", "The purpose of a route is too long, or has unusual characters.",
		"It stands in every log entry and in the accounting of disclosures: treatment, payment, operations, or another in at most 100 ASCII characters.").
		Example("- name: refund", "- name: refund\n  purpose: \"\\u00fcberweisung\"", "- name: refund\n  purpose: payment"),
	diag.Explain("items_unused", "A route says whether it needs line items, and none of its legs takes a class.", "The key does nothing.").
		Example("", "  - {name: ping, match: {method: POST, path: /ping}, items: optional, legs: [{to: shop, primary: true, keep: [id], success: http}]}", "  - {name: ping, match: {method: POST, path: /ping}, legs: [{to: shop, primary: true, keep: [id], success: http}]}"),
	diag.Explain("token_unlabelled", "An answer is given the token of a value that carries no label.",
		"Only labelled values have tokens. Write the path under a label.").
		Example("set: {card_token: {token: card.number}}", "set: {card_token: {token: card.holder}}", "set: {card_token: {token: card.number}}"),
	diag.Explain("token_not_seen", "An answer is given a token that a caller of the route may not see.",
		"The caller sees the label in another form than token or plain; clear it, or do not let it call the route.").
		Example("sees: {pan: token}", "sees: {pan: mask}", "sees: {pan: token}"),
	diag.Explain("token_outside_answer", "A leg is given {token: PATH}.", "A leg's set writes constants. A kept value becomes a token by the form in which the destination sees it.").
		Example(shopRefund, "- {to: shop, items: retail, keep: [id, sale, amount], set: {card: {token: card.number}}}", "- {to: shop, items: retail, keep: [id, sale, amount], set: {kind: refund}}"),
	diag.Explain("doubt_without_key", "on_doubt: retry or replay stands on a route whose requests have no key.",
		"A call that is sent again has to be known for the same one.").
		Example("", "  - {name: ping, match: {method: POST, path: /ping}, on_doubt: retry, legs: [{to: bank, primary: true, keep: [id], success: http}]}", "  - {name: ping, match: {method: POST, path: /ping}, idempotency: {key: id}, on_doubt: retry, legs: [{to: bank, primary: true, keep: [id], success: http}]}"),
	diag.Explain("doubt_not_idempotent", "on_doubt: retry or replay stands on a route whose primary does not honour Idempotency-Key.",
		"A call whose outcome nobody knows would be sent again, and could charge twice. Write idempotent: true on the destination if it honours the header, else on_doubt: hold.").
		Example("idempotent: true", "idempotent: false", "idempotent: true").With("idempotency: {key: id}", "idempotency: {key: id}\non_doubt: retry"),
	diag.Explain("replay_sad", "on_doubt: replay stands on a route whose primary may see security codes.",
		"To replay a call it has to be kept, and sensitive authentication data must never be (PCI DSS 3.3.1). With retry the caller's own repeat brings it again.").
		Example("idempotency: {key: id}", "idempotency: {key: id}\non_doubt: replay", "idempotency: {key: id}\non_doubt: retry"),
	diag.Explain("spool_not_idempotent", "on_outage: spool stands on a route whose primary does not honour Idempotency-Key.",
		"While the store is away, two proxies do not know of each other's sales: a key that reaches both is charged twice.").
		Example("idempotent: true", "idempotent: false", "idempotent: true").With("idempotency: {key: id}", "idempotency: {key: id}\non_outage: spool"),
}

// explainLegs is about the calls that a request becomes.
var explainLegs = []diag.Explanation{
	diag.Explain("primary_missing", "No leg of a route is the primary.", "Somebody's answer has to decide whether the sale happened, and be the caller's.").
		Example("", "  - {name: ping, match: {method: POST, path: /ping}, legs: [{to: shop, keep: [id]}]}", "  - {name: ping, match: {method: POST, path: /ping}, legs: [{to: shop, primary: true, keep: [id], success: http}]}"),
	diag.Explain("primary_twice", "A route has more than one primary leg.", "Only one answer can decide the sale.").
		Example(shopRefund, "- {to: shop, primary: true, items: retail, keep: [id, sale, amount], success: http}", shopRefund),
	diag.Explain("success_not_primary", "A leg that is not the primary has success:.", "Only the primary's answer decides the sale; the others are sent until they are taken.").
		Example(shopRefund, "- {to: shop, items: retail, keep: [id, sale, amount], success: http}", shopRefund),
	diag.Explain("bad_status", "A status can mean neither success nor a sale that is left open.",
		"Success is 2xx. Open is 2xx or 4xx; after 408, 409 and 5xx nobody knows whether it happened, which is doubt.").
		Example("success: {status: [2xx], where: {status: [paid]}}", "success: {status: [302], where: {status: [paid]}}", "success: {status: [201], where: {status: [paid]}}"),
	diag.Explain("pending_not_primary", "A leg that is not the primary has pending:.", "Only the primary's answer can leave a sale open.").
		Example(shopRefund, "- {to: shop, items: retail, keep: [id, sale, amount], pending: {status: [202]}}", shopRefund),
	diag.Explain("pending_unreachable", "Every answer that pending describes is a success already.", "success is asked first, so that no sale would ever be left open.").
		Example("success: {status: [2xx], where: {status: [paid]}}", "success: http", "success: {status: [2xx], where: {status: [paid]}}"),
	diag.Explain("pending_undecided", "A sale can be left open, and no route decides it.", "An operator has to, with `chaperone outbox resolve`.").
		Example("follows: {key: sale, route: sale, amount: amount, release: {kind: [captured]}, cancel: {kind: [voided]}}", "follows: {key: sale, amount: amount}", "follows: {key: sale, amount: amount, release: success}"),
	diag.Explain("keep_all", "A leg keeps every member that carries no label.",
		"What is not known to be needed should not be sent (45 CFR 164.502(b), minimum necessary). List the members.").
		Example("- {to: bank, primary: true, items: none, keep: [id, sale, amount], success: http}", "- {to: bank, primary: true, items: none, keep: all, success: http}", "- {to: bank, primary: true, items: none, keep: [id, sale, amount], success: http}"),
	diag.Explain("keep_without_effect", "A leg keeps items and carries none.", "items: none takes them out.").
		Example("keep: [id, currency, total, card]", "keep: [id, currency, total, card, items]", "keep: [id, currency, total, card]"),
	diag.Explain("items_not_kept", "A leg takes a class of items, and its keep lets none through.", "It would be sent without what it is for.").
		Example("keep: [id, items, total]", "keep: [id, total]", "keep: [id, items, total]"),
	diag.Explain("recompute_without_class", "A leg recomputes totals and takes no class of items.", "Only a part of the basket has totals of its own.").
		Example("items: none", "items: none\ntotals: recompute", "items: none"),
	diag.Explain("totals_missing", "A leg recomputes totals, and the policy does not say where they are.", "Write basket.totals.").
		Example("totals: {total: total}", "# no totals", "totals: {total: total}"),
	diag.Explain("totals_not_kept", "A leg recomputes totals, and its keep lets none through.", "The work is for nothing.").
		Example("keep: [id, items, total]", "keep: [id, items]", "keep: [id, items, total]"),
	diag.Explain("totals_not_recomputed", "A leg carries some of the items, and the totals of all.",
		"Whoever reads it sees a sum that its lines do not add up to, and can tell what was left out.").
		Example(shopRefund, "- {to: shop, items: retail, keep: [id, sale, amount, total]}", shopRefund),
	diag.Explain("wildcard_blowup", "Patterns of the policy make too many combinations together.",
		"Many ** and * that can match the same members have to be told apart at every member of a body. Write the paths out."),
	diag.Explain("route_too_large", "A route has more legs, or more members that decide something, than can be told apart at once.",
		"The bounds keep the work for a request constant. Split the route."),
}
