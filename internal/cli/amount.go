package cli

import (
	"fmt"
	"time"
)

// Bytes is a number of bytes for people, in binary units.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n)/(1<<10), 0
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for value >= 1023.95 && unit < len(units)-1 {
		value /= 1 << 10
		unit++
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// Days is a long time for people, to two units.
func Days(d time.Duration) string {
	day, d := d/(24*time.Hour), d%(24*time.Hour)
	hour, minute := d/time.Hour, d%time.Hour/time.Minute
	switch {
	case day > 0:
		return fmt.Sprintf("%d d %d h", day, hour)
	case hour > 0:
		return fmt.Sprintf("%d h %d min", hour, minute)
	case minute > 0:
		return fmt.Sprintf("%d min", minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
