package store_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// BenchmarkCommit commits what a sale commits before it is forwarded, from as
// many goroutines as a busy clinic group has requests in flight.
func BenchmarkCommit(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprintf("redis/%d", workers), func(b *testing.B) {
			s := redistest.Start(b, redistest.Options{})
			d, err := store.OpenRedis(storetest.Context(b), store.RedisOptions{Addresses: []string{s.Addr}})
			if err != nil {
				b.Fatal(err)
			}
			before := serverCPU(b, s)
			benchCommit(b, d, workers)
			b.ReportMetric((serverCPU(b, s)-before)*1e6/float64(b.N), "server-µs/op")
		})
		b.Run(fmt.Sprintf("file/%d", workers), func(b *testing.B) {
			d, err := store.OpenFile(filepath.Join(b.TempDir(), "s.db"), store.FileOptions{})
			if err != nil {
				b.Fatal(err)
			}
			benchCommit(b, d, workers)
		})
	}
}

// serverCPU gives the processor time that a server has used, in seconds.
func serverCPU(b *testing.B, s *redistest.Server) (total float64) {
	b.Helper()
	info, err := s.Do("INFO", "cpu")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			total += v
		}
	}
	return total
}

func benchCommit(b *testing.B, d store.Driver, workers int) {
	c := startCommitter(b, d, store.CommitterOptions{})
	entry, claim := make([]byte, 700), make([]byte, 1500)
	ctx := storetest.Context(b)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range workers {
		wg.Go(func() {
			u := &store.Unit{}
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				k := fmt.Sprint("k", i)
				u.Entries = append(u.Entries[:0], entry)
				u.Commands = append(u.Commands[:0],
					store.Command{Kind: store.SetOnce, Key: store.ClaimKey(k, 1), Value: claim},
					store.Command{Kind: store.Set, Key: store.TokenKey("s", k), Value: []byte("1")},
					store.Command{Kind: store.QueueAdd, Queue: store.Doubt, Member: store.DoubtMember(k, 1), Score: i})
				if err := c.Commit(ctx, u); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	s := c.Stats()
	b.ReportMetric(float64(s.Units)/float64(s.Batches), "units/batch")
	closeCommitter(b, c)
	if err := d.Close(); err != nil {
		b.Error(err)
	}
}
