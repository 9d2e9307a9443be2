package rules

import "chaperone/rules/diag"

// explainLabels is about what values are, and what their tokens are.
var explainLabels = []diag.Explanation{
	diag.Explain("undefined_label", "A label is named that the policy does not have.",
		"A clearance for a misspelt label would clear nothing, and the values would be dropped without a word. pan and sad always exist.").
		Example("sees: {phi: plain, pan: token}", "sees: {phi: plain, pam: token}", "sees: {phi: plain, pan: token}"),
	diag.Explain("label_unused", "A label has no path and no detector, and no class carries it.",
		"No value can come to bear it, so its clearances do nothing.").
		Example("phi: {paths: [patient]}", "phi: {paths: [patient]}\nnote: {}", "phi: {paths: [patient]}\nnote: {paths: [note]}"),
	diag.Explain("unknown_detector", "There is no detector of that name.",
		"A label that nothing finds protects nothing. There are pan for card numbers, and nhs_number, ssn, mrn, email, phone, date_of_birth, npi and iban.").
		Example("pan: {paths: [card.number], token: pan}", "pan: {paths: [card.number], detect: [pen]}", "pan: {paths: [card.number], detect: [pan]}"),
	diag.Explain("detector_label", "A detector stands under a label for values of another kind.",
		"What pan finds is a card number, whatever the label says, and belongs under pan; what the others find is none, nor a security code.").
		Example("phi: {paths: [patient]}", "phi: {paths: [patient], detect: [pan]}", "phi: {paths: [patient], detect: [ssn]}"),
	diag.Explain("detector_twice", "A detector is listed twice.", "The second one does nothing.").
		Example("pan: {paths: [card.number], token: pan}", "pan: {paths: [card.number], detect: [pan, pan]}", "pan: {paths: [card.number], detect: [pan]}"),
	diag.Explain("unknown_token_format", "There is no token format of that name.",
		"Formats are pan (as many digits as the card), sealed (text, computed) and vaulted (random, stored, can be revoked). alias is a form, and stands under sees.").
		Example("phi: {paths: [patient]}", "phi: {paths: [patient], token: seeled}", "phi: {paths: [patient], token: sealed}"),
	diag.Explain("token_format_label", "Tokens of format pan are asked for values that are no card numbers.",
		"The format encrypts the digits of a card number; other values have no such digits.").
		Example("phi: {paths: [patient]}", "phi: {paths: [patient], token: pan}", "phi: {paths: [patient], token: sealed}"),
	diag.Explain("token_option", "keep, luhn or ttl stand beside a token format that has no such choice.",
		"Only vaulted tokens are stored, so only they can be given a look or a life; keep and luhn are about card numbers.").
		Example("pan: {paths: [card.number], token: pan}", "pan: {paths: [card.number], token: {format: pan, ttl: 90d}}", "pan: {paths: [card.number], token: {format: vaulted, ttl: 90d}}"),
	diag.Explain("token_bin_stateless", "A computed card token is asked to keep the first six digits.",
		"Between them and the last four too few digits are left to encrypt: whoever has the token could try them all (NIST SP 800-38G asks for a million values). Vaulted tokens are random, and may.").
		Example("pan: {paths: [card.number], token: pan}", "pan: {paths: [card.number], token: {format: pan, keep: bin6+last4}}", "pan: {paths: [card.number], token: {format: vaulted, keep: bin6+last4}}"),
	diag.Explain("tag_collision", "Two labels get the same tag in sealed tokens.",
		"A token of one could be taken for one of the other. Tags are 20 bits of the name's hash, so that it happens by chance once in thousands of policies. Rename one of them, if no token of it has been made yet."),
	diag.Explain("sad_token", "A security code, track or PIN block would become a token, or be joined by.",
		"Sensitive authentication data may not be kept after authorization, not even encrypted (PCI DSS 3.3.1), and a token is a way to get it back.").
		Example("sad: {paths: [card.cvv]}", "sad: {paths: [card.cvv], token: sealed}", "sad: {paths: [card.cvv]}"),
	diag.Explain("sad_form", "A security code would reach a party as an alias, a token or a mask.",
		"Sensitive authentication data is passed on as it is to who is called at once and needs it, or not at all (PCI DSS 3.3.1).").
		Example("sees: {phi: plain, pan: token}", "sees: {phi: plain, pan: token, sad: mask}", "sees: {phi: plain, pan: token, sad: drop}"),
	diag.Explain("sad_to_caller", "A caller would see security codes.",
		"Nobody needs one back, and an answer is kept for repeats (PCI DSS 3.3.1).").
		Example("sees: {pan: token}", "sees: {pan: token, sad: plain}", "sees: {pan: token}"),
	diag.Explain("sad_queued", "A destination that may see security codes has a leg that is queued, or sync.",
		"Such legs are stored until they are delivered, and sensitive authentication data must never be (PCI DSS 3.3.1). If one system is both, name it twice: the destination of the later legs sees no sad.").
		Example("sees: {phi: plain, pan: token}", "sees: {phi: plain, pan: token, sad: plain}", "sees: {phi: plain, pan: token}"),
	diag.Explain("sad_key", "A key, subject or order of a route lies at a security code.",
		"Keys are kept, as keyed hashes; sensitive authentication data must not be kept in any form (PCI DSS 3.3.1).").
		Example("idempotency: {key: id}", "idempotency: {key: id}\nsubject: card.cvv", "idempotency: {key: id}\nsubject: patient.id"),
	diag.Explain("sad_forward", "A leg would forward a query member or header with the name of a security code.",
		"Its destination may not see sad, and a URL or header ends in logs.").
		Example(shopRefund, "- {to: shop, items: retail, keep: [id, sale, amount], forward: {query: [cvv]}}", "- {to: shop, items: retail, keep: [id, sale, amount], forward: {query: [store]}}"),
	diag.Explain("unknown_form", "There is no form of that name.",
		"Forms are plain, generalize, alias, token, mask, drop and block, from open to strict.").
		Example("sees: {phi: plain, pan: token}", "sees: {phi: plain, pan: tokn}", "sees: {phi: plain, pan: token}"),
	diag.Explain("generalize_unknown", "A party is to see coarser values of a label, and nothing says what they are.",
		"A date becomes its year and a postcode its area, but a value does not tell by itself which of them it is: five digits are a ZIP code or somebody's number. So the label says it, or a kind of it. What then is no date or postcode is dropped.").
		Example("sees: {phi: plain, pan: token}", "sees: {phi: plain, pan: generalize}", "sees: {phi: plain, pan: mask}"),
	diag.Explain("generalize_label", "The values of a label cannot become what it says.",
		"Card numbers and security codes have nothing coarser than a mask, and only a basket's line items have a class.").
		Example("pan: {paths: [card.number], token: pan}", "pan: {paths: [card.number], generalize: date}", "pan: {paths: [card.number], token: pan}"),
	diag.Explain("alias_for_caller", "A caller would see an alias.",
		"An alias belongs to one destination, which a caller is not.").
		Example("sees: {pan: token}", "sees: {pan: token, phi: alias}", "sees: {pan: token, phi: token}"),
}
