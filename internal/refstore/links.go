package refstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/hostler-os/hostler/internal/durable"
)

// current is the first link of the chain.
const current = "current"

// version is a version as links have it, without their "v".
var version = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]{1,64})?$`)
})

// folderName is the name of a folder with data.
var folderName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^v[0-9A-Za-z.+-]{1,100}_[A-Za-z0-9]{16}$`)
})

// chain are the names of the links between current and the folder.
func chain(v string) []string {
	parts := version().FindStringSubmatch(v)
	return []string{"v" + parts[1], "v" + parts[1] + "." + parts[2], "v" + v}
}

// follow reads the chain of links and returns the version and the folder. Each
// link must lead to a neighbour with the name that the chain wants there:
// nothing outside the folder is ever looked at.
func follow(root *os.Root) (v, folder string, err error) {
	names := []string{current}
	for range 3 {
		last := names[len(names)-1]
		target, err := root.Readlink(last)
		if errors.Is(err, fs.ErrNotExist) && last == current {
			return "", "", fmt.Errorf("%w: %s is missing", ErrNone, current)
		}
		if err != nil {
			return "", "", fmt.Errorf("follow links: %w", err)
		}
		names = append(names, target)
	}
	v = strings.TrimPrefix(names[3], "v")
	if !version().MatchString(v) {
		return "", "", fmt.Errorf("follow links: %s leads to %q, which is no version such as v1.2.3", names[2], names[3])
	}
	for i, want := range chain(v) {
		if names[i+1] != want {
			return "", "", fmt.Errorf("follow links: %s leads to %q, expected %s", names[i], names[i+1], want)
		}
	}
	folder, err = root.Readlink(names[3])
	switch {
	case err != nil:
		return "", "", fmt.Errorf("follow links: %w", err)
	case !folderName().MatchString(folder):
		return "", "", fmt.Errorf("follow links: %s leads to %q, expected a folder beside it such as v%s_0123456789abcdef", names[3], folder, v)
	}
	return v, folder, nil
}

// link makes the chain lead to a folder. Each link is replaced by one rename,
// the innermost first, so that at every moment the chain leads somewhere.
func link(fsys durable.FS, dir, v, folder string) error {
	names := append([]string{current}, chain(v)...)
	target := folder
	for i := len(names) - 1; i >= 0; i-- {
		if err := durable.Symlink(fsys, target, dir+"/"+names[i]); err != nil {
			return err
		}
		target = names[i]
	}
	return nil
}
