package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/cmd/chaperone/e2e/rig"
	"chaperone/store/redistest"
)

// codeOf is the stable code of a refusal.
func codeOf(a reply) string {
	var problem struct{ Code string }
	_ = json.Unmarshal(a.body, &problem) // no problem has no code
	return problem.Code
}

// unrecorded wants a sale refused before anything was forwarded, because it
// cannot be recorded. The fault may take a moment to show.
func unrecorded(t *testing.T, c *instance, r receivers, id string) {
	t.Helper()
	called := len(r.processor.got())
	a := c.mustPost("/v1/checkout", frontDesk, basket(id, visa))
	if a.status != http.StatusServiceUnavailable || codeOf(a) != "store_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("a sale that cannot be recorded: status %d, body %s", a.status, a.body)
	}
	if len(r.processor.got()) != called {
		t.Error("what cannot be recorded was forwarded")
	}
	eventually(t, "it says that it is not ready, and why", func() error {
		resp, err := http.Get(c.admin + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			return fmt.Errorf("readyz is %d", resp.StatusCode)
		}
		return nil
	})
}

// recovers wants the same sale made as soon as it can be recorded, and charged
// once.
func recovers(t *testing.T, c *instance, r receivers, id string) {
	t.Helper()
	called := len(r.processor.got())
	eventually(t, "the sale can be made", func() error {
		a, err := c.post("/v1/checkout", frontDesk, basket(id, visa))
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("status %d %s", a.status, a.body)
		}
		return err
	})
	if n := len(r.processor.got()) - called; n != 1 {
		t.Errorf("the sale was sent %d times", n)
	}
	c.waitReady()
}

// smallDisk makes the data folder of an instance a file system of its own.
func smallDisk(t *testing.T, c *instance) *rig.Disk {
	t.Helper()
	data := filepath.Join(c.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := rig.Mount(data, 64)
	if err != nil {
		t.Skipf("no file system of its own can be mounted: %v", err)
	}
	t.Cleanup(func() {
		c.kill()
		if err := d.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func verify(t *testing.T, c *instance) {
	t.Helper()
	if out, err := c.command("log", "verify"); err != nil {
		t.Errorf("log verify: %v\n%s", err, out)
	}
}

// TestDiskFullUnderTheStore fills the data folder of a proxy on the embedded
// store. Nothing is forwarded that cannot be recorded, and sales go on when
// there is space again, also after a restart on the full disk.
func TestDiskFullUnderTheStore(t *testing.T) {
	r := newReceivers(t)
	c := install(t, r.rules(), "")
	disk := smallDisk(t, c)
	c.start()
	recovers(t, c, r, "sale-0")
	if err := disk.Fill(0); err != nil {
		t.Fatal(err)
	}
	// What is left in the file's own pages may take a few more.
	eventually(t, "the store takes no more", func() error {
		if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status == http.StatusServiceUnavailable {
			return nil
		}
		for n := range 50 {
			c.mustPost("/v1/checkout", frontDesk, basket(fmt.Sprintf("more-%d", n), visa))
		}
		return errors.New("it does")
	})
	unrecorded(t, c, r, "sale-2")
	if err := disk.Free(); err != nil {
		t.Fatal(err)
	}
	recovers(t, c, r, "sale-2")
	n := len(keysOf(r.processor))
	eventually(t, "every sale is at the record", func() error {
		if got := len(keysOf(r.ehr)); got != n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
	verify(t, c)
	c.stop()
	verify(t, c)
}

// TestDiskFullBesideRedis fills the data folder of a proxy on Redis: sales go
// on, as long as Redis takes them.
func TestDiskFullBesideRedis(t *testing.T) {
	r := newReceivers(t)
	c := install(t, r.rules(), redisState(t))
	disk := smallDisk(t, c)
	c.start()
	recovers(t, c, r, "sale-0")
	if err := disk.Fill(0); err != nil {
		t.Fatal(err)
	}
	recovers(t, c, r, "sale-1")
	if err := disk.Free(); err != nil {
		t.Fatal(err)
	}
	recovers(t, c, r, "sale-2")
	r.delivered(t, 3, 3)
	verify(t, c)
	c.stop()
	verify(t, c)
}

// TestReadOnlyDataFolder starts on a data folder that takes no writes: it says
// so, and starts when it does.
func TestReadOnlyDataFolder(t *testing.T) {
	for name, infra := range map[string]func(*testing.T) string{
		"embedded": func(*testing.T) string { return "" },
		"Redis":    redisState,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceivers(t)
			c := install(t, r.rules(), infra(t))
			disk := smallDisk(t, c)
			c.start()
			recovers(t, c, r, "sale-0")
			c.stop()
			if err := disk.ReadOnly(true); err != nil {
				t.Fatal(err)
			}
			out, err := c.command("run")
			if err == nil || !strings.Contains(out, "error:") || !strings.Contains(out, "read-only file system") || !strings.Contains(out, filepath.Join(c.dir, "data")) {
				t.Errorf("a start on a read-only data folder: %v\n%s", err, out)
			}
			if err := disk.ReadOnly(false); err != nil {
				t.Fatal(err)
			}
			c.start()
			recovers(t, c, r, "sale-1")
			r.delivered(t, 2, 2)
			verify(t, c)
		})
	}
}

// TestRedisOutOfMemory reaches maxmemory and raises it again.
func TestRedisOutOfMemory(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{})
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redis.Addr))
	c.start()
	recovers(t, c, r, "sale-0")
	redis.ConfigSet(t, "maxmemory", "1mb")
	unrecorded(t, c, r, "sale-1")
	redis.ConfigSet(t, "maxmemory", "0")
	recovers(t, c, r, "sale-1")
	r.delivered(t, 2, 2)
	verify(t, c)
}

// TestRedisBecomesAReplica makes the server a replica of another, which takes no
// writes, and a master again.
func TestRedisBecomesAReplica(t *testing.T) {
	r := newReceivers(t)
	redis, other := redistest.Start(t, redistest.Options{}), redistest.Start(t, redistest.Options{})
	// The other has the same data, as after a switch that an operator made.
	other.ReplicaOf(t, redis)
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redis.Addr))
	c.start()
	recovers(t, c, r, "sale-0")
	r.delivered(t, 1, 1)
	eventually(t, "the replica has it", func() error {
		info, err := other.Do("INFO", "replication")
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New(info)
		}
		return err
	})
	if _, err := redis.Do("WAIT", 1, 60000); err != nil {
		t.Fatal(err)
	}
	other.ReplicaOf(t, nil)
	redis.ReplicaOf(t, other)
	unrecorded(t, c, r, "sale-1")
	redis.ReplicaOf(t, nil)
	recovers(t, c, r, "sale-1")
	r.delivered(t, 2, 2)
	verify(t, c)
}

// TestWrongRedisPassword starts with a password that Redis does not take.
func TestWrongRedisPassword(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{Password: "right"})
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q], password_file: password}, on_outage: refuse}\n", redis.Addr))
	write(t, filepath.Join(c.dir, "password"), "a-wrong-one\n")
	out, err := c.command("run")
	if err == nil || !strings.Contains(out, "password") || !strings.Contains(out, "hint:") {
		t.Errorf("a start with a wrong password: %v\n%s", err, out)
	}
	if strings.Contains(out, "a-wrong-one") {
		t.Error("the password is printed")
	}
	write(t, filepath.Join(c.dir, "password"), "right\n")
	c.start()
	recovers(t, c, r, "sale-0")
}

// TestFlushedRedis empties Redis under a proxy by mistake. What that proxy wrote
// in its last minute it writes again; log verify finds that the rest is missing,
// and sales go on.
func TestFlushedRedis(t *testing.T) {
	r := newReceivers(t)
	redis := redistest.Start(t, redistest.Options{})
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q]}, on_outage: refuse}\n", redis.Addr))
	c.start()
	recovers(t, c, r, "sale-0")
	r.delivered(t, 1, 1)
	c.stop()
	c.start()
	recovers(t, c, r, "sale-1")
	r.delivered(t, 2, 2)
	verify(t, c)
	if _, err := redis.Do("FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	recovers(t, c, r, "sale-2")
	r.delivered(t, 3, 3)
	if a := c.mustPost("/v1/checkout", frontDesk, basket("sale-1", visa)); a.status != 200 || a.header.Get("Chaperone-Replayed") == "" {
		t.Errorf("the repeat of a sale that was written again: %d %s", a.status, a.body)
	}
	out, err := c.command("log", "verify", "--json")
	var report struct {
		Findings []struct{ Kind, Chain string }
	}
	if jsonErr := json.Unmarshal([]byte(out), &report); err == nil || jsonErr != nil || len(report.Findings) != 1 || report.Findings[0].Kind != "missing_chain" {
		t.Errorf("log verify after a FLUSHALL: %v, %v\n%s", err, jsonErr, out)
	}
	if !strings.Contains(c.output.String(), "the store has lost the end of the log") {
		t.Errorf("the proxy does not say so:\n%s", c.output)
	}
	if n := len(r.processor.got()); n != 3 {
		t.Errorf("the processor was called %d times for three sales", n)
	}
}
