package journal

import (
	"context"
	"errors"
	"time"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// ErrBusy is returned when another process is updating the host.
var ErrBusy = errors.New("another update is under way")

// Moment is how long to wait for those who only look what became of an attempt.
const Moment = 2 * time.Second

// Lock makes this process the only one that changes the journal below root, or
// writes a slot. It waits that long; the error then is ErrBusy, and names the
// process that holds it.
func Lock(ctx context.Context, root paths.Root, patience time.Duration) (unlock func(), err error) {
	return durable.Lock(ctx, root.UpdateLock(), patience, ErrBusy)
}
