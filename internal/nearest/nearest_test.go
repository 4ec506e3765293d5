package nearest_test

import (
	"testing"

	"github.com/hostler-os/hostler/internal/nearest"
)

func TestName(t *testing.T) {
	known := []string{"check", "status", "time-servers", "set", "get"}
	for word, want := range map[string]string{
		"chekc": "check", "chek": "check", "staus": "status", "sett": "set", "servers": "time-servers", "time-sevrers": "time-servers",
		"": "", "x": "", "frobnicate": "", "tats": "",
	} {
		if got := nearest.Name(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
