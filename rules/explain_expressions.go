package rules

import "chaperone/rules/diag"

// shopKeep is a line of the sample: what the shop's leg of a sale keeps. A key
// of that leg is shown behind it.
const shopKeep = "keep: [id, items, total]"

// explainExpressions is about conditions (when) and computed values (compute).
var explainExpressions = []diag.Explanation{
	diag.Explain("expression_syntax", "A condition or computed value cannot be read: a sign or a word stands where it does not belong, or something is missing.",
		"A condition that is guessed would send the leg, or not, by chance. Write comparisons and join them by and, or and not; texts stand in straight quotes (docs/expressions.md).").
		Example(shopKeep, shopKeep+"\nwhen: total = 500", shopKeep+"\nwhen: total == 500"),
	diag.Explain("expression_type", "A part of an expression is of another type than it has to be: a text beside an amount, a number where true or false belongs.",
		"Texts, numbers, amounts of money and true or false are never converted into each other: 500 is not \"500\". The function says what a value is read as: text, number, money, flag.").
		Example(shopKeep, shopKeep+"\nwhen: text(\"note\") > 500", shopKeep+"\nwhen: money(\"note\") > 500"),
	diag.Explain("expression_unknown", "A name in an expression is none that it can use.",
		"A misspelt name would have no value. The names are those of docs/expressions.md; a value of the body is read by its path in quotes, as in text(\"payment.method\").").
		Example(shopKeep, shopKeep+"\nwhen: totel > 500", shopKeep+"\nwhen: total > 500"),
	diag.Explain("expression_unsupported", "An expression uses what the language does not have: division, loops, variables, member access.",
		"What is there can be checked when the policy is loaded, is exact, and ends soon. The hint says how else to write it.").
		Example(shopKeep, shopKeep+"\nwhen: total / 2 > 500", shopKeep+"\nwhen: total > 2 * 500"),
	diag.Explain("expression_too_large", "An expression is longer than 2000 characters, or has more than 200 parts.", "Nobody could say what it means. Split the route, or decide before the request is sent."),
	diag.Explain("expression_never", "The method or route is compared with what it never is there.", "A route takes one method, and its name is its own: the condition would never hold, or always.").
		Example(shopKeep, shopKeep+"\nwhen: method == \"PUT\" and total > 500", shopKeep+"\nwhen: total > 500"),
	diag.Explain("expression_constant", "An expression looks at nothing of the request.", "It always comes out the same: remove the condition, or write the value as a constant.").
		Example(shopKeep, shopKeep+"\nwhen: 1 < 2", shopKeep+"\nwhen: total > 2"),
	diag.Explain("expression_items", "An expression reads a path within the line items.",
		"Which item is meant would depend on their order, and every one of them may be of another class. Count them, or take the classes' totals.").
		Example(shopKeep, shopKeep+"\nwhen: text(\"items.0.kind\") == \"goods\"", shopKeep+"\nwhen: count(\"retail\") > 0"),
	diag.Explain("expression_not_forwarded", "An expression reads a header or query member that its leg does not forward.",
		"A leg depends on nothing that it may not carry. Write it under the leg's forward.").
		Example(shopKeep, shopKeep+"\nwhen: header(\"X-Store\") == \"7\"", shopKeep+"\nforward: {headers: [X-Store]}\nwhen: header(\"X-Store\") == \"7\""),
	diag.Explain("expression_not_seen", "A computed value, or whether a leg is sent, depends on a label that the destination may not see.",
		"What a value is computed from can be told from it, and a leg that is sent only for some patients says something of each. A computed value needs the label in plain, a condition in any form. How many items of another class there are, and what they cost, bears that class's label.").
		Example(shopKeep, shopKeep+"\nset: {description: {compute: 'items + \" articles\"'}}", shopKeep+"\nset: {description: {compute: 'count(\"retail\") + \" articles\"'}}"),
	diag.Explain("sad_expression", "An expression reads a security code, track data or a PIN block.",
		"Sensitive authentication data goes to the processor and nowhere else, and nothing may be made of it (PCI DSS 3.3.1).").
		Example(shopKeep, shopKeep+"\nwhen: has(\"card.cvv\")", shopKeep+"\nwhen: has(\"note\")"),
	diag.Explain("money_fraction", "An amount is compared with a fraction, and the basket's amounts are whole numbers of the smallest coin.",
		"With units: minor, 500.00 is written 50000, in the body as in the policy. 500.50 would be no amount at all.").
		Example(shopKeep, shopKeep+"\nwhen: total > 500.50", shopKeep+"\nwhen: total > 50050"),
	diag.Explain("money_not_whole", "A computed amount may have fractions of the smallest coin.",
		"Nobody can pay them, and the proxy does not choose how they are rounded. Write round(…), which rounds half to even.").
		Example(shopKeep, shopKeep+"\nset: {fee: {compute: total(\"retail\") * 0.015}}", shopKeep+"\nset: {fee: {compute: round(total(\"retail\") * 0.015)}}"),
	diag.Explain("when_on_primary", "The primary has a condition.",
		"Its answer decides the request, and is the caller's: there is nothing without it. Write a route of its own for requests that have another primary.").
		Example("pending: {where: {status: [open]}}", "pending: {where: {status: [open]}}\nwhen: total > 0", "pending: {where: {status: [open]}}"),
	diag.Explain("compute_outside_leg", "An answer is given a computed value.",
		"Expressions are about the request, on its way to a destination. An answer's set writes constants and tokens.").
		Example("set: {card_token: {token: card.number}}", "set: {card_token: {token: card.number}, twice: {compute: total * 2}}", "set: {card_token: {token: card.number}}"),
	diag.Explain("undefined_caller", "An expression compares the caller with a name that the policy does not have.", "It would never hold.").
		Example(shopKeep, shopKeep+"\nwhen: caller == \"tell\"", shopKeep+"\nwhen: caller == \"till\""),
}
