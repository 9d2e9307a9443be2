package rules

import (
	"chaperone/rules/detect"
	"chaperone/rules/yamlfile"
)

// The words of a policy file, as the reader and an editor's schema take them.
var (
	formsWritten  = formNames[:]
	tokenFormats  = []string{string(FormatPAN), string(FormatSealed), string(FormatVaulted)}
	detectorNames = append([]string{detectorPAN}, detect.DetectorNames()...)
)

// Shape returns the model of a policy file, which the reader follows and an
// editor's schema is written from.
func Shape() *yamlfile.Shape { return policyShape }

var policyShape = yamlfile.Keys("A policy of Chaperone: what values are, who may see them, and which calls a request becomes.",
	yamlfile.May("labels", labelsShape),
	yamlfile.May("basket", basketShape),
	yamlfile.Must("destinations", yamlfile.Names("The systems that requests go to, by names of your choice.", nameShape.String(), destinationShape)),
	yamlfile.May("identify", identifyShape),
	yamlfile.May("callers", yamlfile.Names("Who may call, by names of your choice. Without the block everybody on this machine may, and sees no labelled value.", nameShape.String(), callerShape)),
	yamlfile.Must("routes", yamlfile.ListOf("What comes in, and which calls it becomes.", routeShape)),
)

// Pieces that several blocks share.

func onePath(doc string) *yamlfile.Shape {
	return yamlfile.Text(doc).Example("payment.card.number")
}

func manyPaths(doc string) *yamlfile.Shape {
	return yamlfile.Many(doc, yamlfile.Text("A path: member names with dots between, # for every element, * for every member, **. in front for any depth, \\. for a dot in a name.").
		Example("patient.email", "items.#.lot", "**.iban"))
}

func keepShape(doc string) *yamlfile.Shape {
	return yamlfile.Many(doc, yamlfile.Text("A path, or alone the word all.").Example("totals.total", "all")).OrEmpty()
}

func headerNamesShape(doc string) *yamlfile.Shape {
	return yamlfile.Many(doc, yamlfile.Text("The name of a header.").Example("X-Request-Id"))
}

func seesShape(doc string) *yamlfile.Shape {
	return yamlfile.Names(doc, labelShape.String(),
		yamlfile.Word("A label by its name, and the form in which its values go there; one that is not written is dropped.", formsWritten...)).OrEmpty()
}

func setShape(doc string, value string) *yamlfile.Shape {
	return yamlfile.Names(doc, "", yamlfile.Any(value)).OrEmpty()
}

func wheresShape(doc string) *yamlfile.Shape {
	return yamlfile.Names(doc, "", yamlfile.Any("The value that the member must have, or a list of values of which it must have one.").Example([]any{"approved", "captured"}))
}

func fileShape(doc string) *yamlfile.Shape {
	return yamlfile.Text(doc + " Its name is relative to this file's folder.")
}

var labelsShape = yamlfile.Names("What a value is. Dotted labels are kinds of their parent: phi.contact is a phi. pan and sad always exist.", labelShape.String(),
	yamlfile.Either("The paths of the label's values, or a map that says more.",
		manyPaths("The paths of the label's values."),
		yamlfile.Keys("How the label's values are found, and what their tokens are.",
			yamlfile.May("paths", yamlfile.Many("Where such values stand: paths of the body, or @query.NAME, @header.NAME, @path.NAME.",
				yamlfile.Text("A path.").Example("payment.card.number", "@header.X-Patient"))),
			yamlfile.May("detect", yamlfile.Many("What finds such values inside of other text, wherever they stand.", yamlfile.Word("A detector.", detectorNames...))),
			yamlfile.May("generalize", yamlfile.Word("What the values are, so that the form generalize can make them coarser: date becomes the year, age stays up to 89, postcode becomes its area, class becomes the name of the line item's class. Kinds of the label take it over.", generalizationNames[1:]...)),
			yamlfile.May("token", tokenShape),
			yamlfile.May("join", yamlfile.Truth("Whether equal values get equal tokens, so that records can be joined.").Default(false)),
		))).OrEmpty()

var tokenShape = yamlfile.Either("The format of the label's tokens, or a map with its options. Without it, pan for kinds of pan, else sealed.",
	yamlfile.Word("The format of the label's tokens.", tokenFormats...),
	yamlfile.Keys("The format of the label's tokens, and its options.",
		yamlfile.Must("format", yamlfile.Word("pan: digits that look like a card and are none. sealed: a text that holds the value encrypted. vaulted: a random one; the value is stored, and can be revoked.", tokenFormats...)),
		yamlfile.May("keep", yamlfile.Word("Of a vaulted card token: the digits that stay.", "bin6+last4", "last4", "none").Default("last4")),
		yamlfile.May("luhn", yamlfile.Word("Of a vaulted card token: whether its check digit is wrong, or right.", "fail", "valid").Default("fail")),
		yamlfile.May("ttl", yamlfile.Span("Of a vaulted token: how long it lives; without it, until it is revoked.", minTokenTTL, maxTokenTTL).Example("365d")),
	))

var basketShape = yamlfile.Keys("Where the line items of a sale stand, and what each of them is.",
	yamlfile.Must("items", yamlfile.Text("The path of the array of line items.").Example("items")),
	yamlfile.May("currency", yamlfile.Either("The path of the currency's ISO 4217 code, or a map with the code itself where no body has one; major units need it.",
		yamlfile.Text("The path of the code.").Example("currency"),
		yamlfile.Keys("The one currency of all sales.", yamlfile.Must("code", yamlfile.Text("Its ISO 4217 code.").Example("USD"))))),
	yamlfile.May("units", yamlfile.Word("Whether 12500 is 125.00 (minor) or 12500.00 (major).", "minor", "major").Default("minor")),
	yamlfile.May("line", yamlfile.Keys("Where an item's amounts are, relative to the item: an amount, or a price and perhaps a quantity.",
		yamlfile.May("quantity", onePath("The path of the quantity.").Example("qty")),
		yamlfile.May("unit_price", onePath("The path of the price of one.").Example("unit_price")),
		yamlfile.May("amount", onePath("The path of the whole line's amount, instead of unit_price and quantity.").Example("line_total")),
		yamlfile.May("discount", onePath("The path of the line's discount.").Example("line_discount")),
		yamlfile.May("tax", onePath("The path of the line's tax.").Example("line_tax")),
	).NeedsOne("unit_price", "amount").OnlyOne("unit_price", "amount").OnlyOne("quantity", "amount")),
	yamlfile.May("totals", yamlfile.Keys("Where the basket's amounts are. What is not there is neither checked nor split.",
		yamlfile.May("subtotal", onePath("The path of the sum of the lines.").Example("totals.subtotal")),
		yamlfile.May("tax", onePath("The path of the tax.").Example("totals.tax")),
		yamlfile.May("tip", onePath("The path of the tip.").Example("totals.tip")),
		yamlfile.May("discount", onePath("The path of the basket's discount.").Example("totals.discount")),
		yamlfile.May("total", onePath("The path of what is paid.").Example("totals.total")),
	).NeedsOne("subtotal", "tax", "tip", "discount", "total")),
	yamlfile.Must("classes", yamlfile.Names("What a line item is. The first class whose rules take it wins, and one with a label beats one without.", nameShape.String(), classShape)),
	yamlfile.Must("otherwise", yamlfile.Text("The class of an item that no rule takes; the one with a label is the safe choice.").Example("clinical")),
	yamlfile.May("tax", allocationShape("Which items the tax belongs to: pro_rata shares it out over all of them, lines takes what each line says, included leaves it in the prices.", "taxable", "pro_rata", "lines", "included")),
	yamlfile.May("tip", allocationShape("Which items the tip belongs to: pro_rata shares it out over all of them.", "to", "pro_rata")),
	yamlfile.May("tolerance", yamlfile.Whole("By how much the basket's own totals may be off, in minor units; more is refused.", 0, maxTolerance).Default(0)),
)

func allocationShape(doc, key string, words ...string) *yamlfile.Shape {
	return yamlfile.Either(doc,
		yamlfile.Word(doc, words...),
		yamlfile.Keys(doc,
			yamlfile.Must(key, yamlfile.Many("The classes among whose items it is shared out.", yamlfile.Text("The name of a class.").Example("retail")))))
}

var classShape = yamlfile.Keys("A class of line items.",
	yamlfile.May("label", yamlfile.Text("The label of such an item: what it says about a person. Who may not see the label gets no such item.").Example("phi")),
	yamlfile.May("any", yamlfile.ListOf("The rules; an item that one of them takes is of the class.",
		yamlfile.Names("Fields of the item, all of which must fit.", "",
			yamlfile.Either("A value, a list of values, or a word list.",
				yamlfile.Many("Values of which the field has one; * and ? stand for any letters.", yamlfile.Text("A value.").Example("skincare", "TX-*")),
				yamlfile.Keys("A word list: the field holds one of its words or phrases.",
					yamlfile.Must("words", fileShape("The file that lists them, one on a line.").Example("catalogs/procedures.txt")))))).OrEmpty()),
)

var identifyShape = yamlfile.Keys("Which headers besides Authorization may hold a caller's key.",
	yamlfile.May("header", yamlfile.Text("The name of a header.").Example("X-Api-Key")),
	yamlfile.May("headers", headerNamesShape("The names of headers.")),
).NeedsOne("header", "headers").OnlyOne("header", "headers")

var callerShape = yamlfile.Keys("A system that calls, such as a till.",
	yamlfile.Must("key_sha256", yamlfile.Many("The SHA-256 of the caller's key in hex, as `chaperone callers add` prints it; two while the key is being changed.",
		yamlfile.Text("64 hexadecimal digits.").Matching("^[0-9a-fA-F]{64}$"))),
	yamlfile.May("routes", yamlfile.Many("The routes that it may call, or all. Who has tokens may do without.", yamlfile.Text("The name of a route, or alone the word all.").Example("checkout", "all"))),
	yamlfile.May("sees", seesShape("Which labels it may see in answers, and in which form. Without it, none.")),
	yamlfile.May("group", yamlfile.Text("Callers of one group share idempotency keys, and may follow each other's sales. Without it, each caller is its own.").Matching(nameShape.String())),
	yamlfile.May("scope", scopeShape),
	yamlfile.May("limits", yamlfile.Keys("How many tokens it may make and reveal; at the limit it is refused, and an alert fires.",
		yamlfile.May("mints_per_day", yamlfile.Whole("Tokens of values that had none.", 0, maxCallerLimit).Default(defaultCallerLimits.MintsPerDay)),
		yamlfile.May("reveals_per_day", yamlfile.Whole("Tokens turned back.", 0, maxCallerLimit).Default(defaultCallerLimits.RevealsPerDay)),
		yamlfile.May("failed_reveals_per_hour", yamlfile.Whole("Tokens that could not be turned back.", 0, maxCallerLimit).Default(defaultCallerLimits.FailedRevealsPerHour)),
	)),
	yamlfile.May("tokens", yamlfile.Many("What it may do with tokens on the admin listener; batch is for many at once.", yamlfile.Word("A right.", rightNames...)).See("tokens.md")),
).NeedsOne("routes", "tokens")

var scopeShape = yamlfile.Text("The scope of the tokens; those of one scope mean nothing in another.").Matching(nameShape.String()).Default(DefaultScope).See("tokens.md")
