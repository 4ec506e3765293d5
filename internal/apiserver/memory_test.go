package apiserver

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 400, 1: 400, 4 << 20: 400, 16 << 20: 400, 32 << 20: 200, 64 << 20: 100, 1 << 30: 100,
	} {
		if got := gcPercent(live); got != want {
			t.Errorf("gcPercent(%d) = %d, want %d", live, got, want)
		}
	}
}

// TestLargeHeapGrowsLess: very many settings must not cost five times what they take.
func TestLargeHeapGrowsLess(t *testing.T) {
	spareTime()
	large := make([]byte, 256<<20)
	waitForPercent(t, gcLarge)
	runtime.KeepAlive(large)
	large = nil
	waitForPercent(t, gcSmall)
}

func waitForPercent(t *testing.T, want uint64) {
	t.Helper()
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		metrics.Read(now)
		if now[0].Value.Uint64() == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the heap grows by %d %%, want %d", now[0].Value.Uint64(), want)
		}
	}
}
