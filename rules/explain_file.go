package rules

import "chaperone/rules/diag"

// explainFile is about the file as a whole, and about what of YAML is read.
var explainFile = []diag.Explanation{
	diag.Explain("file_unreadable", "The file is not there, or may not be read.",
		"What cannot be read cannot be followed, and to go on without it would be to go on without its rules. Check the name, and the rights of the user that runs chaperone."),
	diag.Explain("file_too_large", "The file is larger than a megabyte.",
		"No policy that a person wrote is. Long lists of words belong into files of their own, which a class names with words:."),
	diag.Explain("file_not_utf8", "The file has bytes that are not UTF-8 text.",
		"Another encoding would turn names into other names, and a path would not match what it was meant for. Save the file as UTF-8."),
	diag.Explain("yaml_syntax", "The text is not YAML: a quote or bracket is open, or a line is indented where it does not belong.",
		"A line that is read as something else is a rule that does not hold. Check quotes, brackets and indentation around the place; indent with spaces, never with tabs.").
		Example("sad: {paths: [card.cvv]}", "sad: {paths: [card.cvv}", "sad: {paths: [card.cvv]}"),
	diag.Explain("yaml_depth", "Maps and lists are nested more than 64 levels deep.",
		"Nothing in these files needs more than eight. It is a slip, or an attack on the reader.").
		Example("units: minor", "units: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[minor]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "units: minor"),
	diag.Explain("yaml_documents", "The file holds more than one YAML document.",
		"Only one could hold, and readers differ in which. Remove the line --- and what follows it, or what comes before.").
		Example("", "---\nlabels: {}", "# the end"),
	diag.Explain("yaml_feature", "The file uses anchors, aliases, merges, tags, directives or keys with a question mark.",
		"They make one line mean another one elsewhere, and readers of YAML differ in how. Write values out. A value that begins with *, & or ! is meant as text: put it in quotes.").
		Example("sad: {paths: [card.cvv]}", "sad: {paths: [**.cvv]}", `sad: {paths: ["**.cvv"]}`),
	diag.Explain("duplicate_key", "A key is written twice in one map.",
		"Only one of them could hold, and readers differ in which. Keep one. Header names do not tell upper from lower case.").
		Example("units: minor", "units: minor\nunits: minor", "units: minor"),
}

// explainValues is about values that are not what their key asks for.
var explainValues = []diag.Explanation{
	diag.Explain("unknown_key", "The key is none that is read there.",
		"A misspelt key that is passed over is a rule that does not hold, and nobody would notice. The hint names the nearest key, or all of them; an editor completes them (docs/editor.md).").
		Example("phi: {paths: [patient]}", "phi: {path: [patient], paths: [patient]}", "phi: {paths: [patient]}"),
	diag.Explain("missing_key", "A key that has to be there is not.",
		"What it says has no safe default. The hint says what to write.").
		Example("agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}", "agreement: {kind: BAA, expires: 2099-12-31}", "agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}"),
	diag.Explain("value_missing", "A key or block is there, and nothing is in it.",
		"Nothing in these files means something by being empty. Write what is meant, or remove the key.").
		Example("units: minor", "units:", "units: minor"),
	diag.Explain("list_empty", "A list has no element.",
		"An empty list could mean none or all, and a reader may not have to guess. List at least one value, or remove the key.").
		Example("identify: {headers: [X-Api-Key]}", "identify: {headers: []}", "identify: {headers: [X-Api-Key]}"),
	diag.Explain("wrong_type", "The value is of another kind: a list where a map belongs, a text where a number belongs.",
		"It cannot be read as what the key asks for. true and false stand without quotes.").
		Example("idempotent: true", `idempotent: "yes"`, "idempotent: true"),
	diag.Explain("unknown_value", "The key takes one of a few words, and this is none of them.",
		"A misspelt word is not taken for the nearest one. The hint names it.").
		Example("units: minor", "units: mayor", "units: minor"),
	diag.Explain("out_of_range", "A number, size or time span is smaller or larger than it may be.",
		"The bounds keep out slips of the unit: a timeout of 15 minutes where 15 seconds was meant.").
		Example("idempotency: {key: id}", "idempotency: {key: id, ttl: 900d}", "idempotency: {key: id, ttl: 7d}"),
	diag.Explain("bad_duration", "The value is no time span.",
		"A bare number has no unit. Write a number and a unit: 500ms, 15s, 24h, 7d.").
		Example("idempotency: {key: id}", "idempotency: {key: id, ttl: 24}", "idempotency: {key: id, ttl: 24h}"),
	diag.Explain("bad_date", "The value is no date.",
		"Day and month are told apart only where the year comes first. Write 2027-03-31.").
		Example("agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}", "agreement: {kind: BAA, reference: R-1, expires: 31.12.2099}", "agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}"),
	diag.Explain("bad_name", "The name of a label, class, destination, caller, route, leg, group or scope cannot be one.",
		"Names go into headers, metrics, log entries and keys. Begin with a letter, and use letters, digits, - and _, at most 63; labels may have dots between kinds. Some words are taken: anonymous, none.").
		Example("- name: refund", "- name: re fund", "- name: refund"),
	diag.Explain("bad_path", "The text is no path of a body.",
		"Member names stand with dots between them, # for every element of an array, * for every member of an object, **. in front for any depth. A dot that belongs to a name is written \\. in it.").
		Example("phi: {paths: [patient]}", "phi: {paths: [patient..name]}", "phi: {paths: [patient.name]}"),
	diag.Explain("path_not_exact", "A path with #, * or ** stands where one place has to be named.",
		"What decides a sale, or is written, is one value; of several it would have to be guessed which.").
		Example("idempotency: {key: id}", "idempotency: {key: \"items.#.id\"}", "idempotency: {key: id}"),
	diag.Explain("path_twice", "A path is listed twice.",
		"The second one does nothing; perhaps another one was meant.").
		Example("phi: {paths: [patient]}", "phi: {paths: [patient, patient]}", "phi: {paths: [patient, note]}"),
	diag.Explain("bad_pattern", "The text is no path of a URL.",
		"It begins with /, has no empty, . or .. segments and no query; {name} captures a segment, and /* may stand at the end.").
		Example("match: {method: POST, path: /refund}", "match: {method: POST, path: refund}", "match: {method: POST, path: /refund}"),
	diag.Explain("not_json", "A number is written in a way that JSON does not have.",
		"The value goes into a JSON body. 0x1F, .5 or 1_000 would be read as a number by some and as a text by others. Write a plain decimal, or quotes for a text.").
		Example("set: {card_token: {token: card.number}}", "set: {version: 0x10}", "set: {version: 16}"),
	diag.Explain("conflicting_keys", "Two keys say different things about the same.",
		"Only one of them could hold. Keep the one that is meant.").
		Example("line: {amount: amount}", "line: {amount: amount, unit_price: price}", "line: {amount: amount}"),
	diag.Explain("duplicate_name", "Two routes, or two legs of a route, have the same name.",
		"Logs, metrics and the outbox tell them apart by it. Legs to one destination need a name: each.").
		Example("- name: refund", "- name: sale", "- name: refund"),
	diag.Explain("too_many", "There are more labels, classes, routes, legs or words than are admitted.",
		"The bounds keep the compiled policy small. Split the policy over several proxies, or shorten the list."),
}
