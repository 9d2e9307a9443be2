package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"chaperone/bench/peers"
)

// server is a proxy that runs.
type server struct {
	address string
	proc    *process
	ours    bool // Chaperone: wants a caller's key, and may not be left out
	redis   bool // the CPU time of Redis is part of the cost
}

// missing is the error of a peer whose package is not on this machine.
type missing struct{ packages string }

func (m missing) Error() string {
	return "not on this machine (Debian: apt-get install " + m.packages + ")"
}

// servers start what the subjects name.
var servers = map[string]func(r *rig, ctx context.Context) (*server, error){
	"forward":   func(r *rig, ctx context.Context) (*server, error) { return r.child(ctx, "serve-forward") },
	"gjson":     func(r *rig, ctx context.Context) (*server, error) { return r.child(ctx, "serve-gjson") },
	"httputil":  func(r *rig, ctx context.Context) (*server, error) { return r.child(ctx, "serve-httputil") },
	"chaperone": (*rig).chaperone,
	"embedded":  (*rig).embedded,
	"nginx":     (*rig).nginx,
	"nginx-lua": (*rig).nginxLua,
	"haproxy":   (*rig).haproxy,
}

// launch starts a program and waits until it is ready.
func (r *rig) launch(ctx context.Context, name, program string, check func() error, args ...string) (*process, error) {
	p, err := start(r.dir, name, program, args...)
	if err != nil {
		return nil, err
	}
	r.children.add(p)
	if err := p.ready(ctx, check); err != nil {
		return nil, err
	}
	return p, nil
}

// child starts this program in one of its roles.
func (r *rig) child(ctx context.Context, role string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := r.launch(ctx, role, self, dials(address), role, address, r.stub)
	return &server{address: address, proc: p}, err
}

// build builds Chaperone from this tree, once, unless it was given.
func (r *rig) build(ctx context.Context) (err error) {
	if r.built != "" {
		return nil
	}
	if r.binary != "" {
		r.built, err = filepath.Abs(r.binary)
		return err
	}
	to := filepath.Join(r.dir, "chaperone")
	if out, err := goBuild(ctx, to, "chaperone/cmd/chaperone"); err != nil {
		return fmt.Errorf("go build ./cmd/chaperone: %w: %s", err, out)
	}
	r.built = to
	return nil
}

// goBuild builds a command as a release is built.
func goBuild(ctx context.Context, to, what string) ([]byte, error) {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, what)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	return c.CombinedOutput()
}

func (r *rig) chaperone(ctx context.Context) (*server, error) {
	if err := r.startRedis(ctx); err != nil {
		return nil, err
	}
	return r.instance(ctx, "chaperone", instance{policy: rulesTemplate, redis: "127.0.0.1:" + r.redisPort})
}

func (r *rig) embedded(ctx context.Context) (*server, error) {
	return r.instance(ctx, "embedded", instance{policy: rulesTemplate})
}

// instance starts Chaperone in a folder of its own.
func (r *rig) instance(ctx context.Context, name string, i instance) (*server, error) {
	i.dir = filepath.Join(r.dir, name+".d")
	return r.instanceOf(ctx, name, &i)
}

// instanceOf starts Chaperone in the instance's folder, and fills in where it
// listens.
func (r *rig) instanceOf(ctx context.Context, name string, i *instance) (*server, error) {
	if err := r.build(ctx); err != nil {
		return nil, err
	}
	if err := i.write(r.stub, r.caller); err != nil {
		return nil, err
	}
	p, err := r.launch(ctx, name, r.built, isReady(i.admin), "run", "--config", i.file())
	return &server{address: i.listen, proc: p, ours: true, redis: i.redis != ""}, err
}

// nginxModules is where Debian keeps nginx's modules.
const nginxModules = "/usr/lib/nginx/modules/"

func (r *rig) nginx(ctx context.Context) (*server, error) {
	return r.runNginx(ctx, "nginx", "", "", "")
}

func (r *rig) nginxLua(ctx context.Context) (*server, error) {
	if _, err := os.Stat(nginxModules + "ngx_http_lua_module.so"); err != nil {
		return nil, missing{"nginx libnginx-mod-http-lua lua-cjson lua-nginx-redis"}
	}
	if found, err := filepath.Glob("/usr/lib/*/lua/5.1/cjson.so"); err != nil || len(found) == 0 {
		return nil, missing{"lua-cjson"}
	}
	if err := r.startRedis(ctx); err != nil {
		return nil, err
	}
	load := "load_module " + nginxModules + "ndk_http_module.so;\nload_module " + nginxModules + "ngx_http_lua_module.so;"
	lua := `lua_package_path "` + filepath.Join(r.dir, "nginx-lua.d") + `/?.lua;/usr/share/lua/5.1/?.lua;;";
  init_by_lua_block { require "edits" }`
	const pass = "      proxy_pass http://stub/processor/v1/payments;\n    }\n"
	edited := "location /edit {\n      rewrite_by_lua_block { require(\"edits\").rewrite() }\n" + pass
	if _, err := os.Stat("/usr/share/lua/5.1/nginx/redis.lua"); err == nil {
		edited += "    location /record {\n      rewrite_by_lua_block { require(\"edits\").record(" + r.redisPort + ") }\n" + pass
	} else {
		r.leave("nginx-lua-redis", missing{"lua-nginx-redis"})
	}
	s, err := r.runNginx(ctx, "nginx-lua", load, lua, edited)
	if err == nil {
		s.redis = true
	}
	return s, err
}

// runNginx starts nginx with the peers' configuration in a folder of its own.
func (r *rig) runNginx(ctx context.Context, name, load, lua, edited string) (*server, error) {
	program, err := find("nginx")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // the workers read and write in a private folder
	}
	dir, err := r.peerFiles(name, "nginx.conf", "LOAD", load, "LUA", lua, "EDITED", edited, "USER", user, "ADDRESS", address, "STUB", r.stub)
	if err != nil {
		return nil, err
	}
	p, err := r.launch(ctx, name, program, dials(address), "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	return &server{address: address, proc: p}, err
}

func (r *rig) haproxy(ctx context.Context) (*server, error) {
	program, err := find("haproxy")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := r.peerFiles("haproxy", "haproxy.cfg", "ADDRESS", address, "STUB", r.stub)
	if err != nil {
		return nil, err
	}
	p, err := r.launch(ctx, "haproxy", program, dials(address), "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	return &server{address: address, proc: p}, err
}

// find looks for a server's program where Debian puts it, whatever PATH says.
func find(name string) (string, error) {
	for _, at := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(at); err == nil {
			return path, nil
		}
	}
	return "", missing{name}
}

// peerFiles writes a peer's configuration, its capitals filled in, and the
// Lua file into a folder, and returns that. Comments stay as they are.
func (r *rig) peerFiles(name, config string, replace ...string) (string, error) {
	dir := filepath.Join(r.dir, name+".d")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	fill := strings.NewReplacer(replace...)
	for _, file := range []string{config, "edits.lua"} {
		b, err := peers.Files.ReadFile(file)
		if err != nil {
			return "", err
		}
		if file == config {
			var filled bytes.Buffer
			for line := range bytes.Lines(b) {
				if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
					line = []byte(fill.Replace(string(line)))
				}
				filled.Write(line)
			}
			b = filled.Bytes()
		}
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}
