package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func passphrase(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

func mustOpenLocal(t *testing.T, o LocalOptions) *Ring {
	t.Helper()
	r, err := OpenLocal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestLocal(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(t *testing.T, o *LocalOptions)
	}{
		{"default key file", func(*testing.T, *LocalOptions) {}},
		{"key file elsewhere", func(t *testing.T, o *LocalOptions) { o.KeyFile = filepath.Join(t.TempDir(), "key") }},
		{"passphrase", func(_ *testing.T, o *LocalOptions) { o.Passphrase = passphrase("correct horse") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := LocalOptions{Dir: filepath.Join(t.TempDir(), "data")}
			tt.set(t, &o)
			r := mustOpenLocal(t, o)
			if s := r.Status(t.Context()); s.Kind != "local" || !s.Reachable || s.Revision != 1 {
				t.Errorf("%+v", s)
			}
			sealed, mac := r.Seal(nil, []byte("x"), nil), r.MAC(nil, "p", []byte("x"))
			if _, err := r.Rotate(t.Context(), UseStore); err != nil {
				t.Fatal(err)
			}
			second := r.Seal(nil, []byte("y"), nil)
			id := r.ID()
			r.Close()

			again := mustOpenLocal(t, o)
			if again.ID() != id {
				t.Errorf("id %s, was %s", again.ID(), id)
			}
			for want, b := range map[string][]byte{"x": sealed, "y": second} {
				if got, err := again.Open(nil, b, nil); err != nil || string(got) != want {
					t.Errorf("%q, %v", got, err)
				}
			}
			if !bytes.Equal(again.MAC(nil, "p", []byte("x")), mac) {
				t.Error("MACs differ after a restart")
			}
			checkModes(t, o.Dir)
		})
	}
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", e.Name(), info.Mode().Perm())
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %04o", info.Mode().Perm())
	}
}

func TestLocalRefuses(t *testing.T) {
	edit := func(f func(e *envelope)) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, LocalKeyring)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var e envelope
			if err := json.Unmarshal(b, &e); err != nil {
				t.Fatal(err)
			}
			f(&e)
			if b, err = json.Marshal(&e); err != nil {
				t.Fatal(err)
			}
			write(t, path, b)
		}
	}
	overwrite := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { write(t, filepath.Join(dir, name), []byte(text)) }
	}
	chmod := func(name string, mode os.FileMode) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  error
	}{
		{"keyring readable by the group", chmod(LocalKeyring, 0o640), ErrPermissions},
		{"keyring readable by all", chmod(LocalKeyring, 0o604), ErrPermissions},
		{"key file readable by the group", chmod(LocalKeyFile, 0o640), ErrPermissions},
		{"key file writable by all", chmod(LocalKeyFile, 0o602), ErrPermissions},
		{"key file gone", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, LocalKeyFile)) }, ErrMissing},
		{"another key", overwrite(LocalKeyFile, keyFilePrefix+strings.Repeat("a", 52)), ErrWrongKey},
		{"key file is something else", overwrite(LocalKeyFile, "hunter2"), ErrMalformed},
		{"key file cut", overwrite(LocalKeyFile, keyFilePrefix+"aaaaaaaa"), ErrMalformed},
		{"key file empty", overwrite(LocalKeyFile, ""), ErrMalformed},
		{"keyring empty", overwrite(LocalKeyring, ""), ErrMalformed},
		{"keyring is something else", overwrite(LocalKeyring, "[]"), ErrMalformed},
		{"version of the future", edit(func(e *envelope) { e.Version = 2 }), ErrMalformed},
		{"another format", edit(func(e *envelope) { e.Format = "x" }), ErrMalformed},
		{"another algorithm", edit(func(e *envelope) { e.Wrap.Algorithm = "none" }), ErrMalformed},
		{"another kind of key", edit(func(e *envelope) { e.Wrap.Key = "tpm" }), ErrMalformed},
		{"wrapped with a passphrase", edit(func(e *envelope) { e.Wrap.Key = wrapPassphrase }), ErrWrongKey},
		{"another revision", edit(func(e *envelope) { e.Revision = 7 }), ErrWrongKey},
		{"another id", edit(func(e *envelope) { e.ID = strings.Repeat("a", idLetters) }), ErrWrongKey},
		{"a byte changed", edit(func(e *envelope) { e.Keyset[len(e.Keyset)/2] ^= 1 }), ErrWrongKey},
		{"cut", edit(func(e *envelope) { e.Keyset = e.Keyset[:10] }), ErrWrongKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := LocalOptions{Dir: t.TempDir()}
			mustOpenLocal(t, o)
			tt.spoil(t, o.Dir)
			before := read(t, o.Dir)
			if _, err := OpenLocal(t.Context(), o); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if after := read(t, o.Dir); after != before {
				t.Error("the keyring was changed")
			}
		})
	}
}

func TestPassphraseRefuses(t *testing.T) {
	o := LocalOptions{Dir: t.TempDir(), Passphrase: passphrase("correct horse")}
	mustOpenLocal(t, o)
	failed := errors.New("no terminal")
	for _, tt := range []struct {
		name string
		o    LocalOptions
		want error
	}{
		{"another one", LocalOptions{Passphrase: passphrase("battery staple")}, ErrWrongKey},
		{"too short", LocalOptions{Passphrase: passphrase("short")}, ErrWrongKey},
		{"none", LocalOptions{}, ErrWrongKey},
		{"not to be had", LocalOptions{Passphrase: func() ([]byte, error) { return nil, failed }}, failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Dir = o.Dir
			if _, err := OpenLocal(t.Context(), tt.o); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if _, err := OpenLocal(t.Context(), LocalOptions{Dir: o.Dir, Passphrase: o.Passphrase, KeyFile: "x"}); err == nil {
		t.Error("a passphrase and a key file were accepted together")
	}
	if _, err := fromPassphrase(o, wrapParams{Salt: make([]byte, 16), Time: 1, MemoryKiB: 1 << 30, Threads: 1}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a terabyte for Argon2id: %v", err)
	}
}

// TestLocalAtOnce has several processes' worth of openers make one keyring.
func TestLocalAtOnce(t *testing.T) {
	o := LocalOptions{Dir: t.TempDir()}
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r, err := OpenLocal(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			ids[i] = r.ID()
			if _, err := r.Rotate(t.Context(), UseStore); err != nil && !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("ids %v", ids)
		}
	}
}

// TestTornWrite fails every step of every write of the files, before and after
// it is done: what is left always opens, and is the old keyring or the new one.
func TestTornWrite(t *testing.T) {
	boom := errors.New("boom")
	for _, step := range []string{"write", "sync", "rename", "sync folder"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s done %t", step, done), func(t *testing.T) {
				o := LocalOptions{Dir: t.TempDir()}
				armed := false
				files := durable{step: func(name string, isDone bool) error {
					if armed && name == step && isDone == done {
						return boom
					}
					return nil
				}}
				r, err := openLocal(t.Context(), o, files, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				sealed := r.Seal(nil, []byte("x"), nil)
				armed = true
				if _, err := r.Rotate(t.Context(), UseStore); !errors.Is(err, boom) {
					t.Fatalf("Rotate: %v", err)
				}
				armed = false

				again := mustOpenLocal(t, o)
				if got, err := again.Open(nil, sealed, nil); err != nil || string(got) != "x" {
					t.Fatalf("%q, %v", got, err)
				}
				persisted := step == "sync folder" || step == "rename" && done
				if got := again.Status(t.Context()).Revision; (got == 2) != persisted {
					t.Errorf("revision %d", got)
				}
				// The ring that failed goes on, with what is kept.
				if info, err := r.Rotate(t.Context(), UseStore); err != nil || (info.Generation == 3) != persisted {
					t.Errorf("the next rotation: %+v, %v", info, err)
				}
			})
		}
	}
}

// TestTornCreation fails every step of the first start: the next one makes a
// keyring, or finds the one that was made.
func TestTornCreation(t *testing.T) {
	boom := errors.New("boom")
	for fail := range 16 {
		o := LocalOptions{Dir: t.TempDir()}
		n := 0
		_, err := openLocal(t.Context(), o, durable{step: func(string, bool) error {
			if n++; n-1 == fail {
				return boom
			}
			return nil
		}}, time.Now)
		if !errors.Is(err, boom) {
			t.Fatalf("step %d: %v", fail, err)
		}
		mustOpenLocal(t, o)
	}
}

// TestLeftOver takes the file of a write that a crash cut short for what it is.
func TestLeftOver(t *testing.T) {
	o := LocalOptions{Dir: filepath.Join(t.TempDir(), "data")}
	r := mustOpenLocal(t, o)
	left := filepath.Join(o.Dir, LocalKeyring+".new")
	if err := os.WriteFile(left, []byte("half of a keyring"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rotate(t.Context(), UseStore); err != nil {
		t.Fatal(err)
	}
	checkModes(t, o.Dir)
	if mustOpenLocal(t, o).Status(t.Context()).Revision != 2 {
		t.Error("the rotation is not kept")
	}
}

// TestKeyringGone reports it, and goes on with the keys in memory.
func TestKeyringGone(t *testing.T) {
	o := LocalOptions{Dir: t.TempDir()}
	r := mustOpenLocal(t, o)
	remove(t, filepath.Join(o.Dir, LocalKeyring))
	if s := r.Status(t.Context()); s.Reachable || s.LastError != "missing" {
		t.Errorf("%+v", s)
	}
	if _, err := r.Rotate(t.Context(), UseStore); !errors.Is(err, ErrMissing) {
		t.Errorf("Rotate: %v", err)
	}
	if got, err := r.Open(nil, r.Seal(nil, []byte("x"), nil), nil); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNothingInClear looks for keys in the files.
func TestNothingInClear(t *testing.T) {
	o := LocalOptions{Dir: t.TempDir()}
	r := mustOpenLocal(t, o)
	kept := read(t, o.Dir)
	for _, k := range r.material().doc.Keys {
		b, err := json.Marshal(k.Material)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(kept, strings.Trim(string(b), `"`)) || strings.Contains(kept, string(k.Material)) {
			t.Errorf("the key of %s is there in clear", k.Use)
		}
	}
}

// FuzzKeyset reads any text as a keyset: what is accepted compiles and is
// written as it was read.
func FuzzKeyset(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	ks := newKeyset(now)
	if _, err := ks.rotate(UsePAN, now, now); err != nil {
		f.Fatal(err)
	}
	b, err := ks.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"format":"chaperone-keyset","version":1,"id":"aaaaaaaaaaaaaaaaaaaa","revision":1,"keys":[]}`))
	f.Add(bytes.Replace(b, []byte(`"generation":2`), []byte(`"generation":6`), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		ks, err := parseKeyset(b)
		if err != nil {
			return
		}
		if _, err := compile(ks.clone(), now); err != nil {
			t.Errorf("accepted, but does not compile: %v", err)
		}
		first, err := ks.marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseKeyset(first)
		if err != nil {
			t.Fatalf("written, but not read: %v", err)
		}
		if second, err := again.marshal(); err != nil || !bytes.Equal(first, second) {
			t.Errorf("written in two ways: %v", err)
		}
	})
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, LocalKeyring))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
