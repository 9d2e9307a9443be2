package admin

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chaperone/rules"
)

// State is how the parts of a process are, as a scrape sees them.
type State struct {
	Ready    bool
	Draining bool

	StoreUp   bool
	StoreKind string // redis or file
	StoreSafe bool   // its settings keep the promises (AOF, noeviction, fsync)
	Replicas  int    // Redis replicas in step; 0 for a file
	Store     Failovers
	Pending   int // units that wait for the committer
	Journal   int // units on local disk that the store has not acknowledged
	// Of the journal: its size, and the size from where on nothing new is
	// recorded in it (0: nothing is).
	JournalBytes, SpoolLimit int64
	Spooling                 bool   // the store is away, and requests are recorded on local disk
	StoreDraining            bool   // it is back, and what is on local disk goes first
	Late                     uint64 // of the units on local disk, registers that somebody else had written first, since the start

	LogSeq         uint64    // of the last acknowledged entry
	CheckpointSeq  uint64    // of the last signed checkpoint
	CheckpointTime time.Time // zero: there is none yet

	KeyringKind     string // local or vault
	KeyringRevision uint64
	KeyringForeign  bool       // the store says that it belongs to another one
	Keys            []KeyState // the generations that make, one for each use

	// Meaningful where KeyringKind is vault.
	VaultUp           bool
	VaultSealed       bool
	VaultDenied       bool
	VaultKeysetLost   bool      // it was there, and is not, or is another one
	VaultRefreshed    time.Time // when the keyset was read last
	VaultTokenExpires time.Time // zero: it does not

	Queues      []QueueState // one for each destination with queued legs
	Held        []string     // destinations whose legs are held back, since they fail as a whole
	Doubts      int          // sales in doubt
	OldestDoubt time.Duration

	Certificates []CertificateState // of the listeners that speak TLS
	Shown        []ShownState       // of the destinations that were reached by TLS
	// Of Vault and of the store; zero where they were not reached by TLS.
	VaultCertificate, StoreCertificate time.Time

	PendingSales  int // that the primary left open
	OldestPending time.Duration
}

// QueueState is what waits for one destination.
type QueueState struct {
	Destination string // one that the plan does not know counts as other
	Depth       int    // legs that are due, or will be
	Oldest      time.Duration
	Dead        int
	Parked      int
}

// StateFunc returns the state. It returns what it has when ctx ends, and
// leaves the lists of what it could not learn empty.
type StateFunc func(ctx context.Context) State

// stateCollector asks for the state when Prometheus scrapes.
type stateCollector struct {
	mu           sync.Mutex
	ask          StateFunc
	destinations map[string]bool
	last         State
	asked        time.Time
}

const (
	stateTimeout = 2 * time.Second
	stateMaxAge  = time.Second // several scrapers at once cost the store one look
)

func (c *stateCollector) set(f StateFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ask, c.asked = f, time.Time{}
}

func (c *stateCollector) setDestinations(p *rules.Plan) {
	known := make(map[string]bool, len(p.Destinations))
	for i := range p.Destinations {
		known[p.Destinations[i].Name] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.destinations = known
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	descReady          = desc("ready", "Whether the proxy takes requests.")
	descDraining       = desc("draining", "Whether the proxy is shutting down and finishes what it has.")
	descStoreUp        = desc("store_up", "Whether the store acknowledges writes.")
	descStoreInfo      = desc("store_info", "The kind of store; always 1.", "kind")
	descStoreSafe      = desc("store_settings_safe", "Whether the store's settings keep what Chaperone promises.")
	descReplicas       = desc("store_replicas", "Replicas of the store that are in step.")
	descPending        = desc("store_pending_units", "Units of work that wait for the store to acknowledge them.")
	descJournal        = desc("store_journal_units", "Units of work kept on local disk until the store is back.")
	descJournalBytes   = desc("store_journal_bytes", "Size of the journal on local disk.")
	descSpoolLimit     = desc("store_spool_limit_bytes", "Size of the journal from where on requests are refused while the store is away; 0: they always are.")
	descSpooling       = desc("store_spooling", "Whether the store is away and requests are recorded on local disk.")
	descStoreDraining  = desc("store_draining", "Whether the store is back and what was recorded on local disk is being stored.")
	descLate           = desc("store_late_registers_total", "Outcomes kept on local disk that lost to one written meanwhile, since the start: look at the sales.")
	descLogSeq         = desc("log_sequence", "Sequence number of the last acknowledged entry of this process's log.")
	descCheckpointSeq  = desc("log_checkpoint_sequence", "Sequence number up to which a signed checkpoint vouches for the log.")
	descCheckpointTime = desc("log_checkpoint_timestamp_seconds", "When the last checkpoint was signed.")
	descKeyring        = desc("keyring_info", "What wraps the keyring; always 1.", "kind")
	descVaultUp        = desc("vault_up", "Whether Vault answers.")
	descVaultSealed    = desc("vault_sealed", "Whether Vault is sealed.")
	descVaultDenied    = desc("vault_denied", "Whether Vault refuses the login, or its policy what the keyring needs.")
	descVaultLost      = desc("vault_keyset_lost", "Whether the keyset in Vault is gone, unreadable or another one. The keys in memory go on working; a restart would not.")
	descVaultRefreshed = desc("vault_refresh_timestamp_seconds", "When the keyset in Vault was last read without a fault.")
	descVaultToken     = desc("vault_token_ttl_seconds", "For how long the Vault token is still good; absent where it does not expire.")
	descKeyringForeign = desc("store_keyring_foreign", "Whether the store says that it belongs to another keyring than this proxy's. A restart would be refused.")
	descKeyRevision    = desc("keyring_revision", "Revision of the keyset in use: the same on every proxy, but for seconds after a change.")
	descKeyGeneration  = desc("key_generation", "The generation that makes, by use of the key.", "use")
	descKeyAge         = desc("key_age_seconds", "For how long the generation that makes has been making, by use of the key.", "use")
	descDepth          = desc("queue_depth", "Legs that wait to be delivered.", "destination")
	descOldest         = desc("queue_oldest_age_seconds", "Age of the leg that waits longest.", "destination")
	descDead           = desc("dead_letters", "Legs that were given up and wait for an operator.", "destination")
	descParked         = desc("parked_legs", "Legs that the policy does not allow now.", "destination")
	descBreaker        = desc("destination_breaker_open", "Whether a destination fails as a whole, so that its legs are held back but for probes.", "destination")
	descDoubts         = desc("doubts", "Sales whose primary may or may not have charged.")
	descOldestDoubt    = desc("doubt_oldest_age_seconds", "Age of the oldest sale in doubt.")
	descPendingSales   = desc("pending_sales", "Sales that the primary left open until a later call decides.")
	descOldestPending  = desc("pending_oldest_age_seconds", "Age of the oldest sale that the primary left open.")
)

// Describe is that of prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descReady, descDraining, descStoreUp, descStoreInfo, descStoreSafe, descReplicas, descPending, descJournal, descLate,
		descJournalBytes, descSpoolLimit, descSpooling, descStoreDraining,
		descLogSeq, descCheckpointSeq, descCheckpointTime, descKeyring, descKeyringForeign, descVaultUp, descVaultSealed,
		descVaultDenied, descVaultLost, descVaultRefreshed, descVaultToken, descKeyRevision, descKeyGeneration, descKeyAge,
		descDepth, descOldest, descDead, descParked, descBreaker, descDoubts, descOldestDoubt, descPendingSales, descOldestPending,
	} {
		ch <- d
	}
	for _, d := range slices.Concat(storeDescs, certificateDescs) {
		ch <- d
	}
}

// Collect is that of prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	s, destinations, ok := c.state()
	if !ok {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descReady, truth(s.Ready))
	gauge(descDraining, truth(s.Draining))
	gauge(descStoreUp, truth(s.StoreUp))
	gauge(descStoreInfo, 1, oneOf(s.StoreKind, "redis", "file"))
	gauge(descStoreSafe, truth(s.StoreSafe))
	gauge(descReplicas, float64(s.Replicas))
	s.Store.collect(ch)
	gauge(descPending, float64(s.Pending))
	gauge(descJournal, float64(s.Journal))
	gauge(descJournalBytes, float64(s.JournalBytes))
	gauge(descSpoolLimit, float64(s.SpoolLimit))
	gauge(descSpooling, truth(s.Spooling))
	gauge(descStoreDraining, truth(s.StoreDraining))
	ch <- prometheus.MustNewConstMetric(descLate, prometheus.CounterValue, float64(s.Late))
	gauge(descLogSeq, float64(s.LogSeq))
	gauge(descCheckpointSeq, float64(s.CheckpointSeq))
	if !s.CheckpointTime.IsZero() {
		gauge(descCheckpointTime, float64(s.CheckpointTime.UnixMilli())/1e3)
	}
	s.collectKeys(gauge)
	gauge(descDoubts, float64(s.Doubts))
	gauge(descOldestDoubt, s.OldestDoubt.Seconds())
	gauge(descPendingSales, float64(s.PendingSales))
	gauge(descOldestPending, s.OldestPending.Seconds())
	s.collectCertificates(gauge, destinations)
	held := make(map[string]bool, len(s.Held))
	for _, name := range s.Held {
		held[name] = true
	}
	for name := range destinations {
		gauge(descBreaker, truth(held[name]), name)
	}
	for name, q := range queues(s.Queues, destinations) {
		gauge(descDepth, float64(q.Depth), name)
		gauge(descOldest, q.Oldest.Seconds(), name)
		gauge(descDead, float64(q.Dead), name)
		gauge(descParked, float64(q.Parked), name)
	}
}

// queues sums up the queues by label value: every destination of the plan,
// and other for queues that an earlier plan has left.
func queues(states []QueueState, destinations map[string]bool) map[string]QueueState {
	sums := make(map[string]QueueState, len(destinations)+1)
	for name := range destinations {
		sums[name] = QueueState{}
	}
	for _, q := range states {
		name := q.Destination
		if !destinations[name] {
			name = other
		}
		sum := sums[name]
		sum.Depth += q.Depth
		sum.Dead += q.Dead
		sum.Parked += q.Parked
		sum.Oldest = max(sum.Oldest, q.Oldest)
		sums[name] = sum
	}
	return sums
}

func (c *stateCollector) state() (State, map[string]bool, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ask == nil {
		return State{}, nil, false
	}
	if time.Since(c.asked) >= stateMaxAge {
		ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
		defer cancel()
		c.last = c.ask(ctx)
		c.asked = time.Now()
	}
	return c.last, c.destinations, true
}

func oneOf(v string, known ...string) string {
	for _, k := range known {
		if v == k {
			return k
		}
	}
	return other
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
