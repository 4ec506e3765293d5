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

// Small values that are kept do not keep those from being garbage that tell of collections.
func TestCollectionsAmongSmallValues(t *testing.T) {
	const tries = 16
	var kept [2 * tries]*int
	ended := make(chan bool, tries)
	for i := range tries {
		kept[2*i] = new(int)
		runtime.SetFinalizer(&collections{}, func(*collections) { ended <- true })
		kept[2*i+1] = new(int)
	}
	for deadline := time.Now().Add(20 * time.Second); len(ended) < tries-1; time.Sleep(time.Millisecond) { // registers may hold the last one
		if runtime.GC(); time.Now().After(deadline) {
			t.Fatalf("%d of %d are garbage", len(ended), tries)
		}
	}
	runtime.KeepAlive(&kept)
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
