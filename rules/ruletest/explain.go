package ruletest

import "chaperone/rules/diag"

// Sample is the test file of which the examples of Explanations are lines.
const Sample = `tests:
  - name: a sale
    request: {route: sale, body: {id: S-1, total: 1500}}
    expect:
      status: 200
  - name: a refund
    after: a sale
    request: {route: refund, body: {sale: S-1, amount: 500}}
    expect: {outcome: released}
`

const saleRequest = "request: {route: sale, body: {id: S-1, total: 1500}}"

// Explanations returns what there is to say about each code that only a test
// file has.
func Explanations() []diag.Explanation {
	return []diag.Explanation{
		diag.Explain("bad_json", "A body is to be changed, or compared, and is not JSON.", "In what is not JSON there is no place that a path could name. Mend it, or leave it as it is.").
			Example(saleRequest, `request: {route: sale, body_text: "{id", with: {total: 0}}`, `request: {route: sale, body: {id: S-1}, with: {total: 0}}`),
		diag.Explain("body_missing", "with or without changes a body that is not there.", "Say which body: body_file, body or body_text.").
			Example(saleRequest, "request: {route: sale, with: {total: 0}}", "request: {route: sale, body: {id: S-1}, with: {total: 0}}"),
		diag.Explain("body_twice", "A request, answer or call has more than one body.", "Only one of them could be meant. Keep one of body, body_text and body_file.").
			Example(saleRequest, "request: {route: sale, body: {id: S-1}, body_text: none}", saleRequest),
		diag.Explain("duplicate_test", "Two tests have the same name.", "after: and the report name a test by it.").
			Example("- name: a refund", "- name: a sale", "- name: a refund"),
		diag.Explain("expects_nothing", "A test, or a decision that is expected, says nothing of what must come of it.", "It could never fail.").
			Example("expect: {outcome: released}", "expect: {}", "expect: {outcome: released}"),
		diag.Explain("path_absent", "A body is to be changed where it has nothing, or where it has no object.", "A change that changes nothing would test another body than it says.").
			Example(saleRequest, "request: {route: sale, body: {id: S-1}, without: [totl]}", "request: {route: sale, body: {id: S-1, total: 0}, without: [total]}"),
		diag.Explain("request_incomplete", "A request does not say what is asked for.", "Name a route, or write method and path; a route whose path captures a part needs the path, too.").
			Example(saleRequest, "request: {path: /sale}", "request: {method: POST, path: /sale}"),
		diag.Explain("request_twofold", "A request names a route, and a method.", "The route has its method already.").
			Example(saleRequest, "request: {route: sale, method: POST}", "request: {route: sale}"),
		diag.Explain("test_order", "A test comes after one that stands below it, or after itself.", "Tests follow those above them, so that a reader sees what has happened.").
			Example("after: a sale", "after: a refund", "after: a sale"),
		diag.Explain("token_sad", "A test asks for the token of a security code.", "Sensitive authentication data never becomes a token (PCI DSS 3.3.1). Use another label."),
		diag.Explain("unknown_caller", "The policy under test has no caller of that name, and a request names it.", "What is expected of nothing always holds. The hint names the nearest one."),
		diag.Explain("unknown_class", "The policy under test has no class of that name, and an expected decision names it.", "What is expected of nothing always holds. The hint names the nearest one."),
		diag.Explain("unknown_destination", "The policy under test has no destination of that name, and an answer, call or decision names it.", "What is expected of nothing always holds. The hint names the nearest one."),
		diag.Explain("unknown_label", "The policy under test has no label of that name, and an expected decision or token names it.", "What is expected of nothing always holds. The hint names the nearest one."),
		diag.Explain("unknown_leg", "The policy under test has no leg of that name, and an expected answer names it.", "What is expected of nothing always holds. The hint names the nearest one."),
		diag.Explain("unknown_route", "The policy under test has no route of that name, and a request names it.", "What is expected of nothing always holds. The hint names the nearest one."),
		diag.Explain("unknown_test", "A test comes after one that is not there.", "What it builds on would not have happened.").
			Example("after: a sale", "after: the sale", "after: a sale"),
	}
}
