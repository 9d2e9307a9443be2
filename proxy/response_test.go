package proxy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// twin writes an answer twice: as ours, and as fasthttp's.
type twin struct {
	ours   response
	theirs fasthttp.Response
}

func newTwin() *twin {
	w := new(twin)
	w.theirs.Header.SetNoDefaultContentType(true)
	return w
}

func (w *twin) status(n int) { w.ours.SetStatusCode(n); w.theirs.SetStatusCode(n) }
func (w *twin) set(k, v string) {
	w.ours.Header.Set(k, v)
	w.theirs.Header.Set(k, v)
}
func (w *twin) add(k, v string) {
	w.ours.Header.Add(k, v)
	w.theirs.Header.Add(k, v)
}
func (w *twin) media(v string) {
	w.ours.Header.SetContentType(v)
	w.theirs.Header.SetContentType(v)
}
func (w *twin) body(b string) { w.ours.SetBody([]byte(b)); w.theirs.SetBody([]byte(b)) }
func (w *twin) taken(b string) {
	w.ours.TakeBody([]byte(b))
	w.theirs.SetBody([]byte(b))
}

// written is what fasthttp makes of the answer, as the server asked it to.
func (w *twin) written(last lastField, bodiless bool) string {
	h, body := &w.theirs.Header, w.theirs.Body()
	switch status := h.StatusCode(); {
	case bodiless, status/100 == 1, status == 204, status == 304:
		if len(body) > 0 {
			h.SetContentLength(len(body))
		}
		body = nil
	default:
		h.SetContentLength(len(body))
	}
	switch last {
	case saysClose:
		h.SetConnectionClose()
	case saysKeepAlive:
		h.Set("Connection", "keep-alive")
	}
	return string(append(h.AppendBytes(nil), body...))
}

var dateField = regexp.MustCompile(`\r\nDate: ([^\r]*)\r\n`)

// agree fails unless both say the same, at a time that is fasthttp's own to say.
func (w *twin) agree(t *testing.T, last lastField, bodiless bool) {
	t.Helper()
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.FixedZone("", 3600))
	text, rest := w.ours.message(at, last, bodiless)
	ours, theirs := string(text)+string(rest), w.written(last, bodiless)
	date := dateField.FindStringSubmatch(ours)
	if date == nil {
		t.Fatalf("there is no date: %q", ours)
	}
	if when, err := http.ParseTime(date[1]); err != nil || !when.Equal(at.Truncate(time.Second)) {
		t.Errorf("the date is %q, %v", date[1], err)
	}
	const some = "\r\nDate: then\r\n"
	ours, theirs = dateField.ReplaceAllLiteralString(ours, some), dateField.ReplaceAllLiteralString(theirs, some)
	if ours != theirs {
		t.Errorf("written %q\nfasthttp writes %q", ours, theirs)
	}
}

// TestResponseIsFasthttps writes answers with fasthttp as well.
func TestResponseIsFasthttps(t *testing.T) {
	long := strings.Repeat("a long value ", 60)
	for name, make := range map[string]func(w *twin){
		"nothing":                    func(w *twin) {},
		"a body":                     func(w *twin) { w.media("application/json"); w.body(`{"a":1}`) },
		"an empty body":              func(w *twin) { w.body("") },
		"a body without a type":      func(w *twin) { w.body("x") },
		"a type without a body":      func(w *twin) { w.media("application/json") },
		"a body over another":        func(w *twin) { w.body("the first one, which is longer"); w.body("second") },
		"a body that is taken":       func(w *twin) { w.media("a/b"); w.taken("taken") },
		"a body taken over another":  func(w *twin) { w.body("the first"); w.taken("taken") },
		"a body over a taken one":    func(w *twin) { w.taken("taken"); w.body("second") },
		"a large body":               func(w *twin) { w.body(strings.Repeat("x", oneWrite+1)) },
		"a large body that is taken": func(w *twin) { w.taken(strings.Repeat("x", oneWrite+1)) },
		"fields": func(w *twin) {
			w.set("Chaperone-Request-Id", "abc")
			w.set("Chaperone-Outcome", "released")
			w.set("Retry-After", "")
			w.body("{}")
		},
		"a field set twice": func(w *twin) {
			w.set("Chaperone-Legs", "a=queued b=queued")
			w.set("Chaperone-Outcome", "released")
			w.set("Chaperone-Legs", "a=200")
			w.set("Chaperone-Legs", "a=200 b=queued c=held d=dropped")
			w.set("Chaperone-Outcome", "void")
			w.body("{}")
		},
		"a field added twice": func(w *twin) {
			w.add("Cache-Control", "no-store")
			w.add("Cache-Control", "private")
			w.set("Cache-Control", "max-age=1, private")
			w.body("{}")
		},
		"the type as a field": func(w *twin) { w.set("Content-Type", "application/problem+json"); w.body("{}") },
		"line breaks":         func(w *twin) { w.set("Retry-After", "1\r\nX: y\n"); w.set("Retry-After", "\n2"); w.body("{}") },
		"a long head":         func(w *twin) { w.set("Cache-Control", long); w.body("{}") },
		"a long head, nothing behind it": func(w *twin) {
			w.set("Cache-Control", long)
			w.media("application/json")
		},
	} {
		for _, status := range []int{0, 100, 200, 201, 204, 299, 304, 404, 409, 503, 511, 599, 600, 999} {
			for _, last := range []lastField{saysNothing, saysKeepAlive, saysClose} {
				for _, bodiless := range []bool{false, true} {
					t.Run(fmt.Sprint(name, status, last, bodiless), func(t *testing.T) {
						w := newTwin()
						if status != 0 {
							w.status(status)
						}
						make(w)
						w.agree(t, last, bodiless)
					})
				}
			}
		}
	}
}

// TestResponseAgain uses one response for many answers of random fields.
func TestResponseAgain(t *testing.T) {
	names := []string{"Chaperone-Legs", "Chaperone-Outcome", "Retry-After", "Cache-Control", "Content-Language", "X-Card-Brand"}
	random := rand.New(rand.NewPCG(1, 2))
	w := newTwin()
	for range 5000 {
		w.theirs.Reset()
		w.theirs.Header.SetNoDefaultContentType(true)
		w.status(200 + random.IntN(3))
		for range random.IntN(8) {
			name, value := names[random.IntN(len(names))], strings.Repeat("v", random.IntN(40))
			if random.IntN(4) == 0 {
				w.add(name, value)
			} else {
				w.set(name, value)
			}
		}
		if random.IntN(3) > 0 {
			w.media("application/json")
			w.body(strings.Repeat("b", random.IntN(2000)))
		}
		w.agree(t, saysNothing, random.IntN(5) == 0)
		w.ours.Reset()
		left := append(w.ours.room[:cap(w.ours.room):cap(w.ours.room)], w.ours.Header.lines[:cap(w.ours.Header.lines)]...)
		if len(w.ours.Body()) > 0 || w.ours.Header.ContentType() != "" || len(bytes.Trim(left, "\x00")) > 0 {
			t.Fatalf("something is left: %q", left)
		}
		for name := range w.ours.Header.All() {
			t.Fatalf("field %s is left", name)
		}
	}
}
