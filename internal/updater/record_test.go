package updater

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
)

// What a repository explains at length must not make the host forget the rest.
func TestRecordOfALongOffer(t *testing.T) {
	u := &Updater{Root: paths.Root(t.TempDir())}
	r := Record{Offer: &api.UpdateOffer{Chosen: new("2")}}
	migrations := slices.Repeat([]string{strings.Repeat("m", 50)}, 1024)
	for i := range 400 {
		r.Offer.Releases = append(r.Offer.Releases, api.UpdateRelease{
			Version: fmt.Sprint(i), Chosen: i == 2, Migrations: migrations, Reasons: []api.UpdateReason{{Code: "wave"}},
		})
	}
	if err := u.save(r); err != nil {
		t.Fatal(err)
	}
	again, err := u.load()
	if err != nil {
		t.Fatal(err)
	}
	got := again.Offer.Releases
	if len(got) != 400 || len(got[2].Migrations) != 1024 || got[1].Migrations != nil || len(got[1].Reasons) != 1 || len(r.Offer.Releases[1].Migrations) != 1024 {
		t.Errorf("%d releases, of the chosen one %d migrations", len(got), len(got[2].Migrations))
	}
}
