package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin/control"
	"chaperone/vault/keys"
)

// book keeps what is recorded.
type book struct {
	mu      sync.Mutex
	entries []audit.Entry
	refuse  func(e *audit.Entry) bool
}

func (b *book) Record(_ context.Context, e *audit.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil && b.refuse(e) {
		return errors.New("the store is away")
	}
	b.entries = append(b.entries, *e)
	return nil
}

// lines are the entries in short: action, target, result, why.
func (b *book) lines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, e := range b.entries {
		lines = append(lines, strings.Join([]string{e.Kind.String(), e.Action.String(), string(e.Target), e.Result.String(), string(e.Why)}, "|"))
	}
	b.entries = nil
	return strings.Join(lines, "\n")
}

// keySocket is a control socket over a fresh keyring.
func keySocket(t *testing.T) (*control.Client, *keys.Ring, *book) {
	t.Helper()
	ring, b := keys.Ephemeral(), new(book)
	t.Cleanup(ring.Close)
	o := new(parts).options(dataDir(t))
	o.Ring, o.Record = ring, b
	s, err := ListenControl(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c, err := control.Dial(t.Context(), o.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, ring, b
}

func wantStatus(t *testing.T, err error, status int, text string) {
	t.Helper()
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Status != status || !strings.Contains(refused.Message, text) {
		t.Errorf("%v, want %d and %q", err, status, text)
	}
}

// TestKeyDesk goes through the life of a generation over the socket, and reads
// the log after each step.
func TestKeyDesk(t *testing.T) {
	c, ring, b := keySocket(t)
	list, err := c.Keys(t.Context())
	if err != nil || list.ID != ring.ID() || list.Kind != "ephemeral" || len(list.Keys) != 5 {
		t.Fatalf("%+v, %v", list, err)
	}
	if got, want := b.lines(), "admin|keys_list||ok|"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}

	made, err := c.Rotate(t.Context(), control.Rotation{Seen: map[string]int{"pan": 1, "store": 1}, Reason: "yearly"})
	if err != nil || len(made) != 2 || made[0].Name() != "pan-2" || made[1].Name() != "store-2" || !made[0].Current {
		t.Fatalf("%+v, %v", made, err)
	}
	if got, want := b.lines(), "admin|keys_rotate|pan-2 store-2||yearly\nadmin|keys_rotate|pan-2 store-2|ok|"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}

	_, err = c.Rotate(t.Context(), control.Rotation{Seen: map[string]int{"pan": 1}, Reason: "again"})
	wantStatus(t, err, http.StatusConflict, "changed by somebody else")
	if got, want := b.lines(), "admin|keys_rotate|pan-2||again\nadmin|keys_rotate|pan-2|failed|"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}

	k, err := c.Retire(t.Context(), control.Retirement{Use: "pan", Generation: 1, Reason: "old"})
	if err != nil || k.State != "retired" || k.Changed.IsZero() {
		t.Fatalf("%+v, %v", k, err)
	}
	k, err = c.Retire(t.Context(), control.Retirement{Use: "pan", Generation: 1, Destroy: true, Reason: "over"})
	if err != nil || k.State != "destroyed" {
		t.Fatalf("%+v, %v", k, err)
	}
	if got, want := b.lines(), "admin|keys_retire|pan-1||old\nadmin|keys_retire|pan-1|ok|\n"+
		"admin|keys_destroy|pan-1||over\nadmin|keys_destroy|pan-1|ok|"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	if err := c.Note(t.Context(), control.KeyNote{Action: "keys_migrate", Target: "local to vault", Reason: "Vault is there"}); err != nil {
		t.Error(err)
	}
	if got, want := b.lines(), "admin|keys_migrate|local to vault||Vault is there"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

// TestKeyDeskRefuses holds that what is refused changes nothing.
func TestKeyDeskRefuses(t *testing.T) {
	c, ring, b := keySocket(t)
	rotate := func(seen map[string]int, reason string) func() error {
		return func() error {
			_, err := c.Rotate(t.Context(), control.Rotation{Seen: seen, Reason: reason})
			return err
		}
	}
	retire := func(r control.Retirement) func() error {
		return func() error { _, err := c.Retire(t.Context(), r); return err }
	}
	note := func(n control.KeyNote) func() error { return func() error { return c.Note(t.Context(), n) } }
	one := map[string]int{"store": 1}
	for _, tt := range []struct {
		name   string
		do     func() error
		status int
		text   string
	}{
		{"no use", rotate(nil, "x"), http.StatusBadRequest, "no use"},
		{"no such use", rotate(map[string]int{"pin": 1}, "x"), http.StatusUnprocessableEntity, "no such use"},
		{"derive", rotate(map[string]int{"derive": 1}, "x"), http.StatusUnprocessableEntity, "never rotates"},
		{"one of two", rotate(map[string]int{"derive": 1, "store": 1}, "x"), http.StatusUnprocessableEntity, "never rotates"},
		{"generation zero", rotate(map[string]int{"store": 0}, "x"), http.StatusUnprocessableEntity, "generation 0"},
		{"no reason", rotate(one, " "), http.StatusUnprocessableEntity, "a reason is needed"},
		{"a card as the reason", rotate(one, "card 4111 1111 1111 1111"), http.StatusUnprocessableEntity, "card number"},
		{"digits as the reason", rotate(one, "for 123456-789012"), http.StatusUnprocessableEntity, "card number"},
		{"a long reason", rotate(one, strings.Repeat("x", 257)), http.StatusUnprocessableEntity, "257 bytes"},
		{"the current one", retire(control.Retirement{Use: "store", Generation: 1, Reason: "x"}), http.StatusUnprocessableEntity, "rotate first"},
		{"none such", retire(control.Retirement{Use: "store", Generation: 9, Reason: "x"}), http.StatusNotFound, "missing"},
		{"another action", note(control.KeyNote{Action: "keys_rotate", Reason: "x"}), http.StatusBadRequest, "no such action"},
		{"another result", note(control.KeyNote{Action: "keys_migrate", Result: "so", Reason: "x"}), http.StatusBadRequest, "no such result"},
		{"a note without a reason", note(control.KeyNote{Action: "keys_migrate"}), http.StatusUnprocessableEntity, "reason"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantStatus(t, tt.do(), tt.status, tt.text) })
	}
	if strings.Contains(b.lines(), "4111") {
		t.Error("a card number is in the log")
	}
	// No record, no change.
	b.refuse = func(*audit.Entry) bool { return true }
	wantStatus(t, rotate(one, "x")(), http.StatusServiceUnavailable, "not done")
	_, err := c.Keys(t.Context())
	wantStatus(t, err, http.StatusServiceUnavailable, "put on record")
	if got := ring.Status(t.Context()).Revision; got != 1 {
		t.Errorf("revision %d: what was refused was done", got)
	}
	// The record of the end alone is missing: it is said.
	b.refuse = func(e *audit.Entry) bool { return e.Result == audit.ResultOK }
	wantStatus(t, rotate(one, "x")(), http.StatusServiceUnavailable, "it is done, but")
}

// TestKeyRace lets many who saw the same generation rotate at once: one wins.
func TestKeyRace(t *testing.T) {
	c, ring, _ := keySocket(t)
	won := make(chan bool)
	const many = 8
	for range many {
		go func() {
			_, err := c.Rotate(context.Background(), control.Rotation{Seen: map[string]int{"sealed": 1}, Reason: "at once"})
			won <- err == nil
		}()
	}
	winners := 0
	for range many {
		if <-won {
			winners++
		}
	}
	if winners != 1 || ring.Status(t.Context()).Revision != 2 {
		t.Errorf("%d won, revision %d", winners, ring.Status(t.Context()).Revision)
	}
}

// TestKeyMetrics is each condition of Vault as Prometheus sees it.
func TestKeyMetrics(t *testing.T) {
	began := time.Now().Add(-time.Hour)
	list := []keys.Info{
		{Use: keys.UsePAN, Generation: 1, Created: began, From: began},
		{Use: keys.UsePAN, Generation: 2, Current: true, Created: began, From: began},
		{Use: keys.UseStore, Generation: 1, Current: true, Created: began, From: time.Now().Add(time.Hour)},
	}
	for _, tt := range []struct {
		name   string
		status keys.Status
		want   []string
		absent []string
	}{
		{"local", keys.Status{Kind: "local", Reachable: true, Revision: 3},
			[]string{"chaperone_keyring_revision 3", `chaperone_keyring_info{kind="local"} 1`, `chaperone_key_generation{use="pan"} 2`, `chaperone_key_age_seconds{use="store"} 0`},
			[]string{"chaperone_vault_"}},
		{"well", keys.Status{Kind: "vault", Reachable: true, RefreshedAt: time.UnixMilli(1_700_000_000_500), TokenExpires: time.Now().Add(time.Hour)},
			[]string{"chaperone_vault_up 1", "chaperone_vault_sealed 0", "chaperone_vault_denied 0", "chaperone_vault_keyset_lost 0", "chaperone_vault_refresh_timestamp_seconds 1.7000000005e+09", "chaperone_vault_token_ttl_seconds 3"},
			nil},
		{"a token for ever", keys.Status{Kind: "vault", Reachable: true}, []string{"chaperone_vault_up 1"}, []string{"token_ttl", "refresh_timestamp"}},
		{"unreachable", keys.Status{Kind: "vault", LastError: "unreachable"}, []string{"chaperone_vault_up 0", "chaperone_vault_keyset_lost 0"}, nil},
		{"sealed", keys.Status{Kind: "vault", Sealed: true, LastError: "sealed"}, []string{"chaperone_vault_up 1", "chaperone_vault_sealed 1"}, nil},
		{"denied", keys.Status{Kind: "vault", LastError: "denied"}, []string{"chaperone_vault_denied 1"}, nil},
		{"deleted", keys.Status{Kind: "vault", LastError: "missing"}, []string{"chaperone_vault_keyset_lost 1"}, nil},
		{"overwritten", keys.Status{Kind: "vault", LastError: "conflict"}, []string{"chaperone_vault_keyset_lost 1"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMetrics(Build{})
			m.SetState(func(context.Context) (s State) { s.SetKeyring(tt.status, list); return s })
			text := scrape(t, m)
			for _, want := range tt.want {
				if !strings.Contains(text, "\n"+want) {
					t.Errorf("no %s", want)
				}
			}
			for _, absent := range tt.absent {
				if strings.Contains(text, absent) {
					t.Errorf("there is %s", absent)
				}
			}
		})
	}
}
