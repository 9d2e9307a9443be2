package proxy

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// verdict says what the end of a try means: for the leg, and for everything
// that waits for the same destination.
type verdict uint8

const (
	// accepted: any 2xx. And 409, where a try before this one may have arrived,
	// and the destination has answered 409 twice in a row: nobody but us knows
	// the leg's key, and what is still being worked on would have ended.
	accepted verdict = iota
	// troubled: 408, 425 and all that is not listed: the leg goes on being
	// tried, and says nothing of others.
	troubled
	// refused: the content is refused. It gets few tries, since what waits
	// behind it in its order would wait for nothing.
	refused
	// failing: no answer, 5xx, 429, and what speaks of the caller in place of
	// the content (401, 407, 421, a redirection): it would happen to any leg.
	failing
	// crowded: we had no connection to spare, or no time. It says nothing of
	// the destination.
	crowded
)

// judge says what a status means to a leg with this trial; err is of a call
// that has no answer.
func judge(how sending, status int, err error, t *trial) verdict {
	switch {
	case how == sentNothing && (errors.Is(err, fasthttp.ErrNoFreeConns) || errors.Is(err, fasthttp.ErrTimeout)):
		return crowded // a dial that takes too long is an error of the net
	case err != nil:
		return failing
	}
	switch class := status / 100; {
	case class == 2:
		return accepted
	case status == http.StatusConflict && t.reached && t.status == http.StatusConflict:
		return accepted
	case class == 1, class == 3, class >= 5:
		return failing
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusMisdirectedRequest:
		return failing
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return troubled
	}
	return refused
}

// mayHaveArrived reports whether a destination may have taken a leg that it did
// not accept.
func mayHaveArrived(how sending, status int) bool {
	return how == sentSome || how == answered && (status >= 500 || status == http.StatusRequestTimeout)
}

// reasonOf is why a try was in vain, in a word.
func reasonOf(status int, err error) string {
	if err == nil {
		return "status_" + strconv.Itoa(status)
	}
	switch causeOf(err) {
	case "timeout":
		return "timeout"
	case "cannot connect":
		return "unreachable"
	case "no free connection":
		return "no_connection"
	case "certificate not trusted":
		return "certificate"
	}
	return "no_answer"
}

// retryAfter reads the field of that name, in seconds or as a date (RFC 9110,
// 10.2.3). It is 0 where there is none that can be read, and most at most.
func retryAfter(resp *fasthttp.Response, now time.Time, most time.Duration) time.Duration {
	value := bytes.TrimSpace(resp.Header.Peek("Retry-After"))
	if len(value) == 0 {
		return 0
	}
	wait := time.Duration(0)
	if n, err := strconv.ParseUint(string(value), 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := fasthttp.ParseHTTPDate(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), most)
}
