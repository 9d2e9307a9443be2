package rules

import "chaperone/rules/diag"

// follower is the line of the sample that says which sale a refund follows, and
// the ones that later examples need.
const (
	follower   = "follows: {key: sale, route: sale, amount: amount, release: {kind: [captured]}, cancel: {kind: [voided]}}"
	shopRefund = "- {to: shop, items: retail, keep: [id, sale, amount]}"
	orderRoute = "- {name: order, match: {method: POST, path: /order}, idempotency: {key: id}, legs: [{to: bank, primary: true, keep: [id], success: http}]}\n- name: refund"
)

// explainFollows is about requests that follow an earlier sale.
var explainFollows = []diag.Explanation{
	diag.Explain("follows_nothing", "A route follows a sale, and no other route makes one that could be found.",
		"Sales are found by the idempotency key in their body. Write idempotency: {key: …} on the route of the sale.").
		Example("idempotency: {key: id}", "# no key", "idempotency: {key: id}").Without("pending: {where: {status: [open]}}").
		With(follower, "follows: {key: sale, amount: amount}"),
	diag.Explain("follows_ambiguous", "A route follows a sale, and several routes make sales that could be meant.", "Name the one.").
		Example(follower, "follows: {key: sale, amount: amount, release: success}", "follows: {key: sale, route: sale, amount: amount, release: success}").
		With("- name: refund", orderRoute),
	diag.Explain("follows_itself", "A route follows itself.", "Name the route of the sale.").
		Example(follower, "follows: {key: sale, route: refund, amount: amount, release: success}", "follows: {key: sale, route: sale, amount: amount, release: success}"),
	diag.Explain("follows_follower", "A route follows one that follows another itself.", "Only a sale can be followed; name its route.").
		Example("", "  - {name: void, match: {method: POST, path: /void}, follows: {key: sale, route: refund}, legs: [{to: bank, primary: true, keep: [id], success: http}]}", "  - {name: void, match: {method: POST, path: /void}, follows: {key: sale, route: sale}, legs: [{to: bank, primary: true, keep: [id], success: http}]}"),
	diag.Explain("follows_without_key", "A route follows one whose requests have no key in their body.", "Its sales cannot be found. Write idempotency: {key: …} on that route.").
		Example("", "  - {name: void, match: {method: POST, path: /void}, follows: {key: sale, route: visit}, legs: [{to: bank, primary: true, keep: [id], success: http}]}", "  - {name: void, match: {method: POST, path: /void}, follows: {key: sale, route: sale}, legs: [{to: bank, primary: true, keep: [id], success: http}]}").
		With("- name: refund", "- {name: visit, match: {method: POST, path: /visit}, legs: [{to: bank, primary: true, keep: [id], success: http}]}\n- name: refund"),
	diag.Explain("follows_linked", "A sale's key goes out under aliases, and a leg of its follower gets it as it came.",
		"Two destinations could join by it what unlink keeps apart.").
		Example(follower, follower, follower+"\nunlink: [sale]").With("idempotency: {key: id}", "idempotency: {key: id}\nunlink: [id]"),
	diag.Explain("undefined_group", "A group is named that no caller is in.", "No sale would ever be found.").
		Example(follower, "follows: {key: sale, group: tils, amount: amount, release: success}", "follows: {key: sale, group: till, amount: amount, release: success}"),
	diag.Explain("group_without_sales", "A caller may follow sales, and its group makes none.",
		"Keys are told apart by the groups of their callers. Name the group whose sales are meant.").
		Example(follower, "follows: {key: sale, amount: amount, release: success}", "follows: {key: sale, group: till, amount: amount, release: success}").
		With("till:", "hook: {key_sha256: 0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d90a1b2c3e8f7a4b9d1c0e0a6f5, routes: [refund]}\ntill:"),
	diag.Explain("alias_missing", "A request names its sale by a destination's alias, and the sale's route makes none.",
		"Write unlink: with the key's path on that route, or remove as.").
		Example(follower, "follows: {key: sale, as: bank, amount: amount, release: success}", "follows: {key: sale, amount: amount, release: success}"),
	diag.Explain("alias_unknown_to", "A request names its sale by the alias of a destination that was never told the sale's key.",
		"No leg of that route goes to it, or none keeps the key.").
		Example(follower, "follows: {key: sale, as: books, amount: amount, release: success}\nunlink: [sale]", "follows: {key: sale, as: bank, amount: amount, release: success}\nunlink: [sale]").
		With("idempotency: {key: id}", "idempotency: {key: id}\nunlink: [id]").
		With("shop:", "books: {url: http://127.0.0.1:8083}\nshop:").With("- name: refund", "- {name: note, match: {method: POST, path: /note}, legs: [{to: books, primary: true, keep: [text], success: http}]}\n- name: refund"),
	diag.Explain("amount_missing", "by: says how an amount is split, and no amount is named.", "Write amount: and its path.").
		Example(follower, "follows: {key: sale, by: total, release: success}", "follows: {key: sale, amount: amount, by: total, release: success}"),
	diag.Explain("amount_without_class", "An amount is to be split, and no leg takes a class of items.", "There is nobody to split it among.").
		Example("", "  - {name: void, match: {method: POST, path: /void}, follows: {key: sale, amount: amount}, legs: [{to: bank, primary: true, keep: [id], success: http}]}", "  - {name: void, match: {method: POST, path: /void}, follows: {key: sale}, legs: [{to: bank, primary: true, keep: [id], success: http}]}"),
	diag.Explain("amount_in_items", "An amount to be split lies in the line items.", "It is one amount of the whole call; items have classes, and are not split.").
		Example(follower, "follows: {key: sale, amount: items.0.amount, release: success}", "follows: {key: sale, amount: amount, release: success}"),
	diag.Explain("amount_not_kept", "An amount is split, and no leg with a class of items lets it through.", "The work is for nothing.").
		Example(follower, "follows: {key: sale, amount: refunded, release: success}", "follows: {key: sale, amount: amount, release: success}"),
	diag.Explain("items_not_required", "A route that follows a sale asks for line items.", "Such a call may come without: then each class's part in the sale counts.").
		Example("- name: refund", "- name: refund\n  items: required", "- name: refund"),
	diag.Explain("order_without_effect", "A route that follows a sale has an order of its own.", "Its legs come after those of the sale, in the sale's order.").
		Example("- name: refund", "- name: refund\n  order: patient.id", "- name: refund"),
	diag.Explain("decides_nothing", "A route would release or cancel sales that are never left open.", "Write pending: on the primary of the sale's route, or remove the key.").
		Example(follower, follower, "follows: {key: sale, amount: amount}").Without("pending: {where: {status: [open]}}"),
	diag.Explain("decides_both", "One request could both release and cancel a sale.", "Let both look at the same member, and ask for different values.").
		Example(follower, "follows: {key: sale, amount: amount, release: {kind: [captured]}, cancel: {type: [voided]}}", follower),
}
