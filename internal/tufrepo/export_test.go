package tufrepo

import "github.com/hostler-os/hostler/internal/durable"

// WithFS is the repository, writing to another file system.
func WithFS(r *Repository, fsys durable.FS) *Repository {
	other := *r
	other.store.fs = fsys
	return &other
}

// Bin is the succinct role that a target belongs to.
func Bin(prefix string, bits int, target string) string {
	return succinctRoles{NamePrefix: prefix, BitLength: bits}.bin(target)
}
