package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"chaperone/cmd/chaperone/e2e/rig"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"chaperone": main,
		// Posts a small body and fails unless it gets an answer.
		"chaperone-post": func() {
			if _, err := http.Post(os.Args[1], "application/json", strings.NewReader(`{"text":"fine"}`)); err != nil {
				os.Exit(1)
			}
		},
	})
}

// TestScripts runs testdata/script/*.txtar, one for each verb. Besides
// testscript's own commands they have those below.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		// UPDATE_SCRIPTS=1 go test writes what is printed now into the scripts.
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			env.Setenv("COLUMNS", "80")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": freePort,
			"receiver": startScriptReceiver,
			"awaitok":  awaitOK,
			"post":     post,
			"get":      get,
			"taken":    takePort,
			"awaitlog": awaitText,
			"received": received,
			"fill":     fill,
			"hanging":  startHanging,
			"demojson": demoJSONHolds,
			"oldlog":   oldLog,
			"cmptimed": compareTimed,
		},
	})
}

func usageOf(ts *testscript.TestScript, usage string, args []string, ok bool) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// freePort sets variables to loopback addresses that are free now.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "freeport NAME…", args, len(args) > 0 && !neg)
	for _, name := range args {
		at, err := rig.FreePort()
		ts.Check(err)
		ts.Setenv(name, at)
	}
}

// fill puts the values of variables into files, in the places of ${NAME}.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "fill FILE…", args, len(args) > 0 && !neg)
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// compareTimed compares what was printed with a file, but for times, which the
// file has as TIME.
func compareTimed(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "cmptimed FILE", args, len(args) == 1 && !neg)
	got := regexp.MustCompile(`\b[0-9.]+ m?s\b`).ReplaceAllString(ts.ReadFile("stdout"), "TIME")
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("got:\n%swant:\n%s", got, want)
	}
}

// demoJSONHolds checks a file for what demo --once --json promises to print.
func demoJSONHolds(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "demojson FILE", args, len(args) == 1 && !neg)
	var doc struct {
		Cases []struct {
			Name     string
			Request  any
			Received map[string]map[string]any
			Answer   struct {
				Status  int
				Headers map[string]string
				Body    map[string]any
			}
			Decisions []map[string]any
		}
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(dec.Decode(&doc))
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("more than one JSON document: %v", err)
	}
	calls := map[string][]string{
		"keyed card": {"ehr", "ledger", "processor"}, "no clinical items": {"ledger", "processor"},
		"unknown item": {"ehr", "ledger", "processor"}, "token instead of a card": {"ehr", "ledger", "processor"},
		"malformed body": nil,
	}
	if len(doc.Cases) != len(calls) {
		ts.Fatalf("%d cases, want %d", len(doc.Cases), len(calls))
	}
	for _, c := range doc.Cases {
		var called []string
		for _, party := range parties {
			body, listed := c.Received[party]
			if !listed {
				ts.Fatalf("%s: %s is not listed", c.Name, party)
			}
			if body != nil {
				called = append(called, party)
			}
		}
		slices.Sort(called)
		if want, known := calls[c.Name]; !known || !slices.Equal(called, want) {
			ts.Fatalf("%s: called %v, want %v", c.Name, called, want)
		}
		if len(called) > 0 && (len(c.Decisions) == 0 || c.Answer.Headers["Chaperone-Request-Id"] == "") {
			ts.Fatalf("%s: no decisions, or no request id", c.Name)
		}
		if c.Request == nil || c.Answer.Status == 0 || c.Answer.Body == nil {
			ts.Fatalf("%s: request or answer is missing", c.Name)
		}
	}
}

// takePort sets a variable to a loopback address on which somebody listens.
func takePort(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "taken NAME", args, len(args) == 1 && !neg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// startScriptReceiver starts a stand-in destination and sets a variable to its
// URL. It answers with the file, and appends each body that it gets, a line
// each, to NAME.received.
func startScriptReceiver(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "receiver NAME ANSWERFILE", args, len(args) == 2 && !neg)
	answer := []byte(ts.ReadFile(args[1]))
	into := ts.MkAbs(args[0] + ".received")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender went away
		}
		f, err := os.OpenFile(into, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.Write(append(bytes.ReplaceAll(body, []byte("\n"), nil), '\n'))
			_ = f.Close()
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// startHanging starts a stand-in destination that never answers, sets a
// variable to its URL, and writes NAME.called when it is called.
func startHanging(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "hanging NAME", args, len(args) == 1 && !neg)
	called, over := ts.MkAbs(args[0]+".called"), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(called, []byte("called"), 0o600); err != nil {
			return // the script waits for the file and says so
		}
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}))
	ts.Defer(s.Close)
	ts.Defer(func() { close(over) })
	ts.Setenv(args[0], s.URL)
}

// received waits until a receiver has got so many bodies.
func received(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "received NAME TEXT", args, len(args) == 2 && !neg)
	eventually(ts, fmt.Sprintf("%s received %s", args[0], args[1]), func() error {
		return contains(ts.MkAbs(args[0]+".received"), args[1])
	})
}

// awaitText waits until a file holds a text: the output of a background
// command, say.
func awaitText(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "awaitlog FILE TEXT", args, len(args) == 2 && !neg)
	eventually(ts, args[0]+" says "+args[1], func() error { return contains(ts.MkAbs(args[0]), args[1]) })
}

func contains(file, text string) error {
	b, err := os.ReadFile(file)
	if err == nil && !strings.Contains(string(b), text) {
		err = fmt.Errorf("%s holds %q", filepath.Base(file), b)
	}
	return err
}

// awaitOK waits until a URL answers 200; ! awaitok until it answers something
// else than that.
func awaitOK(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "awaitok URL", args, len(args) == 1)
	eventually(ts, args[0], func() error {
		resp, err := http.Get(args[0])
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if (resp.StatusCode == http.StatusOK) == neg {
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
		return nil
	})
}

// post posts a file and writes status line, headers and body of the answer to
// the file "answer". Further arguments are headers, as in Name:value.
func post(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "post URL BODYFILE [HEADER:VALUE]…", args, len(args) >= 2 && !neg)
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	for _, h := range args[2:] {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Set(name, value)
	}
	writeResponse(ts, req)
}

// get gets a URL into the file "answer".
func get(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, "get URL", args, len(args) == 1 && !neg)
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	writeResponse(ts, req)
}

func writeResponse(ts *testscript.TestScript, req *http.Request) {
	resp, err := (&http.Client{Timeout: 3 * time.Minute}).Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	var b bytes.Buffer
	ts.Check(resp.Write(&b))
	ts.Check(os.WriteFile(ts.MkAbs("answer"), b.Bytes(), 0o600))
}

// eventually asks until there is no error, for at most some minutes: a bound
// against a hang, not a measure.
func eventually(ts *testscript.TestScript, what string, ask func() error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(3 * time.Minute)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("waited in vain for %s: %v", what, err)
		}
	}
}
