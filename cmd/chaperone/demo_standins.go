package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"chaperone/deploy/medspa"

	"github.com/tidwall/gjson"
)

// standInsAt is where `demo --receivers` listens, and on the two ports after
// it: the addresses that the sample's policy has.
var standInsAt = strings.TrimPrefix(medspa.ProcessorURL, "http://")

// declinedCard is the test card that every stand-in processor declines.
const declinedCard = "4000000000000002"

// playReceivers runs the three stand-ins alone, for a proxy that is run beside
// them, and shows what each of them gets until it is told to stop.
func playReceivers(ctx context.Context, a *app, address string) error {
	host, portText, err := net.SplitHostPort(address)
	port, bad := strconv.Atoi(portText)
	switch {
	case err != nil || bad != nil || port < 1 || port > 65533:
		return failed("write it as "+standInsAt, "%q is no address with a port", address)
	case !loopback(address):
		return failed("the demo is for this machine alone: take a port of 127.0.0.1", "%s is not a loopback address", address)
	}
	ctx, stop := stoppable(ctx)
	defer stop()
	p, width := paletteFor(a.out), terminalWidth(a.out)
	var mu sync.Mutex // one delivery is shown at a time
	for i, name := range parties {
		r, err := startReceiver(name, net.JoinHostPort(host, strconv.Itoa(port+i)), standInAnswers[name])
		if err != nil {
			return failed("another demo may be running; --receivers=ADDRESS takes another port", "%w", err)
		}
		defer r.close()
		r.watch(func(d delivery) {
			mu.Lock()
			defer mu.Unlock()
			_, _ = fmt.Fprintf(a.out, "\n%s %s\n%s\n", p.cyan(titles[name]), p.dim("at "+d.path), printable(jsonText(d.body, width)))
		})
		mu.Lock()
		_, err = fmt.Fprintf(a.out, "%s  %s\n", pad(name, len("processor")), r.url)
		mu.Unlock()
		if err != nil {
			return err
		}
	}
	mu.Lock()
	_, err = fmt.Fprintf(a.out, "\nWhat each of them gets is shown below. The card %s is declined. Ctrl-C stops them.\n", declinedCard)
	mu.Unlock()
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// standInAnswers are how the stand-ins answer.
var standInAnswers = map[string]func([]byte) (int, any){
	"processor": answerAnySale, "ehr": answerEHR, "ledger": answerLedger,
}

// answerAnySale answers as a card processor to a body of any shape.
func answerAnySale(body []byte) (int, any) {
	if gjson.GetBytes(body, cardPath).Exists() && gjson.GetBytes(body, "totals.total").Exists() {
		return answerProcessor(body)
	}
	a := map[string]any{"id": "pay_" + receipt(), "status": "approved", "auth_code": receipt()[:6]}
	if bytes.Contains(body, []byte(declinedCard)) {
		a = map[string]any{"id": a["id"], "status": "declined", "reason": "insufficient_funds"}
		return http.StatusPaymentRequired, a
	}
	return http.StatusOK, a
}
