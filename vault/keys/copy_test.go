package keys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// things are what a ring has made: all of it must open after a migration.
type things struct{ stored, token, join, mac []byte }

func make1(r *Ring) things {
	return things{
		r.Seal(nil, []byte("stored"), nil), r.SealToken(nil, []byte("token"), nil, false),
		r.SealToken(nil, []byte("join"), nil, true), r.MAC(nil, "p", []byte("x")),
	}
}

func (m things) check(t *testing.T, r *Ring) {
	t.Helper()
	if got, err := r.Open(nil, m.stored, nil); err != nil || string(got) != "stored" {
		t.Errorf("stored: %q, %v", got, err)
	}
	if got, err := r.OpenToken(nil, m.token, nil); err != nil || string(got) != "token" {
		t.Errorf("token: %q, %v", got, err)
	}
	if got, err := r.OpenToken(nil, m.join, nil); err != nil || string(got) != "join" {
		t.Errorf("join: %q, %v", got, err)
	}
	if got := r.MAC(nil, "p", []byte("x")); string(got) != string(m.mac) {
		t.Error("the MAC is another one")
	}
}

// TestMigrate takes a keyring from a folder to Vault and back, with a rotation
// and a destroyed generation on the way.
func TestMigrate(t *testing.T) {
	s := vaultServer(t)
	v := vaultOptions(t, s)
	v.AllowCreate = false
	home, back := LocalOptions{Dir: t.TempDir()}, LocalOptions{Dir: t.TempDir(), Passphrase: passphrase("correct horse")}
	one := mustOpenLocal(t, home)
	first := make1(one)
	if _, err := one.Rotate(t.Context(), UseStore); err != nil {
		t.Fatal(err)
	}
	if err := one.CopyToVault(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if err := one.CopyToVault(t.Context(), v); err != nil {
		t.Errorf("once more: %v", err)
	}
	two := mustOpenVault(t, v)
	if two.ID() != one.ID() || two.Status(t.Context()).Revision != 2 {
		t.Errorf("id %s, revision %d", two.ID(), two.Status(t.Context()).Revision)
	}
	first.check(t, two)

	if _, err := two.Rotate(t.Context(), UseSealed); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new generation makes", func() bool { return two.SealToken(nil, nil, nil, false)[1] == 2 })
	second := make1(two)
	if err := two.CopyToLocal(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	three := mustOpenLocal(t, back)
	first.check(t, three)
	second.check(t, three)

	// The old folder has revision 2 and takes revision 3; after that the copy
	// in the folder is as good as the one in Vault.
	if err := two.CopyToLocal(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	second.check(t, mustOpenLocal(t, home))
}

// TestMigrateRefuses holds that no keyring is overwritten by mistake.
func TestMigrateRefuses(t *testing.T) {
	s := vaultServer(t)
	v := vaultOptions(t, s)
	v.RefreshEvery = 0
	inVault := mustOpenVault(t, v)
	dir := LocalOptions{Dir: t.TempDir()}
	other := mustOpenLocal(t, dir)
	if err := other.CopyToVault(t.Context(), v); !errors.Is(err, ErrConflict) {
		t.Errorf("over another keyring in Vault: %v", err)
	}
	if err := inVault.CopyToLocal(t.Context(), dir); !errors.Is(err, ErrConflict) {
		t.Errorf("over another keyring in a folder: %v", err)
	}
	if err := inVault.CopyToLocal(t.Context(), LocalOptions{Dir: dir.Dir, Passphrase: passphrase("correct horse")}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("over a keyring that does not open: %v", err)
	}

	fresh := LocalOptions{Dir: t.TempDir()}
	if err := inVault.CopyToLocal(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	copied := mustOpenLocal(t, fresh)
	if _, err := copied.Rotate(t.Context(), UsePAN); err != nil {
		t.Fatal(err)
	}
	if err := inVault.CopyToLocal(t.Context(), fresh); err != nil {
		t.Errorf("over a later revision that has all keys: %v", err)
	}
	if err := copied.Refresh(t.Context()); err != nil || copied.Status(t.Context()).Revision != 2 {
		t.Errorf("the later revision was overwritten: %v", err)
	}
	// Both were rotated: neither holds the other's keys.
	if _, err := inVault.Rotate(t.Context(), UsePAN); err != nil {
		t.Fatal(err)
	}
	if err := inVault.CopyToLocal(t.Context(), fresh); !errors.Is(err, ErrConflict) {
		t.Errorf("over a fork of the same revision: %v", err)
	}
	if err := copied.CopyToVault(t.Context(), v); !errors.Is(err, ErrConflict) {
		t.Errorf("a fork over Vault's: %v", err)
	}

	if err := s.Client(t).KVv2("secret").Delete(t.Context(), "chaperone"); err != nil {
		t.Fatal(err)
	}
	if err := copied.CopyToVault(t.Context(), v); !errors.Is(err, ErrMissing) {
		t.Errorf("over one that was deleted, and can be brought back: %v", err)
	}
}

// TestRemoveSource removes what was migrated, and nothing else.
func TestRemoveSource(t *testing.T) {
	s := vaultServer(t)
	v := vaultOptions(t, s)
	inVault := mustOpenVault(t, v)
	dir, other := LocalOptions{Dir: t.TempDir()}, LocalOptions{Dir: t.TempDir()}
	if err := inVault.CopyToLocal(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	stranger := mustOpenLocal(t, other)
	if err := stranger.RemoveLocal(dir); !errors.Is(err, ErrConflict) {
		t.Errorf("another's keyring: %v", err)
	}
	if err := stranger.RemoveVault(t.Context(), v); !errors.Is(err, ErrConflict) {
		t.Errorf("another's keyset: %v", err)
	}
	if err := inVault.RemoveVault(t.Context(), v); !errors.Is(err, ErrDenied) {
		t.Errorf("under the policy of a proxy: %v", err)
	}
	if err := inVault.RemoveLocal(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir.Dir, LocalKeyring)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("keyring.json is still there: %v", err)
	}
	s.WritePolicy(t, "remove", policyFile("chaperone-remove.hcl"))
	v.TokenFile = s.TokenFile(t, []string{"chaperone", "remove"}, map[string]any{"no_default_policy": true})
	if err := inVault.RemoveVault(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	v.AllowCreate = false
	if _, err := OpenVault(t.Context(), v); !errors.Is(err, ErrMissing) {
		t.Errorf("the keyset is still there: %v", err)
	}
}
