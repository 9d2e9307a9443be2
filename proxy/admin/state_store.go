package admin

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Failovers is what a store lost that it had acknowledged, and what was done
// about it, counted since the start.
type Failovers struct {
	Fsync string // how an acknowledged write reaches the disk: always, everysec, no, unknown; empty for a file

	Masters       uint64 // times that a master was found replaced, restarted or gone
	Resent        uint64 // units that were sent again then, or when another joined
	Restored      uint64 // log records that were lost and appended again
	ChainRestarts uint64 // chains that were lost for good, and gone on from in another
}

var (
	descFsync     = desc("store_fsync_info", "How the weakest of the store's masters brings acknowledged writes to its disk; always 1.", "mode")
	descFailovers = desc("store_failovers_total", "Times that a master of the store was found replaced, restarted or gone, so that it may have lost what it had acknowledged. A node that joins and a master's first replica do not count, nor does a new connection.")
	descResent    = desc("store_resent_units_total", "Units of work of the last minute that were sent again after a failover, or since a master had joined or changed its replication id.")
	descRestored  = desc("store_restored_records_total", "Log records that the store had acknowledged and lost, and that were appended again.")
	descRestarts  = desc("store_chain_restarts_total", "Times that the store lost more of this process's log than could be restored: another chain was begun.")
)

// storeDescs are those of Failovers.
var storeDescs = []*prometheus.Desc{descFsync, descFailovers, descResent, descRestored, descRestarts}

// collect gives the metrics.
func (f *Failovers) collect(ch chan<- prometheus.Metric) {
	if f.Fsync != "" {
		ch <- prometheus.MustNewConstMetric(descFsync, prometheus.GaugeValue, 1, oneOf(f.Fsync, "always", "everysec", "no", "unknown"))
	}
	for d, n := range map[*prometheus.Desc]uint64{
		descFailovers: f.Masters, descResent: f.Resent, descRestored: f.Restored, descRestarts: f.ChainRestarts,
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
}
