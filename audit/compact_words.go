package audit

import "chaperone/rules/reason"

// words are what names of policies and of ours are often made of: a byte each.
// They are part of the format. None is ever changed or moved; new ones are
// added at the end, 127 at most.
var words = [...]Name{
	// Rules.
	"labels.", "basket.classes.", "token.", "detect.", "routes.", ".legs.", "destinations.", "callers.",
	"keep", "unlink", "detect.pan", "detect.sad", ".on_doubt", ".follows", ".agreement", "basket.",
	// Labels and formats.
	"pan", "sad", "phi", "phi.contact", "phi.", "pii", "sealed", "vaulted", "alias", "default",
	// Paths.
	"items.#.", "items.#", "items", ".#.", ".#", "**.", "*.", "@query.", "@header.", "@path.",
	"patient.", "patient", "payment.card.", "payment.", "payment", "card.", "customer.", "customer",
	"client.", "client", "person.", "consent", "appointment", "billing.", "shipping.", "insurance", "provider",
	"number", "cvv", "track2", "track", "expiry", "holder", "name", "first", "last", "phone", "mobile", "email",
	"address", "street", "city", "postcode", "zip", "birth", "date", "time", "gender", "age", "note",
	"practitioner", "lot", "area", "dose", "sku", "category", "quantity", "price", "amount", "total", "currency",
	"description", "diagnosis", "medical", "record", "photo", "signature", "transaction", "account", "reference",
	"national", "member", "code", "type", "id", "_id",
	// Classes, destinations, routes, callers, purposes.
	"clinical", "retail", "processor", "ledger", "ehr", "checkout", "refund", "front-desk", "treatment", "operations",
	" and ", "local:", "health", "care", "generation ",
}

// reasonCodes are the codes that have a number, by number. They are part of
// the format. None is ever changed or moved; new ones are added at the end. A
// code without a number is written as its text.
var reasonCodes = [...]reason.Code{
	1:  reason.HostUnknown,
	2:  reason.CrossSite,
	3:  reason.CallerUnknown,
	4:  reason.CallerForbidden,
	5:  reason.RouteUnknown,
	6:  reason.MethodNotAllowed,
	7:  reason.HeadMalformed,
	8:  reason.ExpectUnknown,
	9:  reason.NotReady,
	10: reason.AgreementLapsed,
	11: reason.ContentType,
	12: reason.ContentEncoding,
	13: reason.BodyTooLarge,
	14: reason.BodyTooSlow,
	15: reason.BodyMalformed,
	16: reason.BodyTooDeep,
	17: reason.BodyNotUTF8,
	18: reason.BodyMissing,
	19: reason.Blocked,
	20: reason.AmbiguousMember,
	21: reason.BasketShape,
	22: reason.ClassAbsent,
	23: reason.AmountMalformed,
	24: reason.CurrencyUnknown,
	25: reason.TotalsMismatch,
	26: reason.TotalsUnsplittable,
	27: reason.TokenUnknown,
	28: reason.EgressBlocked,
	29: reason.TokenLimit,
	30: reason.KeyMalformed,
	31: reason.InFlight,
	32: reason.InDoubt,
	33: reason.BodyDiffers,
	34: reason.AnswerForgotten,
	35: reason.SaleUnknown,
	36: reason.SalePending,
	37: reason.SaleOpen,
	38: reason.StoreUnavailable,
	39: reason.Overloaded,
	40: reason.Internal,
	41: reason.DoubleClaim,
	42: reason.LateOutcome,
	43: reason.UpstreamUnreachable,
	44: reason.PrimaryTimeout,
	45: reason.PrimaryInDoubt,
	46: reason.AnswerUnreadable,
	47: reason.AnswerWithheld,
	48: reason.ExpressionUndecided,
	49: reason.KeyringUntied,
	50: reason.KeyringForeign,
}

// reasonNumbers are the numbers of reasonCodes.
var reasonNumbers = func() map[reason.Code]byte {
	of := make(map[reason.Code]byte, len(reasonCodes))
	for n, c := range reasonCodes {
		if n > 0 {
			of[c] = byte(n)
		}
	}
	return of
}()
