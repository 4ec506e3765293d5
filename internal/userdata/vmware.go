package userdata

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/hostler-os/hostler/internal/excerpt"
	"github.com/hostler-os/hostler/internal/paths"
)

// cdFolder is where the medium is mounted; one of cdFiles may be on it.
const cdFolder = "/media/cdrom"

var cdFiles = []string{"user-data", "ovf-env.xml", "OVF-ENV.XML", "ovf_env.xml", "OVF_ENV.XML"}

// cdROM is the provider of a medium in a virtual machine's drive: user data
// itself, or an OVF environment that carries it.
func cdROM(_ context.Context, h *Host) (Found, error) {
	names, err := mediumFiles(h.Root)
	if err != nil {
		return Found{Source: cdFolder}, err
	}
	switch len(names) {
	case 0:
		return Found{Source: cdFolder, Reason: "no medium with user data is mounted"}, nil
	case 1:
	default:
		return Found{Source: cdFolder}, &Fault{
			Message: "there is more than one file with user data: " + strings.Join(names, ", "), Hint: "leave one of them on the medium",
		}
	}
	found, err := readFile(h, path.Join(cdFolder, names[0]))
	if err != nil || names[0] == "user-data" {
		return found, err
	}
	found.Raw, err = fromOVF(found.Raw)
	return found, err
}

// mediumFiles are the files that are there. A file system that does not tell
// letters' cases apart shows the same one under two names.
func mediumFiles(root paths.Root) (names []string, err error) {
	var infos []os.FileInfo
	for _, name := range cdFiles {
		at := path.Join(cdFolder, name)
		info, err := os.Stat(root.Join(at))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		case err != nil:
			return nil, unreadable(at, err)
		case !anySame(infos, info):
			names, infos = append(names, name), append(infos, info)
		}
	}
	return names, nil
}

func anySame(infos []os.FileInfo, info os.FileInfo) bool {
	for _, other := range infos {
		if os.SameFile(other, info) {
			return true
		}
	}
	return false
}

// fromOVF finds the property user-data in an OVF environment.
func fromOVF(text []byte) ([]byte, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	depth, section := 0, 0 // section: the depth of PropertySection, 0 outside
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil, &Fault{Message: "the OVF environment has no property 'user-data'"}
		}
		if err != nil {
			return nil, &Fault{Message: fmt.Sprintf("read the OVF environment: %v", err)}
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if t.Name.Local == "PropertySection" && section == 0 {
				section = depth
			}
			if value, ok := userDataProperty(t); ok && section > 0 {
				return decodeBase64(value)
			}
		case xml.EndElement:
			if depth == section {
				section = 0
			}
			depth--
		}
	}
}

func userDataProperty(e xml.StartElement) (value string, ok bool) {
	for _, a := range e.Attr {
		switch a.Name.Local {
		case "key":
			ok = a.Value == "user-data"
		case "value":
			value = a.Value
		}
	}
	return value, ok && e.Name.Local == "Property"
}

func decodeBase64(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, &Fault{Message: fmt.Sprintf("decode base64: %v", err), Hint: "it is standard base64, with padding"}
	}
	return raw, nil
}

// The guest variables of a hypervisor.
const (
	guestData     = "guestinfo.userdata"
	guestEncoding = "guestinfo.userdata.encoding"
)

// encodings are the values of guestEncoding; true: compressed, too, which the
// data itself shows.
var encodings = map[string]bool{
	"base64": false, "b64": false, "B64": false, "Base64": false,
	"gzip+base64": true, "gz+b64": true, "Gzip+Base64": true, "Gz+B64": true,
}

// guestinfo is the provider of a virtual machine's guest variables.
func guestinfo(ctx context.Context, h *Host) (Found, error) {
	found := Found{Source: guestData}
	ask := h.Guest
	if ask == nil {
		ask = VMwareTools(h.Root)
	}
	text, ok, err := ask(ctx, guestData)
	if err != nil || !ok || text == "" {
		found.Reason = "the hypervisor has no such variable"
		return found, err
	}
	encoding, _, err := ask(ctx, guestEncoding)
	if err != nil {
		return found, err
	}
	found.Raw, err = decodeGuest(text, strings.TrimSpace(encoding))
	return found, err
}

func decodeGuest(text, encoding string) ([]byte, error) {
	if encoding == "" {
		return []byte(text), nil
	}
	packed, known := encodings[encoding]
	if !known {
		return nil, &Fault{Message: fmt.Sprintf("%s is '%s'", guestEncoding, encoding), Hint: "it may be base64, gzip+base64, or absent"}
	}
	raw, err := decodeBase64(text)
	if err == nil && packed && !bytes.HasPrefix(raw, gzipMagic) {
		return nil, &Fault{Message: fmt.Sprintf("%s is '%s', but the data is not compressed with gzip", guestEncoding, encoding)}
	}
	return raw, err
}

const (
	vmwareTools  = "/usr/bin/vmtoolsd"
	guestTime    = 10 * time.Second
	maxGuestData = MaxRaw * 2 // base64 is longer than what it stands for
)

// VMwareTools reads guest variables through the tools' own program below root,
// which knows every way that hypervisors have had to be asked.
func VMwareTools(root paths.Root) func(context.Context, string) (string, bool, error) {
	return func(ctx context.Context, variable string) (string, bool, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, guestTime, fmt.Errorf("no answer within %v", guestTime))
		defer cancel()
		out := excerpt.Head{Limit: maxGuestData}
		cmd := exec.CommandContext(ctx, root.Join(vmwareTools), "--cmd", "info-get "+variable)
		cmd.Stdout = &out
		cmd.WaitDelay = time.Second
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", false, nil // no tools, no hypervisor
		case ctx.Err() != nil:
			return "", false, fmt.Errorf("ask the hypervisor for %s: %w", variable, context.Cause(ctx))
		case errors.As(err, &exit) && exit.Exited():
			return "", false, nil // it has no such variable
		case err != nil:
			return "", false, fmt.Errorf("ask the hypervisor for %s: %w", variable, err)
		case out.Over():
			return "", false, fmt.Errorf("%s has more than %d bytes", variable, maxGuestData)
		}
		return strings.TrimRight(string(out.Bytes()), "\n"), true, nil
	}
}
