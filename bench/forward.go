package main

import (
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// forwarder is the peer that does nothing but forward: the request as it came
// to the stub, the stub's answer back. A request to /three goes to all three
// destinations, one after the other; the first one's answer is the caller's.
type forwarder struct{ client *fasthttp.HostClient }

func (f *forwarder) handle(ctx *fasthttp.RequestCtx) {
	n := 1
	if string(ctx.Path()) == "/three" {
		n = len(destinations)
	}
	request := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(request)
	ctx.Request.Header.CopyTo(&request.Header)
	request.SetBodyRaw(ctx.PostBody())
	request.Header.Del("Connection")
	answer := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(answer)
	for i := range n {
		request.SetRequestURI(destinations[i])
		request.SetHost(f.client.Addr)
		to := &ctx.Response
		if i > 0 {
			to = answer
			to.Reset()
		}
		if err := f.client.Do(request, to); err != nil {
			ctx.Response.Reset()
			ctx.SetStatusCode(fasthttp.StatusBadGateway)
			return
		}
	}
	ctx.Response.Header.Del("Connection")
}

func serveForward(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("serve-forward ADDRESS UPSTREAM")
	}
	f := &forwarder{client: &fasthttp.HostClient{
		Addr:                          args[1],
		MaxConns:                      1024,
		MaxIdleConnDuration:           time.Minute,
		NoDefaultUserAgentHeader:      true,
		DisableHeaderNamesNormalizing: true,
		Dial:                          func(a string) (net.Conn, error) { return net.DialTimeout("tcp", a, 5*time.Second) },
	}}
	return serve(args[0], f.handle)
}
