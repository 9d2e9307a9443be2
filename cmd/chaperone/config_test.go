package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/rules"
)

func TestConfigDefaults(t *testing.T) {
	cfg, ds := parseConfig("/etc/chaperone/chaperone.yaml", []byte("rules: rules.yaml\nlisten: {address: 127.0.0.1:8080}\n"))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	if cfg.rules != "/etc/chaperone/rules.yaml" || cfg.data != "/etc/chaperone/data" {
		t.Errorf("rules %q, data %q: want both beside the file", cfg.rules, cfg.data)
	}
	if cfg.admin.address != "127.0.0.1:9090" || cfg.state.redis != nil || cfg.state.spool != 0 || cfg.keys.vault != nil {
		t.Errorf("got %+v", cfg)
	}
	want := limitsConfig{body: 4 << 20, memory: 256 << 20, depth: 128, readTimeout: 10 * time.Second, upstreamTimeout: 15 * time.Second, drainTimeout: 30 * time.Second}
	if cfg.limits != want {
		t.Errorf("limits %+v, want %+v", cfg.limits, want)
	}
}

func TestConfigWhole(t *testing.T) {
	cfg, ds := parseConfig("conf/chaperone.yaml", []byte(`
rules: ../policy/rules.yaml
listen: {address: "0.0.0.0:8443", hosts: [pos.clinic.internal], tls: {cert: tls/cert.pem, key: /etc/tls/key.pem}}
admin: {address: "127.0.0.1:9090", hosts: localhost}
data: /var/lib/chaperone
state:
  redis: {addresses: [10.0.0.1:26379, 10.0.0.2:26379], username: chaperone, password_file: redis.pass, durability: replica, tls: {ca_file: ca.pem}, sentinel: {master: clinic}}
  on_outage: spool
  spool_limit: 64MiB
keys:
  vault:
    address: https://vault:8200/
    transit_key: chaperone
    kv_path: /secret/chaperone
    namespace: clinic
    ca_file: ca.pem
    auth: {approle: {role_id_file: role, secret_id_file: secret, mount: machines}}
limits: {body: 64KiB, memory: 1GiB, depth: 16, read_timeout: 1s, upstream_timeout: 2s, drain_timeout: 3s}
log: {level: debug, format: json}
`))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	if cfg.rules != "policy/rules.yaml" || cfg.data != "/var/lib/chaperone" {
		t.Errorf("rules %q, data %q", cfg.rules, cfg.data)
	}
	if *cfg.listen.tls != (tlsConfig{"conf/tls/cert.pem", "/etc/tls/key.pem", ""}) || !slices.Equal(cfg.listen.hosts, []string{"pos.clinic.internal"}) {
		t.Errorf("listen %+v", cfg.listen)
	}
	if cfg.state.outage != rules.OutageSpool || cfg.state.spool != 64<<20 {
		t.Errorf("outage %v, spool %d", cfg.state.outage, cfg.state.spool)
	}
	r := cfg.state.redis
	if len(r.addresses) != 2 || r.username != "chaperone" || r.passwordFile != "conf/redis.pass" || !r.tls || r.caFile != "conf/ca.pem" || r.sentinel != "clinic" || r.cluster || !r.replicated {
		t.Errorf("redis %+v", r)
	}
	want := vaultConfig{address: "https://vault:8200", transitKey: "chaperone", kvPath: "secret/chaperone", namespace: "clinic",
		caFile: "conf/ca.pem"}
	got := *cfg.keys.vault
	role := *got.appRole
	if got.appRole = nil; got != want || role != (appRoleConfig{"conf/role", "conf/secret", "machines"}) {
		t.Errorf("vault %+v with %+v", got, role)
	}
	limits := limitsConfig{body: 64 << 10, memory: 1 << 30, depth: 16, readTimeout: time.Second, upstreamTimeout: 2 * time.Second, drainTimeout: 3 * time.Second}
	if cfg.limits != limits {
		t.Errorf("limits %+v, want %+v", cfg.limits, limits)
	}
	if cfg.log != (logConfig{"debug", true}) {
		t.Errorf("log %+v", cfg.log)
	}
}

// TestConfigMistakes reads testdata/config/*.yaml: each file is named after
// its mistake, and its comments that begin with "want" pin the diagnostics.
func TestConfigMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(src)) {
				if text, ok := strings.CutPrefix(strings.TrimSpace(line), "# want "); ok {
					want = append(want, text)
				}
			}
			_, ds := parseConfig("f", src)
			var got []string
			for _, d := range ds {
				got = append(got, strings.TrimPrefix(d.String(), "f:"))
				if d.Severity == rules.Error && d.Hint == "" && d.Code != "wrong_type" && d.Code != "out_of_range" {
					t.Errorf("%s has no hint", d)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
			if cfg, _ := loadConfig(file); (cfg == nil) != ds.HasErrors() {
				t.Errorf("a configuration came with errors, or none without")
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		cfg, ds := parseConfig("chaperone.yaml", src)
		isConfig("chaperone.yaml", src)
		for _, d := range ds {
			if d.Code == "" || d.Message == "" || d.Position.File != "chaperone.yaml" {
				t.Errorf("a diagnostic without code, message or file: %+v", d)
			}
		}
		if ds.HasErrors() {
			return
		}
		if cfg.rules == "" || cfg.listen.address == "" || cfg.data == "" || cfg.limits.body < minBody || cfg.limits.depth < minDepth {
			t.Errorf("no mistake was found, and yet: %+v", cfg)
		}
		if r := cfg.state.redis; r != nil && len(r.addresses) == 0 {
			t.Error("a Redis without an address")
		}
		if v := cfg.keys.vault; v != nil && (v.address == "" || v.transitKey == "" || (v.tokenFile == "" && v.appRole == nil && v.kubernetes == nil)) {
			t.Error("a Vault that cannot be reached")
		}
	})
}
