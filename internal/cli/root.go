package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SetRoot is the function of an option --root of a program that writes below
// that folder or runs what lies there: it takes the folder if it is a safe one.
// Its name becomes absolute, for programs that are run have another working folder.
func SetRoot[Text ~string](root *Text) func(string) error {
	return func(text string) error {
		if text == "" {
			return errors.New("it is empty")
		}
		abs, err := filepath.Abs(text)
		if err != nil {
			return fmt.Errorf("find root: %w", err)
		}
		*root = Text(abs)
		return SafeRoot(abs)
	}
}

// SafeRoot refuses a folder of somebody else, or one that everybody may write,
// as the root to work below: its models, templates and programs are trusted, and
// whoever owns it can put links in the way of what is written. The caller's own
// and root's are safe. One that is not there yet is, too, and so is the host's.
func SafeRoot(path string) error { return safeRoot(path, os.Geteuid()) }

func safeRoot(path string, caller int) error {
	if path == "" || filepath.Clean(path) == "/" {
		return nil
	}
	for _, look := range []func(string) (fs.FileInfo, error){os.Lstat, os.Stat} { // a link is its owner's, wherever it leads
		info, err := look(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look at root: %w", err)
		}
		if err := safeFolder(path, info, caller); err != nil {
			return err
		}
	}
	return nil
}

func safeFolder(path string, info fs.FileInfo, caller int) error {
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	switch {
	case owner != 0 && owner != caller:
		return fmt.Errorf("%s belongs to user %d, not to you (user %d) or root, and what is in it would be trusted; "+
			"run this as that user, or make a folder of your own", path, owner, caller)
	case info.IsDir() && info.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("everybody may write %s, and what is in it would be trusted; if you know all of it: chmod o-w %s", path, path)
	}
	return nil
}
