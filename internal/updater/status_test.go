package updater

import (
	"testing"

	"github.com/hostler-os/hostler/internal/api"
)

// What a look at a record withdraws is not withdrawn from the record that is kept.
func TestWithdrawALookOnly(t *testing.T) {
	kept := Record{Offered: true, Chosen: &api.UpdateImage{Version: "2"}, Offer: &api.UpdateOffer{
		Chosen: new("2"), Releases: []api.UpdateRelease{{Version: "2", Chosen: true}, {Version: "1"}},
	}}
	look := kept
	look.withdraw("it did not boot")
	if o := look.Offer; look.Offered || look.Chosen != nil || o.Chosen != nil || o.Releases[0].Chosen || len(o.Releases[0].Reasons) != 1 {
		t.Errorf("the look: %+v, %+v", look, o)
	}
	if o := kept.Offer; kept.Chosen == nil || o.Chosen == nil || !o.Releases[0].Chosen || o.Releases[0].Reasons != nil {
		t.Errorf("the record: %+v, %+v", kept, o)
	}
}
