// Package deploy_test holds what is in deploy to the programs that read it, as
// far as they are on this machine.
package deploy_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
)

// run runs a program and gives what it printed.
func run(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// there skips a test whose program is not on this machine; docs/deployment.md
// says which those are.
func there(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not on this machine", program)
	}
	return path
}

// build builds Chaperone by the very command of the Dockerfile, but for where
// it goes.
func build(t *testing.T) string {
	t.Helper()
	command := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*)$`).FindStringSubmatch(read(t, "docker/Dockerfile"))
	if command == nil {
		t.Fatal("the Dockerfile builds nothing")
	}
	to := filepath.Join(t.TempDir(), "chaperone")
	line := strings.ReplaceAll(strings.ReplaceAll(command[1], "/out/chaperone", to), "${VERSION}", "v9.8.7")
	if out, err := run(t, "..", "sh", "-c", line); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return to
}

// TestImage runs what the image holds as it runs there: alone in its root, as a
// user without rights.
func TestImage(t *testing.T) {
	program := build(t)
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program is not static: an image from scratch cannot run it")
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("another root needs the rights of root")
	}
	root := t.TempDir()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "chaperone"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chaperone.yaml", "rules.yaml", "catalogs/procedures.txt"} {
		to := filepath.Join(root, "etc/chaperone", name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(read(t, "medspa/"+name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"version"}, {"check", "/etc/chaperone/chaperone.yaml"}} {
		c := exec.CommandContext(t.Context(), "/chaperone", args...)
		c.Path, c.Err = "/chaperone", nil
		c.Dir, c.Env = "/", []string{}
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if args[0] == "version" && !bytes.Contains(out, []byte("v9.8.7")) {
			t.Errorf("the version is not the one that was built: %s", out)
		}
	}
}

// TestUnit asks systemd's own programs.
func TestUnit(t *testing.T) {
	there(t, "systemd-analyze")
	unit := read(t, "systemd/chaperone.service")
	// The program is not installed here.
	stand := filepath.Join(t.TempDir(), "chaperone.service")
	if err := os.WriteFile(stand, []byte(strings.ReplaceAll(unit, "/usr/bin/chaperone", "/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, ".", "systemd-analyze", "verify", "--man=no", stand)
	if err != nil || strings.Contains(out, "chaperone.service") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := run(t, ".", "systemd-analyze", "security", "--offline=true", "--threshold=15", stand); err != nil {
		t.Errorf("it is left more than an exposure of 1.5: %v\n%s", err, out)
	}
}

// TestBalancer asks HAProxy to read its configuration.
func TestBalancer(t *testing.T) {
	there(t, "haproxy")
	if out, err := run(t, "compose", "haproxy", "-c", "-f", "haproxy.cfg"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestCompose: the file is strict YAML, every file that it mounts is there, and
// the configuration that it mounts is one, with the folders as it mounts them.
func TestCompose(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Volumes []string
			Depends any `yaml:"depends_on"`
		}
		Volumes map[string]any
	}
	text := read(t, "compose/compose.yaml")
	if err := yaml.UnmarshalWithOptions([]byte(text), &file, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) != 6 {
		t.Errorf("%d services", len(file.Services))
	}
	root := t.TempDir()
	for name, s := range file.Services {
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(strings.ReplaceAll(v, "${RULES:-../medspa}", "../medspa"), ":")
			to, _, _ = strings.Cut(to, ":")
			if !strings.HasPrefix(from, ".") {
				if _, ok := file.Volumes[from]; !ok {
					t.Errorf("%s: there is no volume %s", name, from)
				}
				continue
			}
			from = filepath.Join("compose", from)
			if _, err := os.Stat(from); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if name != "chaperone-1" {
				continue
			}
			abs, err := filepath.Abs(from)
			if err != nil {
				t.Fatal(err)
			}
			to = filepath.Join(root, to)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(abs, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := run(t, ".", build(t), "check", filepath.Join(root, "etc/chaperone/chaperone.yaml")); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
}

// TestChartHasTheRules: the chart carries copies, as Helm reads no file from
// outside of its folder.
func TestChartHasTheRules(t *testing.T) {
	for _, name := range []string{"alerts.yml", "recording.yml"} {
		if read(t, "prometheus/"+name) != read(t, "helm/chaperone/files/"+name) {
			t.Errorf("cp deploy/prometheus/%s deploy/helm/chaperone/files/", name)
		}
	}
}

// TestChart lints and renders the chart in several shapes, and has Chaperone
// check the configuration in each.
func TestChart(t *testing.T) {
	there(t, "helm")
	program := build(t)
	shapes := map[string][]string{
		"least": nil,
		"all of it": {"--set", "tls.secret=web,redis.passwordSecret=r,redis.caSecret=rc,redis.username=u,vault.caSecret=vc,vault.appRoleSecret=va",
			"--set", "redis.sentinelMaster=clinic,redis.durability=replica,redis.onOutage=spool,vault.namespace=ns,hosts={checkout.clinic.internal}",
			"--set", "autoscaling.enabled=true,serviceMonitor.enabled=true,prometheusRule.enabled=true,persistence.storageClass=fast",
			"--set", "podAnnotations.a=b,serviceMonitor.labels.release=p"},
		"a policy of its own": {"--set", "policy.configMap=mine,redis.cluster=true,serviceAccount.name=given"},
	}
	for name, sets := range shapes {
		t.Run(name, func(t *testing.T) {
			args := slices.Concat([]string{"--set-file", `policy.files.rules\.yaml=medspa/rules.yaml`}, sets)
			if out, err := run(t, ".", "helm", slices.Concat([]string{"lint", "--strict", "helm/chaperone"}, args)...); err != nil {
				t.Fatalf("lint: %v\n%s", err, out)
			}
			out, err := run(t, ".", "helm", slices.Concat([]string{"template", "clinic", "helm/chaperone", "--kube-version", "1.30.0"}, args)...)
			if err != nil {
				t.Fatalf("template: %v\n%s", err, out)
			}
			checkRendered(t, program, out)
		})
	}
}

// checkRendered has Chaperone check the configuration that a chart made.
func checkRendered(t *testing.T, program, rendered string) {
	t.Helper()
	config, kinds := "", map[string]bool{}
	for doc := range strings.SplitSeq(rendered, "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
			Data     map[string]string
		}
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		kinds[object.Kind] = true
		if text := object.Data["chaperone.yaml"]; text != "" {
			config = text
		}
	}
	for _, kind := range []string{"StatefulSet", "Service", "ConfigMap", "PodDisruptionBudget", "NetworkPolicy"} {
		if !kinds[kind] {
			t.Errorf("there is no %s", kind)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"chaperone.yaml": config, "policy/rules.yaml": read(t, "medspa/rules.yaml"), "policy/catalogs/procedures.txt": read(t, "medspa/catalogs/procedures.txt")} {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run(t, ".", program, "check", filepath.Join(dir, "chaperone.yaml")); err != nil {
		t.Errorf("check: %v\n%s\n%s", err, out, config)
	}
}
