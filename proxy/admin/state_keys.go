package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chaperone/vault/keys"
)

// KeyState is the generation that makes for one use of the keyring.
type KeyState struct {
	Use        string
	Generation int
	Since      time.Time // when it began to make
}

// SetKeyring fills in what a scrape shows of a keyring.
func (s *State) SetKeyring(ring keys.Status, list []keys.Info) {
	s.KeyringKind, s.KeyringRevision = ring.Kind, ring.Revision
	s.VaultUp, s.VaultSealed, s.VaultDenied = ring.LastError != "unreachable", ring.Sealed, ring.LastError == "denied"
	s.VaultKeysetLost = ring.LastError == "missing" || ring.LastError == "malformed" || ring.LastError == "conflict"
	s.VaultRefreshed, s.VaultTokenExpires = ring.RefreshedAt, ring.TokenExpires
	s.VaultCertificate = ring.CertificateExpires
	s.Keys = s.Keys[:0]
	for _, k := range list {
		if k.Current {
			s.Keys = append(s.Keys, KeyState{Use: string(k.Use), Generation: k.Generation, Since: k.From})
		}
	}
}

// collectKeys sends what is known of the keyring.
func (s *State) collectKeys(gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(descKeyring, 1, oneOf(s.KeyringKind, "local", "vault"))
	gauge(descKeyringForeign, truth(s.KeyringForeign))
	gauge(descKeyRevision, float64(s.KeyringRevision))
	now := time.Now()
	for _, k := range s.Keys {
		use := oneOf(k.Use, string(keys.UsePAN), string(keys.UseSealed), string(keys.UseJoin), string(keys.UseStore), string(keys.UseDerive))
		gauge(descKeyGeneration, float64(k.Generation), use)
		gauge(descKeyAge, max(0, now.Sub(k.Since).Seconds()), use)
	}
	if s.KeyringKind != "vault" {
		return
	}
	gauge(descVaultUp, truth(s.VaultUp))
	gauge(descVaultSealed, truth(s.VaultSealed))
	gauge(descVaultDenied, truth(s.VaultDenied))
	gauge(descVaultLost, truth(s.VaultKeysetLost))
	if !s.VaultRefreshed.IsZero() {
		gauge(descVaultRefreshed, float64(s.VaultRefreshed.UnixMilli())/1e3)
	}
	if !s.VaultTokenExpires.IsZero() {
		gauge(descVaultToken, max(0, s.VaultTokenExpires.Sub(now).Seconds()))
	}
}
