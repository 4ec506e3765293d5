package api

import "time"

// TimeText is an instant in a sentence or a table for people; "-" for none. A
// server, whose readers may be anywhere, gives it in UTC. JSON and logs have
// times as RFC 3339 has them.
func TimeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02 15:04:05 MST")
}
