package rewrite

import (
	"strings"
	"testing"

	"chaperone/rules/reason"
)

// tok is the fake token of a card.
func tok(number string) string {
	return string((&fakeVault{known: map[string]string{}}).pan([]byte(number)))
}

const keepAll = "keep: all"

// legCase is one body through one leg.
type legCase struct {
	name string
	sees string
	leg  string // see one
	body string
	want string
	err  reason.Code
}

func runLegCases(t *testing.T, cases []legCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := one(t, c.sees, c.leg, "")
			vault := newFakeVault(e.Plan())
			vault.pan([]byte(card))
			phi := e.Plan().Label("phi")
			c.body = strings.ReplaceAll(c.body, "SEALED-TEXT", string(vault.sealed(phi, []byte("Ms \"X\""), true)))
			c.body = strings.ReplaceAll(c.body, "SEALED", string(vault.sealed(phi, []byte(`"Ms \u0058"`), false)))
			c.body = strings.ReplaceAll(c.body, "FOREIGN", "tok_zzzzabcdefghijkmnpqrstuvwxyzabcdefg")
			c.want = strings.ReplaceAll(c.want, "SEALED-CARD", string(vault.sealed(e.Plan().Label("pan"), []byte(`"6221558812340000"`), false)))
			c.want = strings.ReplaceAll(c.want, "SEALED", string(vault.sealed(phi, []byte(`"Ms \u0058"`), false)))
			out := process(e, vault, 0, c.body)
			if c.err != "" {
				if out.err == nil || out.err.Code != c.err {
					t.Fatalf("error %v, want %s", out.err, c.err)
				}
				return
			}
			if out.err != nil {
				t.Fatal(out.err)
			}
			if out.legs[0] != c.want {
				t.Errorf("got  %s\nwant %s", out.legs[0], c.want)
			}
		})
	}
}

func TestCommas(t *testing.T) {
	const sees = "{}"
	runLegCases(t, []legCase{
		{name: "first member", sees: sees, leg: keepAll, body: `{ "patient":1 , "b":2 }`, want: `{ "b":2 }`},
		{name: "middle member", sees: sees, leg: keepAll, body: `{"a":1, "patient":2, "b":3}`, want: `{"a":1, "b":3}`},
		{name: "last member", sees: sees, leg: keepAll, body: "{\"a\":1 ,\n \"patient\":2 }", want: `{"a":1 }`},
		{name: "first two", sees: sees, leg: keepAll, body: `{"patient":1,"staff":2,"b":3}`, want: `{"b":3}`},
		{name: "last two", sees: sees, leg: keepAll, body: `{"b":3,"patient":1,"staff":2}`, want: `{"b":3}`},
		{name: "around", sees: sees, leg: keepAll, body: `{"patient":1,"b":3,"staff":2}`, want: `{"b":3}`},
		{name: "every second", sees: sees, leg: keepAll, body: `{"patient":1,"a":1,"staff":2,"b":2,"patient":3}`, want: `{"a":1,"b":2}`},
		{name: "only member: the root is emptied", sees: sees, leg: keepAll, body: ` {"patient":1} `, want: ` {} `},
		{name: "emptied container goes", sees: sees, leg: keepAll, body: `{"a":1,"x":{"pan":"4111111111111111"},"b":2}`, want: `{"a":1,"b":2}`},
		{name: "a dropped span is replaced, also where it is all of the string", sees: sees, leg: keepAll, body: `{"a":1,"x":{"y":"4111111111111111"},"b":2}`, want: `{"a":1,"x":{"y":"[pan]"},"b":2}`},
		{name: "an element", sees: sees, leg: keepAll, body: `{"notes":[{"text":"x"},{"text":"y","k":1}]}`, want: `{"notes":[{"k":1}]}`},
		{name: "last elements", sees: sees, leg: keepAll, body: `{"notes":[{"k":1},{"text":"x"},{"text":"y"}],"z":0}`, want: `{"notes":[{"k":1}],"z":0}`},
		{name: "all elements", sees: sees, leg: keepAll, body: `{"notes":[{"text":"x"},{"text":"y"}],"z":0}`, want: `{"z":0}`},
		{name: "nested emptiness", sees: sees, leg: keepAll, body: `{"z":[[{"payment":{}}]],"notes":[{"text":{"a":[1,{"b":2}]}}]}`, want: `{"z":[[{"payment":{}}]]}`},
		{name: "what was empty stays", sees: sees, leg: keepAll, body: `{"a":{ },"b":[ ],"patient":1}`, want: `{"a":{ },"b":[ ]}`},
		{name: "an empty labelled container is dropped", sees: sees, leg: keepAll, body: `{"patient":{},"a":1}`, want: `{"a":1}`},
		{name: "removed, survivor with an edit inside, removed", sees: "{pan: mask}", leg: keepAll,
			body: `{"patient":1,"x":{"staff":1,"pan":"4111111111111111"},"staff":2}`, want: `{"x":{"staff":1,"pan":"************1111"}}`},
		{name: "root array emptied", sees: sees, leg: "keep: [a]", body: `[1,2]`, want: `[]`},
		{name: "root scalar dropped", sees: sees, leg: "keep: [a]", body: ` "x"`, want: ` null`},
		{name: "root object not kept", sees: sees, leg: "keep: [a]", body: `{"b":{"c":1}}`, want: `{}`},
	})
}

func TestKeep(t *testing.T) {
	runLegCases(t, []legCase{
		{name: "members", leg: "keep: [a, b.c]", sees: "{}", body: `{"x":1,"a":{"y":1},"b":{"c":[1],"d":2}}`, want: `{"a":{"y":1},"b":{"c":[1]}}`},
		{name: "a leaf where the path goes on", leg: "keep: [a.b]", sees: "{}", body: `{"a":"x","c":1}`, want: `{}`},
		{name: "elements", leg: `keep: ["a.#.b"]`, sees: "{}", body: `{"a":[{"b":1,"c":2},{"c":3},{"b":4}]}`, want: `{"a":[{"b":1},{"b":4}]}`},
		{name: "an index", leg: `keep: ["a.1"]`, sees: "{}", body: `{"a":[1,2,3]}`, want: `{"a":[2]}`},
		{name: "any member", leg: `keep: ["*.b"]`, sees: "{}", body: `{"a":{"b":1,"c":2},"d":{"b":3}}`, want: `{"a":{"b":1},"d":{"b":3}}`},
		{name: "any depth", leg: `keep: ["**.k"]`, sees: "{}", body: `{"k":1,"a":[{"k":{"x":2},"y":3}]}`, want: `{"k":1,"a":[{"k":{"x":2}}]}`},
		{name: "an escaped name", leg: "keep: [card]", sees: "{}", body: `{"\u0063ard":1,"card ":2}`, want: `{"\u0063ard":1}`},
		{name: "every duplicate", leg: "keep: [a]", sees: "{}", body: `{"a":1,"b":2,"a":3}`, want: `{"a":1,"a":3}`},
		{name: "a labelled value that is kept is still judged", leg: "keep: [patient]", sees: "{phi: mask}", body: `{"patient":{"name":"x"}}`, want: `{"patient":{"name":"****"}}`},
		{name: "a blocked value that is not kept does not block", leg: "keep: [a]", sees: "{phi: block}", body: `{"patient":1,"a":2}`, want: `{"a":2}`},
	})
}

func TestFormsOfPaths(t *testing.T) {
	plain := `{"patient":{"name":"Ann","phone":"555"},"a":1}`
	runLegCases(t, []legCase{
		{name: "plain", sees: "{phi: plain}", leg: keepAll, body: plain, want: plain},
		{name: "no entry drops", sees: "{}", leg: keepAll, body: plain, want: `{"a":1}`},
		{name: "the deeper label decides", sees: "{phi: drop, phi.contact: plain}", leg: keepAll, body: plain, want: `{"patient":{"phone":"555"},"a":1}`},
		{name: "also when it is the stricter", sees: "{phi: plain, phi.contact: mask}", leg: keepAll, body: plain, want: `{"patient":{"name":"Ann","phone":"****"},"a":1}`},
		{name: "mask", sees: "{phi: mask}", leg: keepAll, body: `{"patient":[1,true,"x",null,{}]}`, want: `{"patient":["****","****","****",null,{}]}`},
		{name: "null stays under token", sees: "{phi: token}", leg: keepAll, body: `{"patient":null}`, want: `{"patient":null}`},
		{name: "null is dropped", sees: "{phi: drop}", leg: keepAll, body: `{"patient":null,"a":1}`, want: `{"a":1}`},
		{name: "block", sees: "{phi: block}", leg: keepAll, body: plain, err: reason.Blocked},
		{name: "alias", sees: "{phi: alias}", leg: keepAll, body: `{"patient":"\u0041"}`, want: `{"patient":"` + string(alias(0, []byte("A"))) + `"}`},
		{name: "alias of a number is a string", sees: "{phi: alias}", leg: keepAll, body: `{"patient":12}`, want: `{"patient":"` + string(alias(0, []byte("12"))) + `"}`},
		{name: "several families: the strictest", sees: "{phi: plain, pan: mask}", leg: keepAll, body: `{"patient":{"pan":"4111111111111111"}}`, want: `{"patient":{"pan":"************1111"}}`},
		{name: "authentication data by name, at any depth", sees: "{phi: plain}", leg: keepAll, body: `{"a":{"CVV2":"123","b":1},"card-cvc":{"x":{"y":9}}}`, want: `{"a":{"b":1}}`},
		{name: "authentication data by an escaped name", sees: "{}", leg: keepAll, body: `{"\u0063vv":"123","b":1}`, want: `{"b":1}`},
		{name: "authentication data where it may pass", sees: "{sad: plain}", leg: keepAll, body: `{"cvv":"123"}`, want: `{"cvv":"123"}`},
	})
}

func TestCardNumbers(t *testing.T) {
	runLegCases(t, []legCase{
		{name: "plain", sees: "{pan: plain}", leg: keepAll, body: `{"payment":{"card":{"number":"4111111111111111"}}}`, want: `{"payment":{"card":{"number":"4111111111111111"}}}`},
		{name: "token of a string", sees: "{pan: token}", leg: keepAll, body: `{"pan":"4111111111111111"}`, want: `{"pan":"` + tok(card) + `"}`},
		{name: "token of a string with gaps", sees: "{pan: token}", leg: keepAll, body: `{"pan":"5555 5555 5555 4444"}`, want: `{"pan":"` + tok("5555555555554444") + `"}`},
		{name: "token of a number", sees: "{pan: token}", leg: keepAll, body: `{"pan":4111111111111111}`, want: `{"pan":` + tok(card) + `}`},
		{name: "token of a number by value", sees: "{pan: token}", leg: keepAll, body: `{"pan":4.111111111111111e15}`, want: `{"pan":` + tok(card) + `}`},
		{name: "a card that fails Luhn is sealed", sees: "{pan: token}", leg: keepAll, body: `{"pan":"6221558812340000"}`, want: `{"pan":"SEALED-CARD"}`},
		{name: "mask of a number", sees: "{pan: mask}", leg: keepAll, body: `{"pan":4111111111111111}`, want: `{"pan":"************1111"}`},
		{name: "mask of fifteen digits", sees: "{pan: mask}", leg: keepAll, body: `{"pan":"378282246310005"}`, want: `{"pan":"***********0005"}`},
		{name: "drop", sees: "{}", leg: keepAll, body: `{"payment":{"card":{"number":"4111111111111111"}},"a":1}`, want: `{"a":1}`},
		{name: "a typing mistake is masked", sees: "{pan: mask}", leg: keepAll, body: `{"pan":"4111111111111112"}`, want: `{"pan":"********"}`},
		{name: "a typing mistake passes plain", sees: "{pan: plain}", leg: keepAll, body: `{"pan":"4111111111111112"}`, want: `{"pan":"4111111111111112"}`},
		{name: "anywhere: a string", sees: "{pan: token}", leg: keepAll, body: `{"x":"4111111111111111"}`, want: `{"x":"` + tok(card) + `"}`},
		{name: "anywhere: a number", sees: "{pan: token}", leg: keepAll, body: `[4111111111111111]`, want: `[` + tok(card) + `]`},
		{name: "anywhere: a dropped number", sees: "{}", leg: keepAll, body: `{"x":4111111111111111,"a":1}`, want: `{"a":1}`},
		{name: "in a note", sees: "{pan: token}", leg: keepAll, body: `{"x":"card 4111 1111 1111 1111, call\n\"Ann\""}`, want: `{"x":"card ` + tok(card) + `, call\n\"Ann\""}`},
		{name: "in a note, behind escapes", sees: "{pan: mask}", leg: keepAll, body: `{"x":"\u00e9\t\ud83d\ude00 \u0034111111111111111 é"}`, want: `{"x":"\u00e9\t\ud83d\ude00 ************1111 é"}`},
		{name: "in a note, dropped", sees: "{}", leg: keepAll, body: `{"x":"a 4111111111111111 b 5555555555554444"}`, want: `{"x":"a [pan] b [pan]"}`},
		{name: "in a note, blocked", sees: "{pan: block}", leg: keepAll, body: `{"x":"a 4111111111111111 b"}`, err: reason.Blocked},
		{name: "in a note that is dropped", sees: "{pan: plain}", leg: keepAll, body: `{"patient":"a 4111111111111111 b","a":1}`, want: `{"a":1}`},
		{name: "in a note that is masked", sees: "{pan: plain, phi: mask}", leg: keepAll, body: `{"patient":"a 4111111111111111 b","a":1}`, want: `{"patient":"****","a":1}`},
		{name: "in a note that is tokenized, but cards are dropped", sees: "{pan: drop, phi: token}", leg: keepAll, body: `{"patient":"a 4111111111111111 b","a":1}`, want: `{"a":1}`},
		{name: "JSON in a string is text", sees: "{pan: mask}", leg: keepAll, body: `{"x":"{\"number\":\"4111111111111111\"}"}`, want: `{"x":"{\"number\":\"************1111\"}"}`},
		{name: "a member name: token", sees: "{pan: token}", leg: keepAll, body: `{"4111111111111111":{"b":1}}`, want: `{"` + tok(card) + `":{"b":1}}`},
		{name: "a member name: mask, of a leaf", sees: "{pan: mask}", leg: keepAll, body: `{"a":0,"no 4111111111111111":1}`, want: `{"a":0,"no ************1111":1}`},
		{name: "a member name: drop takes the member", sees: "{}", leg: keepAll, body: `{"\u00344111111111111111":1,"4111111111111111":{"b":1},"a":2}`, want: `{"\u00344111111111111111":1,"a":2}`},
		{name: "a member name: block", sees: "{pan: block}", leg: keepAll, body: `{"a":{"4111111111111111":{"b":1}}}`, err: reason.Blocked},
		{name: "every duplicate", sees: "{pan: mask}", leg: keepAll, body: `{"pan":"4111111111111111","pan":"5555555555554444","p\u0061n":378282246310005}`,
			want: `{"pan":"************1111","pan":"************4444","p\u0061n":"***********0005"}`},
	})
}

func TestArrivingTokens(t *testing.T) {
	token := tok(card)
	runLegCases(t, []legCase{
		{name: "revealed for plain", sees: "{pan: plain}", leg: keepAll, body: `{"pan":"` + token + `"}`, want: `{"pan":"4111111111111111"}`},
		{name: "revealed as a number", sees: "{pan: plain}", leg: keepAll, body: `{"pan":` + token + `}`, want: `{"pan":4111111111111111}`},
		{name: "stays for token", sees: "{pan: token}", leg: keepAll, body: `{"pan":"` + token + `"}`, want: `{"pan":"` + token + `"}`},
		{name: "masked", sees: "{pan: mask}", leg: keepAll, body: `{"pan":"` + token + `"}`, want: `{"pan":"************1111"}`},
		{name: "dropped", sees: "{}", leg: keepAll, body: `{"pan":"` + token + `","payment":{"card":{"number":"` + token + `"}},"a":1}`, want: `{"a":1}`},
		{name: "unknown for plain", sees: "{pan: plain}", leg: keepAll, body: `{"pan":"7000000000000001"}`, err: reason.TokenUnknown},
		{name: "unknown for token", sees: "{pan: token}", leg: keepAll, body: `{"pan":"7000000000000001"}`, err: reason.TokenUnknown},
		{name: "elsewhere it is a number", sees: "{pan: mask}", leg: keepAll, body: `{"x":"` + token + `"}`, want: `{"x":"` + token + `"}`},
		{name: "sealed: revealed", sees: "{phi: plain}", leg: keepAll, body: `{"x":"SEALED"}`, want: `{"x":"Ms \u0058"}`},
		{name: "sealed: stays", sees: "{phi: token}", leg: keepAll, body: `{"x":"SEALED"}`, want: `{"x":"SEALED"}`},
		{name: "sealed: masked", sees: "{phi: mask}", leg: keepAll, body: `{"x":"SEALED"}`, want: `{"x":"****"}`},
		{name: "sealed: dropped", sees: "{}", leg: keepAll, body: `{"x":"SEALED","a":1}`, want: `{"a":1}`},
		{name: "sealed: blocked", sees: "{phi: block}", leg: keepAll, body: `{"x":"SEALED"}`, err: reason.Blocked},
		{name: "sealed: the place is stricter", sees: "{phi: plain, staff: mask}", leg: keepAll, body: `{"staff":"SEALED"}`, want: `{"staff":"****"}`},
		{name: "sealed: within a text", sees: "{phi: plain}", leg: keepAll, body: `{"x":"for SEALED."}`, want: `{"x":"for Ms \u0058."}`},
		{name: "sealed: a text within a text", sees: "{phi: plain}", leg: keepAll, body: `{"x":"for SEALED-TEXT."}`, want: `{"x":"for Ms \"X\"."}`},
		{name: "sealed: a text as a value", sees: "{phi: plain}", leg: keepAll, body: `{"x":"SEALED-TEXT"}`, want: `{"x":"Ms \"X\""}`},
		{name: "sealed: within a text, dropped", sees: "{}", leg: keepAll, body: `{"x":"for SEALED."}`, want: `{"x":"for [phi]."}`},
		{name: "sealed: within a text with a card", sees: "{phi: plain, pan: mask}", leg: keepAll, body: `{"x":"4111111111111111 SEALED 5555555555554444"}`, want: `{"x":"************1111 Ms \u0058 ************4444"}`},
		{name: "sealed: no label of ours", sees: "{phi: plain}", leg: keepAll, body: `{"x":"FOREIGN"}`, err: reason.TokenUnknown},
		{name: "sealed: not kept", sees: "{phi: block}", leg: "keep: [a]", body: `{"x":"SEALED","a":1}`, want: `{"a":1}`},
	})
}

func TestSetAndUnlink(t *testing.T) {
	set := "keep: all\nset: {description: \"Store purchase\"}"
	runLegCases(t, []legCase{
		{name: "added", sees: "{}", leg: set, body: `{"a":1 }`, want: `{"a":1,"description":"Store purchase" }`},
		{name: "replaces every occurrence", sees: "{}", leg: set, body: `{"description":{"x":1},"a":1,"d\u0065scription":2}`, want: `{"a":1,"description":"Store purchase"}`},
		{name: "into an empty object", sees: "{}", leg: set, body: `{ }`, want: `{"description":"Store purchase"}`},
		{name: "into an emptied object", sees: "{}", leg: set, body: `{"patient":1}`, want: `{"description":"Store purchase"}`},
		{name: "behind a removed member", sees: "{}", leg: set, body: `{"a":1,"patient":2}`, want: `{"a":1,"description":"Store purchase"}`},
		{name: "several", sees: "{}", leg: "keep: all\nset: {x: 1, \"y\": [true, null]}", body: `{"a":1}`, want: `{"a":1,"x":1,"y":[true,null]}`},
		{name: "below the root", sees: "{}", leg: "keep: all\nset: {\"a.b\": 1, \"c\\\\.d.e\": \"x\"}", body: `{"a":{"b":0,"z":2}}`, want: `{"a":{"z":2,"b":1},"c.d":{"e":"x"}}`},
		{name: "no object", sees: "{}", leg: set, body: `[1]`, err: reason.BodyMalformed},
		{name: "unlink", sees: "{}", leg: "keep: all\nroute: unlink: [id]", body: `{"id":"A-1","b":"A-1"}`, want: `{"id":"` + string(alias(0, []byte("A-1"))) + `","b":"A-1"}`},
		{name: "unlink of null", sees: "{}", leg: "keep: all\nroute: unlink: [id]", body: `{"id":null}`, want: `{"id":null}`},
		{name: "unlink of what is dropped", sees: "{}", leg: "keep: all\nroute: unlink: [staff]", body: `{"staff":"x","a":1}`, want: `{"a":1}`},
		{name: "unlink twice", sees: "{}", leg: "keep: all\nroute: unlink: [id]", body: `{"id":"A-1","id":"A-1"}`, err: reason.AmbiguousMember},
		{name: "subject twice", sees: "{}", leg: "keep: all\nroute: subject: a.b", body: `{"a":{"b":1,"\u0062":2}}`, err: reason.AmbiguousMember},
		{name: "an ancestor of the idempotency key twice", sees: "{}", leg: "keep: all\nroute: idempotency: {key: a.b}", body: `{"a":1,"x":2,"a":{"b":1}}`, err: reason.AmbiguousMember},
		{name: "what decides nothing twice", sees: "{}", leg: "keep: all\nroute: idempotency: {key: a.b}", body: `{"x":{"a":1,"a":2}}`, want: `{"x":{"a":1,"a":2}}`},
	})
}
