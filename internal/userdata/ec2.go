package userdata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"sync"

	"github.com/hostler-os/hostler/internal/durable"
)

const (
	identityPath   = "/etc/early-boot-config/identity-document" // asked before the service
	identityName   = "EC2 instance identity document"
	imdsName       = "EC2 IMDS"
	fallbackRegion = "us-east-1" // where the service has no identity document
	maxIdentity    = 64 << 10
	noService      = "no metadata service is asked from a sandbox"
)

var regionForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
})

// identityDocument is the provider of the region, as the instance's identity
// document has it: a file, or the metadata service.
func identityDocument(ctx context.Context, h *Host) (Found, error) {
	found := Found{Source: identityName}
	text, err := durable.ReadFile(h.Root.Join(identityPath), maxIdentity)
	switch {
	case err == nil:
		return found.region(text)
	case !errors.Is(err, fs.ErrNotExist):
		return found, unreadable(identityPath, err)
	case h.IMDS == nil:
		found.Reason = noService
		return found, nil
	}
	text, ok, err := h.IMDS.Get(ctx, "dynamic/instance-identity/document")
	switch {
	case err != nil:
		return found, err
	case !ok:
		found.Raw = regionDocument(fallbackRegion)
		return found, nil
	}
	return found.region(text)
}

// region makes a document of the region in an identity document.
func (f Found) region(text []byte) (Found, error) {
	var identity struct{ Region *string }
	if err := json.Unmarshal(text, &identity); err != nil {
		return f, &Fault{Message: fmt.Sprintf("read the identity document: %v", err)}
	}
	if identity.Region == nil || !regionForm().MatchString(*identity.Region) {
		return f, &Fault{Message: "the identity document names no region"}
	}
	f.Raw = regionDocument(*identity.Region)
	return f, nil
}

func regionDocument(region string) []byte {
	return fmt.Appendf(nil, "[settings.aws]\nregion = %q\n", region)
}

// imdsUserData is the provider of the instance's own user data.
func imdsUserData(ctx context.Context, h *Host) (Found, error) {
	found := Found{Source: imdsName}
	if h.IMDS == nil {
		found.Reason = noService
		return found, nil
	}
	raw, ok, err := h.IMDS.Get(ctx, "user-data")
	switch {
	case err != nil:
		return found, err
	case !ok:
		found.Reason = "the instance has no user data"
	case len(bytes.TrimSpace(raw)) == 0:
		found.Reason = "it is blank"
	default:
		found.Raw = raw
	}
	return found, nil
}
