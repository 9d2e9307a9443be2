package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"chaperone/bench/peers"

	"github.com/valyala/fasthttp"
)

// errUpstream is the error of a role that is called with other arguments.
var errUpstream = errors.New("wants two arguments: ADDRESS UPSTREAM")

// forwarder is the peer that does nothing but forward: the request as it came
// to the stub, the stub's answer back. A request to /three goes to all three
// destinations, one after the other; the first one's answer is the caller's.
//
// With an edit, it is the peer that edits the body first.
type forwarder struct {
	client *fasthttp.HostClient
	edit   peers.Edit // nil: none
}

func (f *forwarder) handle(ctx *fasthttp.RequestCtx) {
	n := 1
	if string(ctx.Path()) == "/three" {
		n = len(destinations)
	}
	request := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(request)
	ctx.Request.Header.CopyTo(&request.Header)
	body := ctx.PostBody()
	if f.edit != nil {
		var err error
		if body, err = f.edit(body); err != nil {
			ctx.SetStatusCode(fasthttp.StatusBadRequest)
			return
		}
	}
	request.SetBodyRaw(body)
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

func serveForward(args []string) error { return serveForwarder(args, nil) }
func serveGJSON(args []string) error   { return serveForwarder(args, peers.GJSON) }

func serveForwarder(args []string, edit peers.Edit) error {
	if len(args) != 2 {
		return errUpstream
	}
	f := &forwarder{edit: edit, client: &fasthttp.HostClient{
		Addr:                          args[1],
		MaxConns:                      1024,
		MaxIdleConnDuration:           time.Minute,
		NoDefaultUserAgentHeader:      true,
		DisableHeaderNamesNormalizing: true,
		Dial:                          func(a string) (net.Conn, error) { return net.DialTimeout("tcp", a, 5*time.Second) },
	}}
	return serve(args[0], f.handle)
}

// buffers lends the copies' buffers to httputil.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return *b.pool.Get().(*[]byte) }
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// serveHTTPUtil is the peer made of the standard library alone.
func serveHTTPUtil(args []string) error {
	if len(args) != 2 {
		return errUpstream
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	s := &http.Server{Handler: standardProxy(args[1]), ErrorLog: log.New(io.Discard, "", 0), ReadTimeout: time.Minute, IdleTimeout: time.Minute}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-end
		// What is left open ends with the process.
		_ = s.Close()
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// standardProxy edits the body before ReverseProxy passes the request on.
func standardProxy(upstream string) http.Handler {
	target := &url.URL{Scheme: "http", Host: upstream, Path: destinations[0]}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL, r.Out.Host = target, ""
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 1024,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		},
		BufferPool: &buffers{pool: sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}},
		ErrorLog:   log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, max(0, r.ContentLength))
		_, err := io.ReadFull(r.Body, body)
		if err == nil {
			body, err = peers.Standard(body)
		}
		if err != nil {
			http.Error(w, "the body is no JSON", http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	})
}
