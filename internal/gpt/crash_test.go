package gpt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/durable/durabletest"
	"github.com/hostler-os/hostler/internal/gpt/gpttest"
)

// The states that a table goes through in these tests: three entries change at once.
var steps = [][3]uint64{
	{1<<56 | 1<<48, 0, 1 << 63},
	{1<<56 | 2<<48, 1 << 52, 1<<63 | 1<<57},
	{0, 15<<52 | 2<<48, 1 << 57},
}

func set(words [3]uint64) func(*Table) error {
	return func(t *Table) error {
		for i, word := range words {
			t.Partitions[i].Attributes = word
		}
		return nil
	}
}

// stepOf tells which of the steps a disk shows, and fails when it is none.
func stepOf(disk []byte, size int) (int, error) {
	m := newMemory(disk)
	table, err := Read(m, m.geometry(size))
	if err != nil {
		return -1, err
	}
	got := [3]uint64{table.Partitions[0].Attributes, table.Partitions[1].Attributes, table.Partitions[2].Attributes}
	if i := slices.Index(steps, got); i >= 0 {
		return i, nil
	}
	return -1, errors.New("the table is a mix")
}

// step runs the update to a step and announces it.
func (m *memory) step(t *testing.T, size, to int) {
	t.Helper()
	if _, err := Update(m, m.geometry(size), set(steps[to])); err != nil {
		t.Fatal(err)
	}
	m.Mark(fmt.Sprint(to))
}

// checkCrashes visits every state that power loss may leave: the table must
// be what was announced last or what was written next, and mend itself.
func checkCrashes(log durabletest.Log, size int) (states int, err error) {
	err = log.Crashes(func(c durabletest.Crash) error {
		states++
		at, err := stepOf(c.Tree[gpttest.Path].Data, size)
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		if done := len(c.Marks); at < done || at > done+1 {
			return fmt.Errorf("%v: shows step %d", c, at)
		}
		return mends(c, size)
	})
	return states, err
}

func mends(c durabletest.Crash, size int) error {
	m := newMemory(c.Tree[gpttest.Path].Data)
	if _, err := Update(m, m.geometry(size), func(*Table) error { return nil }); err != nil {
		return fmt.Errorf("%v: %w", c, err)
	}
	table, err := Read(m, m.geometry(size))
	if err == nil {
		err = table.Damage()
	}
	return err
}

// started is a disk that shows step 0, all of it on the disk.
func started(t *testing.T, size int) *memory {
	t.Helper()
	m := formatted(t, size)
	if _, err := Update(m, m.geometry(size), set(steps[0])); err != nil {
		t.Fatal(err)
	}
	return newMemory(m.Data)
}

func TestPowerLoss(t *testing.T) {
	eachSectorSize(t, func(t *testing.T, size int) {
		m := started(t, size)
		m.step(t, size, 1)
		m.step(t, size, 2)
		log := m.Log()
		states, err := checkCrashes(log, size)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d operations, %d states", len(log.Ops), states)
	})
}

// The damaged copy is written first: the other one is all there is.
func TestPowerLossWithOneCopy(t *testing.T) {
	for which, name := range copyNames {
		t.Run(name, func(t *testing.T) {
			m := started(t, 512)
			headers := [2]int{512, len(m.Data) - 512}
			clear(m.Data[headers[which]:][:512])
			m = newMemory(m.Data)
			m.step(t, 512, 1)
			if _, err := checkCrashes(m.Log(), 512); err != nil {
				t.Error(err)
			}
		})
	}
}

// killed is the log of a writer that was killed after each of its operations,
// what it had written staying in the cache, and of a second writer after it.
func killed(t *testing.T) []durabletest.Log {
	t.Helper()
	first := started(t, 512)
	first.step(t, 512, 1)
	var logs []durabletest.Log
	for n := range first.Ops {
		m := newMemory(first.Base)
		for _, op := range first.Ops[:n] {
			if op.Kind == durabletest.Write {
				_, _ = m.WriteAt(op.Data, op.Offset)
			} else {
				_ = m.Sync()
			}
		}
		m.Mark("killed")
		m.step(t, 512, 2)
		logs = append(logs, m.Log())
	}
	return logs
}

// checkKilled is checkCrashes for such logs: once the second writer is done,
// its step must show, and before it anything whole.
func checkKilled(log durabletest.Log) error {
	return log.Crashes(func(c durabletest.Crash) error {
		at, err := stepOf(c.Tree[gpttest.Path].Data, 512)
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
		if len(c.Marks) == 2 && at != 2 {
			return fmt.Errorf("%v: shows step %d", c, at)
		}
		return nil
	})
}

func TestPowerLossAfterKill(t *testing.T) {
	for n, log := range killed(t) {
		if err := checkKilled(log); err != nil {
			t.Errorf("killed after %d operations: %v", n, err)
		}
	}
}

// The tests above notice each sync that is left out.
func TestEverySyncCounts(t *testing.T) {
	m := started(t, 512)
	m.step(t, 512, 1)
	log, syncs := m.Log(), 0
	for i, op := range log.Ops {
		if !op.Syncs() {
			continue
		}
		syncs++
		if syncs == 1 {
			continue // what is there before the first write is on the disk here; see below
		}
		if _, err := checkCrashes(log.Without(i), 512); err == nil {
			t.Errorf("nobody noticed that sync %d was left out", syncs)
		}
	}
	if syncs != 3 {
		t.Errorf("%d syncs, want 3", syncs)
	}
	if !firstSyncCounts(t) {
		t.Error("nobody noticed that the first sync was left out")
	}
}

// firstSyncCounts leaves out the second writer's first sync.
func firstSyncCounts(t *testing.T) bool {
	t.Helper()
	for _, log := range killed(t) {
		second := false
		for i, op := range log.Ops {
			second = second || op.Kind == durabletest.Mark
			if second && op.Syncs() {
				if checkKilled(log.Without(i)) != nil {
					return true
				}
				break
			}
		}
	}
	return false
}

func TestOrderOfOperations(t *testing.T) {
	m := formatted(t, 512)
	m.step(t, 512, 1)
	var got []string
	for _, op := range m.Ops {
		got = append(got, fmt.Sprintf("%s %d+%d", op.Kind, op.Offset, len(op.Data)))
	}
	want := "sync 0+0, write 48640+16384, write 65024+92, sync 0+0, write 1024+16384, write 512+92, sync 0+0, mark 0+0"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
