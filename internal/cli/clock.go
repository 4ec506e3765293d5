package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Clock is the one that libfaketime shows, if it is preloaded, else the host's.
//
// A Go program reads the clock without the C library, so a preloaded library
// cannot change it. The date program is linked against it wherever libfaketime
// is, and shows the same clock, whatever form FAKETIME has; its distance from
// ours is what is added.
func Clock(ctx context.Context) (func() time.Time, error) {
	if !strings.Contains(os.Getenv("LD_PRELOAD"), "faketime") {
		return time.Now, nil
	}
	out, err := exec.CommandContext(ctx, "date", "-u", "+%s").Output()
	if err != nil {
		return nil, fmt.Errorf("ask date for the time that libfaketime shows: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("ask date for the time that libfaketime shows: %w", err)
	}
	ahead := time.Until(time.Unix(seconds, 0))
	return func() time.Time { return time.Now().Add(ahead) }, nil
}
