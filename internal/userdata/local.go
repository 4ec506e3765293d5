package userdata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hostler-os/hostler/internal/durable"
)

// file is the provider of a file at a path of the host. It need not exist.
func file(path string) Provider {
	return fetch(func(_ context.Context, h *Host) (Found, error) {
		return readFile(h, path)
	})
}

func readFile(h *Host, path string) (Found, error) {
	found := Found{Source: path}
	raw, err := durable.ReadFile(h.Root.Join(path), MaxRaw)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		found.Reason = "there is no such file"
		return found, nil
	case errors.Is(err, durable.ErrTooLarge):
		return found, &Fault{Message: fmt.Sprintf("%s has more than %d bytes", path, MaxRaw), Hint: "compress it with gzip or zstd, or make it smaller"}
	case err != nil:
		return found, unreadable(path, err)
	}
	found.Raw = raw
	if raw == nil {
		found.Raw = []byte{}
	}
	return found, nil
}

// unreadable words what there is and cannot be read as the reference does.
func unreadable(path string, err error) error {
	return &Fault{Message: fmt.Sprintf("Unable to read input file '%s': %v", path, err)}
}
