package userdata_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/userdata"
)

// newHost is a host with these files.
func newHost(t *testing.T, files map[string]string) *userdata.Host {
	t.Helper()
	root := paths.Root(t.TempDir())
	for name, text := range files {
		path := root.Join(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &userdata.Host{Root: root}
}

// only asks one provider.
func only(t *testing.T, h *userdata.Host, name string) userdata.Result {
	t.Helper()
	results := userdata.Gather(t.Context(), h, []string{name})
	if len(results) != 1 {
		t.Fatalf("got %d results of %s, want 1", len(results), name)
	}
	return results[0]
}

func motd(text string) string { return "[settings]\nmotd = \"" + text + "\"\n" }

func wantSettings(t *testing.T, r userdata.Result, want map[string]any) {
	t.Helper()
	switch {
	case r.Err != nil:
		t.Errorf("%s: %v", r.Provider, r.Err)
	case r.Document == nil:
		t.Errorf("%s: no document: %s", r.Provider, r.Reason)
	default:
		if diff := cmp.Diff(r.Document.Settings, want); diff != "" {
			t.Errorf("%s differs (-got +want):\n%s", r.Provider, diff)
		}
	}
}

func wantNothing(t *testing.T, r userdata.Result, reason string) {
	t.Helper()
	if r.Err != nil || r.Document != nil || !strings.Contains(r.Reason, reason) {
		t.Errorf("%s: got %v, %v, '%s'; want nothing because %s", r.Provider, r.Document, r.Err, r.Reason, reason)
	}
}

func wantFailure(t *testing.T, r userdata.Result, want string) {
	t.Helper()
	if r.Err == nil || !strings.Contains(r.Err.Error(), want) {
		t.Errorf("%s: got %v, want %q in it", r.Provider, r.Err, want)
	}
}

func TestOrder(t *testing.T) {
	h := newHost(t, map[string]string{
		"/local/user-data-overrides.toml":          motd("overrides"),
		"/local/user-data-defaults.toml":           motd("defaults"),
		"/var/lib/bottlerocket/user-data.toml":     motd("user data"),
		"/etc/early-boot-config/identity-document": `{"region": "eu-north-1"}`,
		"/media/cdrom/user-data":                   motd("cd"),
	})
	var got []string
	for _, r := range userdata.Gather(t.Context(), h, []string{"local-overrides", "vmware-cd-rom", "local-user-data", "ec2-identity-doc", "local-defaults"}) {
		got = append(got, r.Provider+" "+r.Source)
		if r.Err != nil || r.Document == nil {
			t.Errorf("%s: %v", r.Provider, r.Err)
		}
	}
	if diff := cmp.Diff(got, []string{
		"local-defaults /local/user-data-defaults.toml",
		"local-user-data /var/lib/bottlerocket/user-data.toml",
		"ec2-identity-doc EC2 instance identity document",
		"vmware-cd-rom /media/cdrom/user-data",
		"local-overrides /local/user-data-overrides.toml",
	}); diff != "" {
		t.Errorf("order differs (-got +want):\n%s", diff)
	}
}

func TestCheckNames(t *testing.T) {
	if err := userdata.CheckNames(userdata.Defaults()); err != nil {
		t.Error(err)
	}
	if err := userdata.CheckNames([]string{"floppy"}); err == nil || !strings.Contains(err.Error(), "no provider 'floppy'") {
		t.Errorf("got %v", err)
	}
}

func TestLocalFile(t *testing.T) {
	wantNothing(t, only(t, newHost(t, nil), "local-user-data"), "there is no such file")
	wantNothing(t, only(t, newHost(t, map[string]string{"/var/lib/bottlerocket/user-data.toml": ""}), "local-user-data"), "it is empty")
	huge := newHost(t, map[string]string{"/var/lib/bottlerocket/user-data.toml": strings.Repeat("#", userdata.MaxRaw+1)})
	wantFailure(t, only(t, huge, "local-user-data"), "has more than 1048576 bytes")
	folder := newHost(t, map[string]string{"/var/lib/bottlerocket/user-data.toml/x": ""})
	wantFailure(t, only(t, folder, "local-user-data"), "Unable to read input file '/var/lib/bottlerocket/user-data.toml'")
}

// imds is a metadata service that first fails a number of times.
func imds(t *testing.T, failures int32, answers map[string]string) *userdata.IMDS {
	t.Helper()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= failures {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "" {
			fmt.Fprint(w, "secret-token")
			return
		}
		answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/2021-07-15/")]
		switch {
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "secret-token":
			http.Error(w, "no token", http.StatusUnauthorized)
		case !ok:
			http.NotFound(w, r)
		default:
			fmt.Fprint(w, answer)
		}
	}))
	t.Cleanup(server.Close)
	return &userdata.IMDS{Endpoint: server.URL, Timeout: 10 * time.Second}
}

func TestIMDS(t *testing.T) {
	h := newHost(t, nil)
	h.IMDS = imds(t, 2, map[string]string{"user-data": motd("imds"), "dynamic/instance-identity/document": `{"region":"eu-west-2"}`})
	wantSettings(t, only(t, h, "ec2-imds"), map[string]any{"motd": "imds"})
	wantSettings(t, only(t, h, "ec2-identity-doc"), map[string]any{"aws": map[string]any{"region": "eu-west-2"}})

	h.IMDS = imds(t, 0, map[string]string{"user-data": string(zip(t, motd("packed")))})
	wantSettings(t, only(t, h, "ec2-imds"), map[string]any{"motd": "packed"})
	wantSettings(t, only(t, h, "ec2-identity-doc"), map[string]any{"aws": map[string]any{"region": "us-east-1"}})

	h.IMDS = imds(t, 0, map[string]string{"user-data": " \n", "dynamic/instance-identity/document": `{}`})
	wantNothing(t, only(t, h, "ec2-imds"), "it is blank")
	wantFailure(t, only(t, h, "ec2-identity-doc"), "names no region")

	h.IMDS = imds(t, 0, nil)
	wantNothing(t, only(t, h, "ec2-imds"), "the instance has no user data")
	h.IMDS = nil
	wantNothing(t, only(t, h, "ec2-imds"), "no metadata service is asked")
}

func TestIMDSGivesUp(t *testing.T) {
	h := newHost(t, nil)
	h.IMDS = imds(t, 1<<30, nil)
	h.IMDS.Timeout = 700 * time.Millisecond
	began := time.Now()
	wantFailure(t, only(t, h, "ec2-imds"), "no answer within 700ms")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("giving up took %v", took)
	}

	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	h.IMDS = &userdata.IMDS{Endpoint: server.URL}
	wantFailure(t, only(t, h, "ec2-imds"), "turned off")
	if n := asked.Load(); n != 1 {
		t.Errorf("a refusal was repeated: %d requests", n)
	}
}

func TestIdentityFile(t *testing.T) {
	for text, want := range map[string]string{
		`{"region": 5}`:        "read the identity document",
		`not json`:             "read the identity document",
		`{"region": "a\"\nb"}`: "names no region",
		`{"zone": "x"}`:        "names no region",
	} {
		h := newHost(t, map[string]string{"/etc/early-boot-config/identity-document": text})
		wantFailure(t, only(t, h, "ec2-identity-doc"), want)
	}
}

func ovf(value string) string {
	return `<?xml version="1.0"?><Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1">
<Property oe:key="user-data" oe:value="b3V0c2lkZQ=="/>
<PropertySection><Property oe:key="other" oe:value="x"/><Property oe:key="user-data" oe:value="` + value + `"/></PropertySection></Environment>`
}

func TestCDROM(t *testing.T) {
	packed := base64.StdEncoding.EncodeToString(zip(t, motd("ovf")))
	plain := base64.StdEncoding.EncodeToString([]byte(motd("ovf")))
	disc := func(files map[string]string) userdata.Result { return only(t, newHost(t, files), "vmware-cd-rom") }
	wantNothing(t, disc(nil), "no medium")
	wantSettings(t, disc(map[string]string{"/media/cdrom/user-data": motd("cd")}), map[string]any{"motd": "cd"})
	wantSettings(t, disc(map[string]string{"/media/cdrom/ovf-env.xml": ovf(plain)}), map[string]any{"motd": "ovf"})
	wantSettings(t, disc(map[string]string{"/media/cdrom/OVF_ENV.XML": ovf(packed)}), map[string]any{"motd": "ovf"})
	wantFailure(t, disc(map[string]string{"/media/cdrom/user-data": "", "/media/cdrom/ovf-env.xml": ""}), "more than one file with user data: user-data, ovf-env.xml")
	wantFailure(t, disc(map[string]string{"/media/cdrom/ovf-env.xml": "<a></b>"}), "read the OVF environment")
	wantFailure(t, disc(map[string]string{"/media/cdrom/ovf-env.xml": "<a/>"}), "has no property 'user-data'")
	wantFailure(t, disc(map[string]string{"/media/cdrom/ovf-env.xml": ovf("!")}), "decode base64")
}

// A file that is there, and cannot be looked at, may be user data.
func TestCDROMUnreadable(t *testing.T) {
	h := newHost(t, map[string]string{"/media/cdrom/other": ""})
	if err := os.Symlink("user-data", h.Root.Join("/media/cdrom/user-data")); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, only(t, h, "vmware-cd-rom"), "Unable to read input file '/media/cdrom/user-data'")
	wantNothing(t, only(t, newHost(t, map[string]string{"/media/cdrom": "no folder"}), "vmware-cd-rom"), "no medium")
}

func TestGuestinfo(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(motd("guest")))
	packed := base64.StdEncoding.EncodeToString(zip(t, motd("guest")))
	guest := func(data, encoding string) userdata.Result {
		h := newHost(t, nil)
		h.Guest = func(_ context.Context, variable string) (string, bool, error) {
			value := map[string]string{"guestinfo.userdata": data, "guestinfo.userdata.encoding": encoding}[variable]
			return value, value != "", nil
		}
		return only(t, h, "vmware-guestinfo")
	}
	want := map[string]any{"motd": "guest"}
	wantNothing(t, guest("", ""), "no such variable")
	wantSettings(t, guest(motd("guest"), ""), want)
	for _, encoding := range []string{"base64", "b64", "B64", "Base64"} {
		wantSettings(t, guest(encoded, encoding), want)
	}
	for _, encoding := range []string{"gzip+base64", "gz+b64", "Gzip+Base64", "Gz+B64"} {
		wantSettings(t, guest(packed, encoding), want)
	}
	wantFailure(t, guest(encoded, "rot13"), "guestinfo.userdata.encoding is 'rot13'")
	wantFailure(t, guest(encoded, "gz+b64"), "not compressed with gzip")
}

func TestVMwareTools(t *testing.T) {
	h := newHost(t, map[string]string{"/usr/bin/vmtoolsd": `#!/bin/sh
case "$2" in
"info-get guestinfo.userdata") printf '[settings]\nmotd = "tools"\n' ;;
*) echo "No value found"; exit 1 ;;
esac
`})
	wantSettings(t, only(t, h, "vmware-guestinfo"), map[string]any{"motd": "tools"})
	wantNothing(t, only(t, newHost(t, nil), "vmware-guestinfo"), "no such variable")
	// Whether there is user data is not known then: the boot must not go on without.
	crashing := newHost(t, map[string]string{"/usr/bin/vmtoolsd": "#!/bin/sh\nkill -SEGV $$\n"})
	wantFailure(t, only(t, crashing, "vmware-guestinfo"), "ask the hypervisor for guestinfo.userdata: signal: ")
}
