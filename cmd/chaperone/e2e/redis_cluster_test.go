package e2e

import (
	"fmt"
	"regexp"
	"testing"

	"chaperone/store/redistest"
)

// TestClusterUnderSales moves slots, and kills a master that has a replica,
// while sales are made on a Cluster.
func TestClusterUnderSales(t *testing.T) {
	r := newReceivers(t)
	k := redistest.StartReplicatedCluster(t, 3)
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q, %q, %q], cluster: true}, on_outage: refuse}\n",
		k.Masters[0].Addr, k.Masters[1].Addr, k.Masters[2].Addr))
	c.start()
	sales := openTills(t, c)
	sales.more(t, 50)
	out, err := c.command("log", "tail", "--json")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	chain := regexp.MustCompile(`"log":"(node-[A-Za-z]+)"`).FindStringSubmatch(out)
	if chain == nil {
		t.Fatal("log tail names no chain")
	}
	for _, lane := range []int{0, 5, 12} {
		move(t, k, fmt.Sprintf("{q.%d}:doubt", lane))
	}
	move(t, k, "{"+chain[1]+"}:log")
	sales.more(t, 50)
	dies := k.Owner(t, k.Slot(t, "{"+chain[1]+"}:log"))
	dies.Kill()
	sales.more(t, 100)
	sold := sales.close()
	if metric(t, c, "chaperone_store_failovers_total") == 0 {
		t.Errorf("no failover was seen\n%s", c.output)
	}
	broughtThrough(t, c, r, sold)
	t.Logf("%d sales, %d units sent again, %d records restored", len(sold),
		metric(t, c, "chaperone_store_resent_units_total"), metric(t, c, "chaperone_store_restored_records_total"))
}

// move moves a key's slot to the next master.
func move(t *testing.T, k *redistest.Cluster, key string) {
	t.Helper()
	slot := k.Slot(t, key)
	owner := k.Owner(t, slot)
	for i, s := range k.Masters {
		if s == owner {
			k.Migrate(t, slot, k.Masters[(i+1)%len(k.Masters)])
			return
		}
	}
}
