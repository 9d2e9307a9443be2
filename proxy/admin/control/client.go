package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"
)

// ErrNotRunning is wrapped where no proxy runs on a data folder, so that its
// files may be opened.
var ErrNotRunning = errors.New("no chaperone runs on this data folder")

// ErrCut is wrapped where a stream ended before the proxy said that it had.
var ErrCut = errors.New("the proxy went away in mid-answer")

// Error is what the proxy answers in place of what was asked for.
type Error struct {
	Status  int    // HTTP status; 200 where it failed in mid-stream
	Message string // one line
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Client talks to a running proxy. Safe for concurrent use.
type Client struct {
	http *http.Client
}

const dialTime = 5 * time.Second

// Dial connects to the proxy that runs on a data folder. The error wraps
// ErrNotRunning where none does: no socket, or one that a dead process left.
func Dial(ctx context.Context, dataDir string) (*Client, error) {
	path := SocketPath(dataDir)
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	first, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s: %w", path, ErrNotRunning)
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	}
	_ = first.Close() // it only had to be possible
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "unix", path)
		},
		DisableCompression: true,
	}
	return &Client{http: &http.Client{Transport: transport}}, nil
}

// Close gives the connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status returns what the proxy says of itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.document(ctx, PathStatus, nil, &s)
}

// Tail yields the last n entries, and with follow those that come until ctx
// ends. The reading is on record before the first. It stops at an error of
// yield and returns it.
func (c *Client) Tail(ctx context.Context, n int, follow bool, yield func(LogLine) error) error {
	q := url.Values{"n": {strconv.Itoa(n)}, "follow": {strconv.FormatBool(follow)}}
	err := stream(ctx, c, PathLogTail, q, yield)
	if follow && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// Legs yields the legs of the outbox in a state, all of them for "".
func (c *Client) Legs(ctx context.Context, state LegState, yield func(Leg) error) error {
	q := url.Values{}
	if state != "" {
		q.Set("state", string(state))
	}
	return stream(ctx, c, PathOutbox, q, yield)
}

// Doubts yields the sales in doubt, the oldest first.
func (c *Client) Doubts(ctx context.Context, yield func(Doubt) error) error {
	return stream(ctx, c, PathDoubts, nil, yield)
}

func (c *Client) get(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: "chaperone", Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	return c.do(request)
}

// do sends a request, and turns a refusal into an Error.
func (c *Client) do(request *http.Request) (*http.Response, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	var m Message
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&m); err != nil || m.Error == "" {
		m.Error = "the proxy answered " + response.Status
	}
	return nil, &Error{Status: response.StatusCode, Message: m.Error}
}

func (c *Client) document(ctx context.Context, path string, query url.Values, v any) error {
	response, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return fmt.Errorf("control socket: answer to %s: %w", path, err)
	}
	return nil
}

func stream[T any](ctx context.Context, c *Client, path string, query url.Values, yield func(T) error) error {
	response, err := c.get(ctx, path, query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = items(ctx, path, json.NewDecoder(bufio.NewReader(response.Body)), yield)
	return err
}
