package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestTokensOfOneUser: however many one user waits for, another gets one at once.
func TestTokensOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens()
		ctx, cancel := context.WithCancel(t.Context())
		for range 100 {
			go func() {
				if give, err := tokens.take(ctx, t.Context(), 1); err == nil {
					<-ctx.Done()
					give()
				}
			}()
		}
		synctest.Wait()
		for range maxHeavyOwn {
			if _, err := tokens.take(t.Context(), t.Context(), 2); err != nil {
				t.Error(err)
			}
		}
		cancel()
		synctest.Wait()
		give, err := tokens.take(t.Context(), t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		give()
		if _, err := tokens.take(ctx, t.Context(), 2); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if held := len(tokens.all); held != maxHeavyOwn {
			t.Errorf("%d tokens are held, want %d", held, maxHeavyOwn)
		}
	})
}
