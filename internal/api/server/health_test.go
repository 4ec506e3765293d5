package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
)

func TestHealthNamesAFewUnfitValues(t *testing.T) {
	for count, want := range map[int]int{0: 0, 1: 1, 20: 20, 21: 21, 100_000: 21} {
		values := make([]datastore.Unfit, count)
		for i := range values {
			values[i] = datastore.Unfit{Key: key.Key(fmt.Sprintf("settings.a%d", i)), Layer: api.LayerUser}
		}
		problems := judgeUnfit(values, "aws-dev")
		if len(problems) != want {
			t.Errorf("%d values: %d problems, want %d", count, len(problems), want)
		}
		if last := fmt.Sprintf("%d more values", count-20); count > 20 && !strings.HasPrefix(problems[20], last) {
			t.Errorf("%d values: the last problem is %q, want %q…", count, problems[20], last)
		}
	}
}
