package durable

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	path, busy := t.TempDir()+"/x/lock", errors.New("busy")
	unlock, err := Lock(t.Context(), path, 0, busy)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(t.Context(), path, 30*time.Millisecond, busy); !errors.Is(err, busy) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(ctx, path, time.Minute, busy); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	unlock()
	if unlock, err = Lock(t.Context(), path, 0, busy); err != nil {
		t.Fatal(err)
	}
	unlock()
}
