package ruletest

import (
	"slices"

	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/yamlfile"
)

// The words of a test file, as the reader and an editor's schema take them.
var (
	// outcomes are the words of Chaperone-Outcome, and the one for a request
	// that came to none.
	outcomes   = []string{"released", "cancelled", "pending", "unknown", "void", OutcomeRefused}
	endings    = []string{"delivered", "waiting", "parked", "dead"}
	faults     = []string{FaultTimeout, FaultRefused, FaultBroken}
	codeNames  = codes()
	formsNames = forms()
)

// The bounds of numbers in a test file.
const (
	minStatus, maxStatus = 200, 599
	maxCount             = 1<<31 - 1
)

// Shape returns the model of a test file, which the reader follows and an
// editor's schema is written from.
func Shape() *yamlfile.Shape { return fileShape }

var fileShape = yamlfile.Keys("Tests of a policy of Chaperone: what comes in, what the destinations answer, and what must come of it.",
	yamlfile.May("rules", yamlfile.Text("The policy under test, or the chaperone.yaml that names it, whose limits then hold. Its name is relative to this file's folder. Without it, the rules.yaml beside this file, unless the command names another.").Example("../rules.yaml")),
	yamlfile.May("now", nowShape("What the clock says in every test. Without it, the time of the run.")),
	yamlfile.May("answers", answersShape("What the destinations answer in every test that does not say otherwise itself.").ToldAt("tests.#.answers")),
	yamlfile.Must("tests", yamlfile.ListOf("The tests, in the order in which they are run.", testShape)),
)

var testShape = yamlfile.Keys("A test: a request, and what must come of it. Each begins with an empty store.",
	yamlfile.Must("name", yamlfile.Text("What must hold, in a few words; after and the report name the test by it.").Example("goods alone are no business of the patient record")),
	yamlfile.May("after", yamlfile.Many("Tests above this one, whose requests come first.", yamlfile.Text("The name of a test.").Example("a mixed sale is split three ways"))),
	yamlfile.May("now", nowShape("What the clock says in this test, so that an agreement has lapsed, or a key was forgotten.")),
	yamlfile.Must("request", requestShape),
	yamlfile.May("answers", answersShape("What the destinations answer, by the names of destinations or legs. Without it, the primary says yes in the words of its success, and all others answer 200.")),
	yamlfile.Must("expect", expectShape),
)

func nowShape(doc string) *yamlfile.Shape {
	return yamlfile.Moment(doc+" A day stands for its first instant, UTC.").Example("2027-03-31", "2027-03-31T09:30:00Z")
}

var requestShape = withBody(
	yamlfile.Keys("What comes in: a route, or a method and a path, and perhaps a body.",
		append([]yamlfile.Key{
			yamlfile.May("route", yamlfile.Text("The name of a route, whose method and path the request has.").Example("checkout")),
			yamlfile.May("method", yamlfile.Text("The HTTP method, where no route is named.").Example("POST")),
			yamlfile.May("path", yamlfile.Text("The path: beside method, or beside a route whose path has a part to fill in.").Example("/v1/patients/PT-88213")),
			yamlfile.May("caller", yamlfile.Text("Who calls, by the name in the policy; nobody shows no key. Without it, one that may use the route.").Example("front-desk", Nobody)),
			yamlfile.May("headers", fieldsShape("Headers of the request.", "A header's value, or a list of several.")),
			yamlfile.May("query", fieldsShape("Members of the query.", "A member's value, or a list of several.")),
		}, bodyKeys()...)...).
		NeedsOne("route", "method").OnlyOne("route", "method").Beside("method", "path"))

func fieldsShape(doc, each string) *yamlfile.Shape {
	return yamlfile.Names(doc, "", yamlfile.Many(each, yamlfile.Text("A value.").OrEmpty().Example("till 2")).OrEmpty()).OrEmpty()
}

// bodyKeys are the keys that say what the body of a request or an answer is.
func bodyKeys() []yamlfile.Key {
	return []yamlfile.Key{
		yamlfile.May("body", yamlfile.Any("The body, in YAML or JSON. Numbers go out as they are written: 12.50 stays 12.50.").Example(map[string]any{"status": "approved"})),
		yamlfile.May("body_text", yamlfile.Text("The body as text, for what is no JSON.").OrEmpty().Example("not json")),
		yamlfile.May("body_file", yamlfile.Text("The file that holds the body, byte for byte. Its name is relative to this file's folder.").Example("bodies/keyed-card.json")),
		yamlfile.May("with", yamlfile.Names("What is different in that body: paths, and the values that are put there.", "", yamlfile.Any("The value at the path, which is one without `#`, `*` and `**`.").Example(35978)).OrEmpty()),
		yamlfile.May("without", yamlfile.Many("What is taken out of that body.", yamlfile.Text("A path without `**`.").Example("payment.card.cvv"))),
	}
}

// withBody says which keys of bodyKeys go together.
func withBody(s *yamlfile.Shape) *yamlfile.Shape {
	return s.OnlyOne("body", "body_text", "body_file").
		Beside("with", "body_file", "body", "body_text").Beside("without", "body_file", "body", "body_text")
}

func answersShape(doc string) *yamlfile.Shape {
	return yamlfile.Names(doc, "", answerShape).OrEmpty()
}

var answerShape = yamlfile.Either("What a destination, or a leg's call, is answered.",
	yamlfile.Word("timeout: no answer in time. refused: nobody listens there. broken: the connection ends without an answer.", faults...),
	withBody(yamlfile.Keys("An answer.",
		append([]yamlfile.Key{
			yamlfile.May("status", yamlfile.Whole("Its status.", minStatus, maxStatus).Default(200)),
			yamlfile.May("headers", fieldsShape("Its headers.", "A header's value, or a list of several.")),
		}, bodyKeys()...)...)))

var expectShape = yamlfile.Keys("What must come of it. What is not written is not looked at; but a request that was refused, where neither status, outcome nor code is expected, fails the test.",
	yamlfile.May("status", yamlfile.Whole("The status of the answer.", minStatus, maxStatus).Example(200)),
	yamlfile.May("outcome", yamlfile.Word("What became of the sale, as the header Chaperone-Outcome says it; refused where nothing was sent.", outcomes...).See("reliability.md")),
	yamlfile.May("code", yamlfile.Word("The code of a refusal, or of what is wrong with the outcome.", codeNames...).See("codes.md#answers-and-log-entries")),
	yamlfile.May("legs", yamlfile.Names("Where each leg stood in the answer, as in the header Chaperone-Legs.", "",
		yamlfile.Text("A status, queued, held or dropped; skipped for a leg that was no part of it.").Example("queued", 200)).OrEmpty()),
	yamlfile.May("later", yamlfile.Names("What became of each queued leg.", "",
		yamlfile.Word("delivered: it was accepted. waiting: it was not, and is sent again. parked: it may not be sent now. dead: it is not sent again.", endings...)).OrEmpty()),
	yamlfile.May("calls", yamlfile.Names("What was sent, by the names of destinations or legs.", "",
		yamlfile.Either("What a call held; or that there was none.",
			yamlfile.Word("not_called: there was none.", notCalled),
			yamlfile.Keys("What a call held.", append([]yamlfile.Key{
				yamlfile.May("method", yamlfile.Text("The method of the call.").Example("POST")),
				yamlfile.May("path", yamlfile.Text("Its path, with its query.").Example("/v1/payments")),
			}, messageKeys()...)...).OnlyOne("body", "body_file"))).OrEmpty()),
	yamlfile.May("answer", yamlfile.Keys("What the caller got. The keys are those of a call, but for method and path.", messageKeys()...).
		OnlyOne("body", "body_file").ToldAt("tests.#.expect.calls")),
	yamlfile.May("decisions", yamlfile.ListOf("Choices that must be on record.", decisionShape).OrEmpty()),
).NotEmpty()

const (
	hasDoc   = "Paths where something must be; or paths with values, of which one that stands there must be it."
	lacksDoc = "Paths where nothing may be, and values that may stand nowhere; or paths with values that may not stand there."
)

// messageKeys are the keys that say what must be in a call, or in the answer.
func messageKeys() []yamlfile.Key {
	return []yamlfile.Key{
		yamlfile.May("body", yamlfile.Any("All of the body: members in any order, numbers as they are written. `<token>`, `<alias>` and `<any>` stand for what is not known before.").Example(map[string]any{"id": "<alias>", "total": 35978})),
		yamlfile.May("body_file", yamlfile.Text("The file that holds what the body must be, as JSON. Its name is relative to this file's folder.").Example("bodies/expected.json")),
		yamlfile.May("exact", yamlfile.Text("All of the body, byte for byte.").OrEmpty().Example(`{"id":"S-1"}`)),
		yamlfile.May("has", yamlfile.Either(hasDoc,
			yamlfile.Many("Paths where something must be.", yamlfile.Text("A path.").Example("payment.card.track2")),
			yamlfile.Names(hasDoc, "", yamlfile.Any("The value.").Example("************4242")).OrEmpty())),
		yamlfile.May("lacks", yamlfile.Either(lacksDoc,
			yamlfile.Text(lacksDoc).Example("patient"),
			yamlfile.ListOf(lacksDoc,
				yamlfile.Either("A path where nothing may be, or a value.",
					yamlfile.Text("A path where nothing may be.").Example("patient"),
					yamlfile.Keys("A value that may stand nowhere.",
						yamlfile.Must("value", yamlfile.Text("What may stand nowhere: not in the body, the path or a header.").Example("4242424242424242"))))),
			yamlfile.Names(lacksDoc, "", yamlfile.Any("The value.").Example("4242424242424242")).OrEmpty())),
		yamlfile.May("headers", yamlfile.Names("Headers, and their values.", "",
			yamlfile.Single("The value; ~ where the header must not be there.").Example("application/json", nil)).OrEmpty()),
	}
}

var decisionShape = yamlfile.Keys("A decision that must be on record. What is not written may be anything.",
	yamlfile.May("to", yamlfile.Text("The destination, or the caller.").Example("ledger")),
	yamlfile.May("path", yamlfile.Text("The path, as the policy has it.").Example("payment.card.number")),
	yamlfile.May("label", yamlfile.Text("The label.").Example("phi")),
	yamlfile.May("form", yamlfile.Word("What became of the value.", formsNames...)),
	yamlfile.May("class", yamlfile.Text("The class of the line item.").Example("clinical")),
	yamlfile.May("rule", yamlfile.Text("The rule that made it.").Example("detect.pan")),
	yamlfile.May("count", yamlfile.Whole("Of how many values.", 1, maxCount).Example(1)),
).NotEmpty()

func codes() []string {
	var all []string
	for _, c := range reason.All() {
		all = append(all, string(c))
	}
	slices.Sort(all)
	return all
}

func forms() []string {
	var all []string
	for f := rules.Plain; f <= rules.Block; f++ {
		all = append(all, f.String())
	}
	return all
}
