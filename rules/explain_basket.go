package rules

import "chaperone/rules/diag"

// explainBasket is about line items, their classes and their amounts.
var explainBasket = []diag.Explanation{
	diag.Explain("basket_missing", "A leg takes a class of items, recomputes totals or splits an amount, and the policy has no basket.",
		"Without it nobody knows where the items are and what each of them is.").
		Example("basket:", "# no basket", "basket:\n  items: items\n  line: {amount: amount}\n  totals: {total: total}\n  classes:\n    clinical: {label: phi, any: [{kind: treatment}]}\n    retail: {any: [{kind: goods}]}\n  otherwise: clinical").
		Without("items: items", "currency: currency", "units: minor", "line: {amount: amount}", "totals: {total: total}", "classes:",
			"clinical: {label: phi, any: [{kind: treatment}]}", "retail: {any: [{kind: goods}]}", "otherwise: clinical"),
	diag.Explain("currency_missing", "Amounts are in major units, or an expression asks for the currency, and the policy does not say where it stands, or which it is.",
		"How many decimals 12.5 may have depends on the currency.").
		Example("currency: currency", "# no currency", "currency: currency").With("units: minor", "units: major"),
	diag.Explain("currency_not_known", "The code of the currency is none of ISO 4217.", "How many decimals an amount has depends on it.").
		Example("currency: currency", "currency: {code: USS}", "currency: {code: USD}"),
	diag.Explain("undefined_class", "A class is named that the basket does not have.",
		"A leg for a misspelt class would never get an item.").
		Example("otherwise: clinical", "otherwise: clinicl", "otherwise: clinical"),
	diag.Explain("class_label", "A class of items carries the label pan or sad.",
		"An item is no card number. The label of a class says what the item tells about a person, as phi.").
		Example("retail: {any: [{kind: goods}]}", "retail: {label: pan, any: [{kind: goods}]}", "retail: {any: [{kind: goods}]}"),
	diag.Explain("class_unreachable", "No item can be of the class: it has no rule, or other classes take all that its rules do.",
		"The first class wins, and one with a label beats one without. A leg for it would never be sent.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{kind: treatment}]}", "retail: {any: [{kind: goods}]}"),
	diag.Explain("class_rule_unreachable", "Another class takes all that one rule, or one value of it, does.",
		"The first class wins, and one with a label beats one without: the rule looks as if it held, and does not. Remove it, or move the class up.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{kind: [goods, treatment]}]}", "retail: {any: [{kind: goods}]}"),
	diag.Explain("class_rule_twice", "An earlier rule of the class takes all that this one does.", "It does nothing; perhaps another value was meant.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{kind: goods}, {kind: goods, brand: own}]}", "retail: {any: [{kind: goods}, {brand: own}]}"),
	diag.Explain("class_not_taken", "No leg of any route takes the class's items.",
		"Nobody would get them, and nobody would notice. Add a leg with items: and the class, or remove it.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{kind: goods}]}\ngift: {any: [{kind: card}]}", "retail: {any: [{kind: [goods, card]}]}").
		Beside("route_class_not_taken"),
	diag.Explain("route_class_not_taken", "A route splits the basket, and none of its legs takes one of the classes.",
		"Such items of this route reach nobody. That can be meant; add a leg if it is not.").
		Example(shopRefund, "# no leg for retail", shopRefund),
	diag.Explain("class_twice", "A class is listed twice.", "The second one does nothing; perhaps another class was meant.").
		Example("totals: {total: total}", "totals: {total: total, tax: tax}\ntax: {taxable: [retail, retail]}", "totals: {total: total, tax: tax}\ntax: {taxable: [retail]}"),
	diag.Explain("class_not_seen", "A leg takes a class whose label its destination may not see.",
		"Every item would be dropped on the way, or every request refused. Give the leg another class, or clear the destination.").
		Example("sees: {phi: plain, pan: token}", "sees: {pan: token}", "sees: {phi: plain, pan: token}"),
	diag.Explain("class_not_plain", "A leg takes a class whose label its destination sees in another form than plain.",
		"Every value of such an item reaches it in that form, prices too. That can be meant.").
		Example("sees: {phi: plain, pan: token}", "sees: {phi: token, pan: token}", "sees: {phi: plain, pan: token}"),
	diag.Explain("otherwise_open", "An item that no rule takes is treated as a class without a label, though another class has one.",
		"A new treatment that the catalogue does not know yet would be sent as goods. The stricter class is the safe choice.").
		Example("otherwise: clinical", "otherwise: retail", "otherwise: clinical"),
	diag.Explain("line_missing", "Totals are recomputed, or an amount is split, and the policy does not say where an item's amounts are.",
		"A leg's total is the sum of its items. Write basket.line.").
		Example("line: {amount: amount}", "# no line", "line: {amount: amount}").
		With("follows: {key: sale, route: sale, amount: amount, release: {kind: [captured]}, cancel: {kind: [voided]}}", "follows: {key: sale, release: {kind: [captured]}, cancel: {kind: [voided]}}"),
	diag.Explain("line_tax_unused", "The policy says where a line's tax stands, and takes the tax from elsewhere.", "One of the two is not what was meant.").
		Example("line: {amount: amount}", "line: {amount: amount, tax: line_tax}\ntax: pro_rata", "line: {amount: amount, tax: line_tax}\ntax: lines").
		With("totals: {total: total}", "totals: {total: total, tax: tax}"),
	diag.Explain("allocation_missing", "The basket has a tax or tip, and the policy does not say which items it belongs to.",
		"It is shared out over all of them, which may not be what the books need.").
		Example("totals: {total: total}", "totals: {total: total, tip: tip}", "totals: {total: total, tip: tip}\ntip: {to: [clinical]}"),
	diag.Explain("allocation_unused", "The policy says which items a tax or tip belongs to, and the basket has none.", "The path of the total was forgotten, or the key is left over.").
		Example("totals: {total: total}", "totals: {total: total}\ntip: pro_rata", "totals: {total: total, tip: tip}\ntip: pro_rata"),
	diag.Explain("words_unreadable", "A word list is not there, or may not be read.",
		"Its class would take no item. The name is relative to the folder of the policy.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{name: {words: goods.txt}}]}", "retail: {any: [{kind: goods}]}"),
	diag.Explain("words_empty", "A word list has no word.", "Its class would take no item. Write one word or phrase on a line.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{name: {words: words.txt}}]}", "retail: {any: [{name: {words: words.txt}}]}").
		Lists("# none yet\n", "cream\n"),
	diag.Explain("words_not_utf8", "A line of a word list is not UTF-8 text.", "In another encoding it would stand in no name. Save the list as UTF-8."),
	diag.Explain("words_too_long", "A line of a word list is longer than 200 bytes.", "It would stand in no name; lines have run together, or the file is another one."),
	diag.Explain("words_no_word", "A line of a word list has no letter and no digit.", "Names are compared by their letters and digits, so that the line stands in no name.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{name: {words: words.txt}}]}", "retail: {any: [{name: {words: words.txt}}]}").
		Lists("cream\n+++\n", "cream\n"),
	diag.Explain("words_twice", "A phrase is in a word list twice.", "The second one does nothing.").
		Example("retail: {any: [{kind: goods}]}", "retail: {any: [{name: {words: words.txt}}]}", "retail: {any: [{name: {words: words.txt}}]}").
		Lists("cream\nCream\n", "cream\n"),
}
