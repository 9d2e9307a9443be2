package reason

// Explanation is what there is to say about a code besides one refusal: what it
// means, and what to do. Wrong and Right are an example, where one can be
// written: bodies of a request begin with a brace, and are for the route sale
// of the sample policy of package rules.
type Explanation struct {
	Code  Code
	Means string
	Why   string // why it is so, and what to do
	Wrong string
	Right string
}

// The body that the examples change.
const goodSale = `{"id": "S-1", "currency": "USD", "total": 1500, "items": [{"kind": "treatment", "amount": 1000}, {"kind": "goods", "amount": 500}]}`

// Explanations returns what there is to say about each code, in the order of a
// request's life.
func Explanations() []Explanation {
	return append(append(fromRequest(), fromPolicy()...), fromParts()...)
}

func fromRequest() []Explanation {
	return []Explanation{
		{Code: HostUnknown, Means: "The header Host names none of the proxy's own names.",
			Why:   "A web page on the same network could reach the proxy under a name of its own choice. Add the name to listen.hosts of chaperone.yaml.",
			Wrong: "Host: pos.clinic.example", Right: "Host: 127.0.0.1:8080"},
		{Code: CrossSite, Means: "The request comes from a web page of another site.",
			Why:   "A page that is open on the front-desk PC must not be able to sell. Browsers cannot call the proxy; servers and tills send no Origin.",
			Wrong: "Origin: https://shop.example", Right: "(no header Origin)"},
		{Code: CallerUnknown, Means: "The request shows no key, or one that is no caller's.",
			Why:   "Send the key as Authorization: Bearer KEY, or in a header that identify: names. `chaperone callers list` shows who there is.",
			Wrong: "Authorization: Bearer something", Right: "Authorization: Bearer chp_…"},
		{Code: CallerForbidden, Means: "The caller is known, and may not use the route.",
			Why:   "List the route under the caller's routes, if it should.",
			Wrong: "callers: {till: {routes: [refund]}}   # and the till calls /sale", Right: "callers: {till: {routes: [sale, refund]}}"},
		{Code: RouteUnknown, Means: "No route has the request's path.",
			Why:   "Only what a route names is passed on. Paths are compared whole, after decoding.",
			Wrong: "POST /sales", Right: "POST /sale"},
		{Code: MethodNotAllowed, Means: "A route has the path, and another method.",
			Why: "The header Allow of the answer names those that there are.", Wrong: "PUT /sale", Right: "POST /sale"},
		{Code: HeadMalformed, Means: "The head of the request is no HTTP/1.1, or could be read in two ways.",
			Why:   "Two receivers that read one request differently can be played against each other: two lengths, a length and chunks, a path with encoded slashes or dots.",
			Wrong: "Content-Length: 10\nTransfer-Encoding: chunked", Right: "Content-Length: 10"},
		{Code: ExpectUnknown, Means: "The header Expect asks for something else than 100-continue.",
			Why: "There is nothing else to expect (RFC 9110, section 10.1.1).", Wrong: "Expect: later", Right: "Expect: 100-continue"},
		{Code: NotReady, Means: "The proxy has not started yet, or is about to stop.",
			Why: "Nothing was forwarded; send the request again. /readyz on the admin listener says what it waits for."},
		{Code: AgreementLapsed, Means: "The agreement with a destination that the request needs at once has lapsed.",
			Why:   "Nobody may get health data without one. Nothing was charged. Renew it, and write the new date.",
			Wrong: "agreement: {kind: BAA, reference: R-1, expires: 2020-12-31}", Right: "agreement: {kind: BAA, reference: R-1, expires: 2099-12-31}"},
		{Code: ContentType, Means: "The body is not declared as JSON.",
			Why: "What is not JSON cannot be read, and what cannot be read is not passed on.", Wrong: "Content-Type: text/plain", Right: "Content-Type: application/json"},
		{Code: ContentEncoding, Means: "The body is compressed.",
			Why: "Bodies are read as they are; a small one could become a huge one.", Wrong: "Content-Encoding: gzip", Right: "(no header Content-Encoding)"},
		{Code: BodyTooLarge, Means: "The body is larger than limits.body of chaperone.yaml.", Why: "Bodies are held in memory. Raise the limit if such bodies are meant."},
		{Code: BodyTooSlow, Means: "The body did not arrive within limits.read_timeout.", Why: "Slow senders would hold what others need. Nothing was forwarded; send the request again."},
		{Code: BodyMalformed, Means: "The body is not JSON as RFC 8259 has it.",
			Why:   "Two receivers would read it differently. Comments, trailing commas and single quotes are none.",
			Wrong: `{"id": "S-1",}`, Right: goodSale},
		{Code: BodyTooDeep, Means: "The body is nested more deeply than limits.depth of chaperone.yaml.", Why: "No sale is. Raise the limit if such bodies are meant."},
		{Code: BodyNotUTF8, Means: "The body has bytes that are not UTF-8 text.", Why: "RFC 8259 asks for UTF-8; another encoding would hide names and numbers."},
		{Code: BodyMissing, Means: "The route's legs need a body, and there is none.", Why: "There is nothing to split or to send.", Wrong: "(no body)", Right: goodSale},
	}
}

func fromPolicy() []Explanation {
	return []Explanation{
		{Code: Blocked, Means: "The body holds a value with a label that a party of the route sees as block.",
			Why:   "The policy says that such a request must not go on at all. The entry in the log names the rule.",
			Wrong: "sees: {phi: block}   # and the body has a patient", Right: "sees: {phi: drop}"},
		{Code: AmbiguousMember, Means: "A member that decides something stands in the body twice.",
			Why:   "Two receivers would take different ones: one charges, the other books.",
			Wrong: `{"id": "S-1", "currency": "USD", "total": 1500, "total": 1, "items": [{"kind": "treatment", "amount": 1000}, {"kind": "goods", "amount": 500}]}`, Right: goodSale},
		{Code: BasketShape, Means: "The array of line items is not there, or is something else.",
			Why:   "A route that splits the basket needs it; items: optional on the route admits none.",
			Wrong: `{"id": "S-1", "currency": "USD", "total": 1500, "items": {"kind": "goods", "amount": 1500}}`, Right: goodSale},
		{Code: ClassAbsent, Means: "The primary takes a class of items, and the body has none of it.",
			Why: "There would be nothing to charge. Give the primary items: none, or let such requests come by another route."},
		{Code: AmountMalformed, Means: "An amount is no number, has too many digits, or more decimals than its currency.",
			Why:   "Amounts are computed exactly, never rounded to fit.",
			Wrong: `{"id": "S-1", "currency": "USD", "total": 1500, "items": [{"kind": "treatment", "amount": "much"}, {"kind": "goods", "amount": 500}]}`, Right: goodSale},
		{Code: CurrencyUnknown, Means: "The currency is no code of ISO 4217, and the amounts' decimals depend on it.",
			Why: "Nobody could say how many decimals an amount has.", Wrong: `"currency": "dollars"`, Right: `"currency": "USD"`},
		{Code: TotalsMismatch, Means: "The basket's own totals do not add up.",
			Why:   "Its parts would not add up either. basket.tolerance admits a cent of rounding.",
			Wrong: `{"id": "S-1", "currency": "USD", "total": 1600, "items": [{"kind": "treatment", "amount": 1000}, {"kind": "goods", "amount": 500}]}`, Right: goodSale},
		{Code: TotalsUnsplittable, Means: "An amount is to be shared out over items that are worth nothing.",
			Why: "There is no weight to share it out by. Or an amount of a follow-up is to be split, and the sale's shares are not known."},
		{Code: TokenUnknown, Means: "A token cannot be turned back: it is mistyped, forged, of another scope, revoked, expired, or its key is destroyed.",
			Why: "It is never passed on as if it were the value. Ask for the card again."},
		{Code: EgressBlocked, Means: "The bytes that were about to leave held a card number that their destination may not see.",
			Why: "The last check found what the rules before it should have: a bug or an attack. Nothing was sent. Keep the log entry, and report it."},
		{Code: ExpressionUndecided, Means: "A condition (when) or a computed value (compute) of a leg cannot be decided.",
			Why: "A value that it needs is missing, is of another type, is a token, or holds what the leg's destination may not see. To send the leg or to leave it out would be a guess, so nothing is sent. The entry names the expression; ask for what may be missing by has(\"…\") first (docs/expressions.md)."},
		{Code: TokenLimit, Means: "The caller has made or revealed as many tokens as it may, or tried too many that could not be revealed.",
			Why: "Making tokens of many cards is how a list of all of them would be built. Raise limits under the caller, if so much is meant."},
		{Code: KeyMalformed, Means: "The idempotency key is longer than 256 bytes, has control characters, or has been tried too often.",
			Why:   "A key that is cut or converted would be another key. After many cancelled tries the same sale needs a new one.",
			Wrong: "Idempotency-Key: (1000 characters)", Right: "Idempotency-Key: S-1"},
		{Code: InFlight, Means: "A request with the same key is on its way.", Why: "It will be answered once. Wait, and send the same request again for its answer."},
		{Code: InDoubt, Means: "A request with the same key was sent, and nobody knows whether it happened.",
			Why: "A payment is never sent again by guess. `chaperone outbox doubts` lists them, `outbox resolve` decides them (docs/doubt.md)."},
		{Code: BodyDiffers, Means: "A request with the same key had another body.", Why: "A repeat has the same body. Another sale needs another key; members that may differ go under idempotency.ignore."},
		{Code: AnswerForgotten, Means: "A request with the same key succeeded, and its answer is no longer kept.", Why: "It was not sent again. The log says what happened."},
		{Code: SaleUnknown, Means: "No completed sale has the key that the request follows.", Why: "A refund of nothing could be split by nothing. Check the key, and the caller's group; follows.unknown: send passes such requests on."},
		{Code: SalePending, Means: "The sale that the request follows has yet to be decided.", Why: "Release or cancel it first."},
		{Code: SaleOpen, Means: "The sale that the request follows is in flight or in doubt.", Why: "Wait, or resolve the doubt (docs/doubt.md)."},
	}
}

func fromParts() []Explanation {
	return []Explanation{
		{Code: StoreUnavailable, Means: "The decision could not be recorded.", Why: "No record, no forwarding. Nothing was sent; send the request again. state.on_outage: spool records on local disk meanwhile (docs/outage.md)."},
		{Code: Overloaded, Means: "Large bodies took up all of limits.memory of chaperone.yaml, for as long as limits.read_timeout.", Why: "Nothing was sent; send the request again. Raise limits.memory, if the machine has more."},
		{Code: Internal, Means: "The proxy met a condition that it should never meet.", Why: "Nothing was sent unless the log says so. Keep the log, and report it."},
		{Code: DoubleClaim, Means: "Two proxies took one key while the store was away.", Why: "It was found when the spool was drained. Look at both entries: a key that reached both may have been charged twice (docs/outage.md)."},
		{Code: LateOutcome, Means: "The outcome of a call came after another had been written.", Why: "The first one holds, and the caller was told it. The entry shows both."},
		{Code: KeyringUntied, Means: "The store did not say any more which keyring it belongs to, and a running proxy has written it again.", Why: "Somebody has emptied the store, or put an old copy in its place. Look for what else is missing: `chaperone log verify` (docs/runbooks/ChaperoneLogChainRestarted.md)."},
		{Code: KeyringForeign, Means: "The store says that it belongs to another keyring than that of a running proxy.", Why: "A proxy with another keyring was started on the store when it was empty, or two stores were mixed up. Nothing is overwritten; neither can read what the other has written, and a restart would be refused (docs/runbooks/ChaperoneStoreKeyringForeign.md)."},
		{Code: UpstreamUnreachable, Means: "The primary could not be reached, and no byte of the request was sent.", Why: "Nothing happened there; the key is free. Check the destination's address, certificate and network."},
		{Code: PrimaryTimeout, Means: "The primary did not answer in time.", Why: "Nobody knows whether it happened: the sale is in doubt (docs/doubt.md)."},
		{Code: PrimaryInDoubt, Means: "The connection to the primary broke, or it answered with 5xx.", Why: "Nobody knows whether it happened: the sale is in doubt (docs/doubt.md)."},
		{Code: AnswerUnreadable, Means: "The primary's answer is no JSON, too large, or cut off.", Why: "What cannot be read is not passed on. If it decides the sale, the sale is in doubt."},
		{Code: AnswerWithheld, Means: "The sale happened, and the primary's answer was not passed on.", Why: "It held what the caller may not see, and could not be rewritten. The status is the primary's own; the log has the rest."},
	}
}
