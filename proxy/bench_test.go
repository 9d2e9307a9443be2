package proxy

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"chaperone/store/redistest"
)

// oneLegPolicy makes a token of the card, leaves the patient out, and splits
// nothing.
const oneLegPolicy = `
labels:
  pan: {paths: [payment.card.number], detect: [pan], token: pan}
  sad: {paths: [payment.card.cvv]}
  phi: {paths: [patient, consent, items.#.practitioner, items.#.lot]}
destinations:
  ledger:
    url: URL
    sees: {pan: token}
routes:
  - name: checkout
    match: {method: POST, path: /v1/checkout}
    idempotency: {key: transaction_id}
    legs:
      - {to: ledger, primary: true, keep: all, success: {status: [2xx], where: {status: approved}}}
`

// BenchmarkLife is a sale from end to end with Redis, in one process with its
// caller and its destinations: compare runs of it with each other only.
func BenchmarkLife(b *testing.B) {
	stub := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"id":"py_7","status":"approved"}`)
	}}
	for _, name := range []string{"split", "one leg"} {
		b.Run(name, func(b *testing.B) {
			l := listenStub(b, stub)
			bed := benchBed(b, redistest.Start(b, redistest.Options{}), func(policy string, urls [3]string) string {
				for _, u := range urls {
					policy = strings.Replace(policy, u, l, 1)
				}
				if name == "one leg" {
					policy = strings.Replace(oneLegPolicy, "URL", l, 1)
				}
				return policy
			})
			body := sampleFile(b, "bodies/keyed-card.json")
			head, tail, _ := strings.Cut(body, "MS-2026-004411")
			var n atomic.Int64
			client := &fasthttp.HostClient{Addr: bed.Addr().String(), MaxConns: 128}
			b.SetParallelism(32)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var req fasthttp.Request
				var resp fasthttp.Response
				var text []byte
				for pb.Next() {
					text = append(append(strconv.AppendInt(append(text[:0], head...), n.Add(1), 10), 'x'), tail...)
					req.SetRequestURI("http://" + client.Addr + "/v1/checkout")
					req.Header.SetMethod("POST")
					req.Header.SetContentType("application/json")
					req.Header.Set("Authorization", "Bearer chp_till")
					req.SetBodyRaw(text)
					if err := client.Do(&req, &resp); err != nil || resp.StatusCode() != 200 {
						b.Errorf("%v %d %s", err, resp.StatusCode(), resp.Body())
						return
					}
				}
			})
		})
	}
}
