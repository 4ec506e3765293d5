package sundog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/sundog"
)

const variantFile = "/usr/share/hostler/variants/aws-dev.toml"

// adminSource is the metadata of the settings documentation's example.
const adminSource = `
[metadata.settings.host-containers.admin.source]
setting-generator = "schnauzer settings.host-containers.admin.source"
template = "328549459982.dkr.ecr.{{ settings.aws.region }}.amazonaws.com/bottlerocket-admin:v0.4.0"
`

// withoutGenerators takes the metadata of setting generators out of a variant's file.
func (w *world) withoutGenerators(path string) {
	w.Helper()
	var kept []string
	for line := range strings.SplitSeq(w.read(path), "\n") {
		if !strings.HasPrefix(line, "setting-generator") {
			kept = append(kept, line)
		}
	}
	w.write(path, strings.Join(kept, "\n"))
}

// The example of the settings documentation, literally: the source has no value,
// its metadata names the generator and the template, user data brings the region.
func TestDocumentationExample(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.change(variantFile, `[metadata.settings.host-containers.admin.source]
setting-generator = "schnauzer-v2 render --requires 'aws@v1(helpers=[ecr-prefix])' --template '{{ ecr-prefix settings.aws.region }}/bottlerocket-admin:v0.11.13'"
`, adminSource)
	w.write(userDataFile, "[settings.aws]\nregion = \"us-west-2\"\n")
	w.serve()
	w.want("host-containers.admin.source", "none")
	w.wantState(w.boot(0), api.BootDone)
	source := "328549459982.dkr.ecr.us-west-2.amazonaws.com/bottlerocket-admin:v0.4.0"
	w.want("host-containers.admin.source", `"`+source+`" generated`)
	w.want("aws.region", `"us-west-2" user-data`)
	w.wantFile("/etc/host-containers/host-containers.toml", source)
}

// A template alone needs no generator beside it.
func TestTemplateWithoutGenerator(t *testing.T) {
	w := newWorld(t, "metal-dev")
	w.append("/usr/share/hostler/variants/metal-dev.toml", "\n[metadata.settings.updates.seed]\ntemplate = \"{{ settings.motd }}\"\n[metadata.settings.dns.name-servers]\ntemplate = \"x\"\n")
	w.serve()
	b := w.boot(0)
	w.wantState(b, api.BootDegraded)
	s := setting(t, phase(t, b, api.PhaseGenerators), "settings.dns.name-servers")
	if s.State != api.BootFailed || !strings.Contains(s.Reason, "the model refuses what it printed") {
		t.Errorf("got %+v, want it refused by the model", s)
	}
	health, err := w.client.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(health.Problems, "\n"), "settings.dns.name-servers has no value") {
		t.Errorf("health does not name the setting: %q", health.Problems)
	}
}

func TestSecondBoot(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.write(userDataFile, "[settings]\nmotd = \"first\"\n[settings.aws]\nregion = \"eu-west-1\"\n")
	w.serve()
	w.wantState(w.boot(0), api.BootDone)
	w.wantFile("/etc/motd", "first")
	w.write(userDataFile, "this is not TOML")
	for _, gone := range []string{"/etc/motd", "/etc/chrony.conf"} {
		if err := os.Remove(w.root.Join(gone)); err != nil { // /etc is not kept
			t.Fatal(err)
		}
	}
	w.serve()
	b := w.boot(0)
	w.wantState(b, api.BootDone)
	if b.ID != 2 || phase(t, b, api.PhaseUserData).State != api.BootSkipped {
		t.Errorf("got %+v, want a second report that skips user data", b)
	}
	s := setting(t, phase(t, b, api.PhaseGenerators), "settings.host-containers.admin.source")
	if s.State != api.BootSkipped || s.Reason != "generated at an earlier boot" {
		t.Errorf("got %+v", s)
	}
	w.wantFile("/etc/motd", "first")
	w.wantFile("/etc/chrony.conf", "pool")
	boots, err := w.client.Boots(t.Context())
	if err != nil || len(boots) != 2 {
		t.Errorf("got %d reports, %v; want 2", len(boots), err)
	}
}

// User data belongs to the datastore: where that is lost, it is loaded again.
func TestLostDatastore(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.write(userDataFile, "[settings]\nmotd = \"from user data\"\n[settings.aws]\nregion = \"eu-west-1\"\n")
	w.serve()
	w.wantState(w.boot(0), api.BootDone)
	w.stop()
	if err := os.RemoveAll(filepath.Dir(w.root.Datastore())); err != nil {
		t.Fatal(err)
	}
	w.serve()
	w.want("motd", `"Welcome to Bottlerocket!" default`)
	w.wantState(w.boot(0), api.BootDone)
	w.want("motd", `"from user data" user-data`)
}

// Refused user data loads nothing, but the host has its files; the boot that
// follows the repair completes.
func TestRefusedUserData(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.write(userDataFile, "[settings]\nmotd = \"good\"\nmodt = \"bad\"\n[settings.updates]\nseed = \"bad\"\n")
	w.serve()
	b := w.boot(1)
	w.wantState(b, api.BootFailed)
	d := phase(t, b, api.PhaseUserData).Documents[1]
	var got []string
	for _, p := range d.Problems {
		got = append(got, p.Key)
	}
	if diff := cmp.Diff(got, []string{"settings.modt", "settings.updates.seed"}); diff != "" || d.Problems[1].Line != 5 {
		t.Errorf("problems differ (-got +want):\n%s\n%+v", diff, d.Problems)
	}
	w.want("motd", `"Welcome to Bottlerocket!" default`)
	w.wantFile("/etc/motd", "Welcome to Bottlerocket!")
	if g := phase(t, b, api.PhaseGenerators); g.State != api.BootSkipped {
		t.Errorf("generators ran: %+v", g)
	}
	w.write(userDataFile, "[settings]\nmotd = \"good\"\n[settings.aws]\nregion = \"eu-west-1\"\n")
	w.wantState(w.boot(0), api.BootDone)
	w.want("motd", `"good" user-data`)
}

// A lenient variant loads what is good and reports the rest.
func TestLenient(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.change(variantFile, "[userdata]\n", "[userdata]\nlenient = true\n")
	w.write(userDataFile, "[settings]\nmotd = \"good\"\nmodt = \"bad\"\n[settings.updates]\nseed = \"bad\"\nignore-waves = true\n[settings.aws]\nregion = \"eu-west-1\"\n")
	w.write("/local/user-data-overrides.toml", "no TOML at all")
	w.serve()
	b := w.boot(0)
	w.wantState(b, api.BootDegraded)
	var got []string
	for _, d := range phase(t, b, api.PhaseUserData).Documents {
		got = append(got, d.Provider+" "+string(d.State))
	}
	if diff := cmp.Diff(got, []string{
		"local-defaults skipped", "local-user-data degraded", "ec2-identity-doc skipped", "ec2-imds skipped", "local-overrides failed",
	}); diff != "" {
		t.Errorf("documents differ (-got +want):\n%s", diff)
	}
	w.want("motd", `"good" user-data`)
	w.want("updates.ignore-waves", "true user-data")
	w.want("updates.seed", "none")
	w.want("host-containers.admin.source", `"328549459982.dkr.ecr.eu-west-1.amazonaws.com/bottlerocket-admin:v0.11.13" generated`)
}

// What user data or the user says is never generated.
func TestNeverOverwritten(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.write("/usr/bin/netdog", "#!/bin/sh\necho '\"generated\"'\n")
	w.write("/usr/bin/bork", "#!/bin/sh\necho 7\n")
	w.write("/usr/bin/shibaken", "#!/bin/sh\necho true\n")
	w.write(userDataFile, "[settings.network]\nhostname = \"said\"\n[settings.aws]\nregion = \"eu-west-1\"\n")
	w.serve()
	if _, err := w.client.Submit(t.Context(), api.ChangeRequest{Pairs: []string{"updates.seed=3"}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	b := w.boot(0)
	w.want("network.hostname", `"said" user-data`)
	w.want("updates.seed", "3 user")
	w.want("metrics.send-metrics", "true generated")
	g := phase(t, b, api.PhaseGenerators)
	for key, want := range map[string]string{"settings.network.hostname": "set by user data", "settings.updates.seed": "set through the API"} {
		if s := setting(t, g, key); s.Reason != want {
			t.Errorf("%s: got %+v, want it skipped: %s", key, s, want)
		}
	}
}

// Each generator that misbehaves costs its own setting, and is named.
func TestBadGenerators(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.change(variantFile, "[userdata]\n", "[generators]\ntimeout = \"500ms\"\n[userdata]\n")
	w.write("/usr/bin/netdog", "#!/bin/sh\necho looking up >&2\nexec sleep 60\n")
	w.write("/usr/bin/bork", "#!/bin/sh\necho broken >&2\nexit 1\n")
	w.write("/usr/bin/shibaken", "#!/bin/sh\nif [ $1 = is-partition ]; then echo '\"no boolean\"'; else exit 2; fi\n")
	w.write(userDataFile, "[settings.aws]\nregion = \"eu-west-1\"\n")
	w.serve()
	b := w.boot(0)
	w.wantState(b, api.BootDegraded)
	g := phase(t, b, api.PhaseGenerators)
	for key, want := range map[string]struct {
		state  api.BootState
		reason string
		stderr string
	}{
		"settings.network.hostname":                {api.BootFailed, "Timed-out waiting for settings generator 'netdog generate-hostname'", "looking up"},
		"settings.updates.seed":                    {api.BootFailed, "Setting generator 'bork seed' failed with exit code 1", "broken"},
		"settings.metrics.send-metrics":            {api.BootFailed, "the model refuses what it printed", ""},
		"settings.host-containers.admin.user-data": {api.BootSkipped, "it declined", ""},
		"settings.host-containers.admin.source":    {api.BootDone, "", ""},
	} {
		s := setting(t, g, key)
		if s.State != want.state || !strings.HasPrefix(s.Reason, want.reason) || s.Stderr != want.stderr {
			t.Errorf("%s: got %+v, want %+v", key, s, want)
		}
	}
	if g.Summary != "4 generated, 2 skipped, 3 failed" {
		t.Errorf("got the summary %s", g.Summary)
	}
	w.wantFile("/etc/chrony.conf", "pool")
}

// Generated settings that need each other's values come one after the other,
// and programs see them through the API.
func TestGeneratorsInWaves(t *testing.T) {
	w := newWorld(t, "metal-dev")
	const file = "/usr/share/hostler/variants/metal-dev.toml"
	w.withoutGenerators(file)
	w.append(file, `
[metadata.settings.network.hostname]
setting-generator = "netdog generate-hostname"
[metadata.settings.motd]
setting-generator = {command = "greet", skip-if-populated = false, needs = ["settings.network.hostname"]}
[metadata.settings.updates.targets-base-url]
setting-generator.command = "schnauzer-v2 render --requires 'network@v1' --template 'https://{{ settings.network.hostname }}/'"
setting-generator.skip-if-populated = false
`)
	w.write("/usr/bin/netdog", "#!/bin/sh\necho '\"made\"'\n")
	w.write("/usr/bin/greet", "#!/bin/sh\ntest -S \"$HOSTLER_SOCKET\" || exit 1\necho '\"hello\"'\n")
	w.serve()
	w.wantState(w.boot(0), api.BootDone)
	w.want("updates.targets-base-url", `"https://made/" generated`)
	w.want("motd", `"hello" generated`)
}

// A weak setting is made anew at each boot, a strong one is kept.
func TestWeak(t *testing.T) {
	w := newWorld(t, "metal-dev")
	const file = "/usr/share/hostler/variants/metal-dev.toml"
	w.withoutGenerators(file)
	w.append(file, `
[metadata.settings.network.hostname]
setting-generator = {command = "netdog generate-hostname", strength = "weak"}
[metadata.settings.updates.seed]
setting-generator = {command = "bork seed", strength = "strong", depth = 0}
`)
	w.write("/usr/bin/netdog", "#!/bin/sh\necho '\"one\"'\n")
	w.write("/usr/bin/bork", "#!/bin/sh\necho 1\n")
	w.serve()
	w.boot(0)
	w.write("/usr/bin/netdog", "#!/bin/sh\necho '\"two\"'\n")
	w.write("/usr/bin/bork", "#!/bin/sh\necho 2\n")
	w.boot(0)
	w.want("network.hostname", `"two" generated`)
	w.want("updates.seed", "1 generated")
	w.wantFile("/etc/network/hostname.env", "two")
}

// The image says which source the bootstrap containers have that name none.
func TestSourceOfEntries(t *testing.T) {
	w := newWorld(t, "metal-dev")
	const file = "/usr/share/hostler/variants/metal-dev.toml"
	w.withoutGenerators(file)
	w.append(file, `
[metadata.settings.bootstrap-containers.source.setting-generator]
command = "schnauzer-v2 render --template 'registry.example/bootstrap:v1'"
strength = "weak"
depth = 1
`)
	w.write("/var/lib/bottlerocket/user-data.toml", `[settings.bootstrap-containers]
disks = {mode = "once"}
mine = {mode = "off", source = "registry.example/mine:v2"}
`)
	w.serve()
	w.wantState(w.boot(0), api.BootDone)
	w.want("bootstrap-containers.disks.source", `"registry.example/bootstrap:v1" generated`)
	w.want("bootstrap-containers.mine.source", `"registry.example/mine:v2" user-data`)
}

// A broken template costs its file; a command that fails fails the boot, but
// not what comes after it.
func TestBrokenTemplateAndCommand(t *testing.T) {
	w := newWorld(t, "metal-dev")
	w.write("/usr/share/templates/motd", "[required-extensions]\nmotd = \"v1\"\n+++\n{{ settings.motd.nothing }}\n")
	w.serve()
	b := w.boot(0)
	w.wantState(b, api.BootDegraded)
	p := phase(t, b, api.PhaseApply)
	if !strings.Contains(strings.Join(p.Warnings, "\n"), "motd") || !strings.Contains(p.Summary, "1 file not rendered") {
		t.Errorf("got %+v, want the template named", p)
	}
	w.wantFile("/etc/chrony.conf", "pool")

	w.write("/run/hostler/faults.json", `{"netdog write-resolv-conf": "fail", "/usr/bin/corndog sysctl": "hang"}`)
	b = w.boot(1)
	w.wantState(b, api.BootFailed)
	p = phase(t, b, api.PhaseApply)
	if p.Error == nil || !strings.Contains(p.Error.Message, "netdog write-resolv-conf") || !strings.Contains(p.Error.Message, "corndog sysctl") {
		t.Errorf("got %+v, want both commands named", p.Error)
	}
	w.write("/run/hostler/faults.json", `{}`)
	w.change("/usr/share/templates/motd", "settings.motd.nothing", "settings.motd")
	w.wantState(w.boot(0), api.BootDone)
}

// The programs of the reference, one after the other, as its units call them.
func TestReferencePrograms(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.change(variantFile, "[userdata]\n", "[boot]\nphases = [\"generators\"]\n[userdata]\n")
	w.write(userDataFile, "[settings]\nmotd = \"units\"\n[settings.aws]\nregion = \"eu-west-1\"\n")
	w.serve()
	w.run(sundog.Storewolf, 0, "storewolf", "--data-store-base-path", "/var/lib/bottlerocket/datastore",
		"--inventory-file-symlink-path", "/var/lib/bottlerocket/inventory/application.json", "--log-level", "info")
	w.run(sundog.EarlyBootConfig, 0, "early-boot-config", "--log-level", "debug")
	w.want("motd", `"Welcome to Bottlerocket!" default`)
	w.run(sundog.SettingsCommitter, 0, "settings-committer")
	w.want("motd", `"units" user-data`)
	w.run(sundog.Run, 0, "sundog")
	w.want("host-containers.admin.source", `"328549459982.dkr.ecr.eu-west-1.amazonaws.com/bottlerocket-admin:v0.11.13" generated`)
	w.run(sundog.SettingsCommitter, 0, "settings-committer", "--transaction", "bottlerocket-launch")
	if got := w.read("/etc/motd"); got != "" {
		t.Errorf("/etc/motd is there before anything was applied: %q", got)
	}
	w.run(sundog.TharBeSettings, 0, "thar-be-settings", "--all")
	w.wantFile("/etc/motd", "units")
	target, err := os.Readlink(w.root.Join("/var/lib/bottlerocket/inventory/application.json"))
	if err != nil || target != "/usr/share/bottlerocket/application-inventory.json" {
		t.Errorf("inventory links to %q, %v", target, err)
	}
}

func TestUsage(t *testing.T) {
	w := newWorld(t, "metal-dev")
	w.run(sundog.EarlyBootConfig, 2, "early-boot-config", "--nonsense")
	w.run(sundog.EarlyBootConfig, 0, "early-boot-config", "--help")
	for range 10 { // the first that is missing is told, always the same
		if out := w.run(sundog.Storewolf, 2, "storewolf"); !strings.Contains(out, "--data-store-base-path is missing") {
			t.Errorf("storewolf without flags says %s", out)
		}
	}
	w.run(sundog.Run, 2, "sundog", "extra")
	w.run(sundog.Run, 2, "sundog", "--phase", "breakfast")
	w.run(sundog.Run, 2, "sundog", "lint")
	if out := w.run(sundog.SettingsCommitter, 1, "settings-committer"); !strings.Contains(out, "is apiserver running?") {
		t.Errorf("without a server it says %s", out)
	}
}

// User data can be loaded again: what it no longer has is unset, what was
// generated from what changed is generated anew, and the user's word stays.
func TestReload(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.write(userDataFile, "[settings]\nmotd = \"first\"\n[settings.aws]\nregion = \"eu-west-1\"\n[settings.updates]\nseed = 5\n")
	w.serve()
	w.boot(0)
	if _, err := w.client.Submit(t.Context(), api.ChangeRequest{Pairs: []string{"motd=user"}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	w.write(userDataFile, "[settings]\nmotd = \"second\"\n[settings.aws]\nregion = \"eu-west-2\"\n")
	if plan := w.run(sundog.Run, 0, "sundog", "userdata", "reload", "--dry-run"); !strings.Contains(plan, "eu-west-2") {
		t.Errorf("the plan is %s", plan)
	}
	w.want("aws.region", `"eu-west-1" user-data`)
	w.run(sundog.Run, 0, "sundog", "userdata", "reload")
	w.want("aws.region", `"eu-west-2" user-data`)
	w.want("motd", `"user" user`)
	w.want("updates.seed", "none")
	w.want("host-containers.admin.source", `"328549459982.dkr.ecr.eu-west-2.amazonaws.com/bottlerocket-admin:v0.11.13" generated`)
	w.wantFile("/etc/host-containers/host-containers.toml", "eu-west-2")

	w.write(userDataFile, "[settings]\nmotd = 7\n")
	out := w.run(sundog.Run, 1, "sundog", "userdata", "reload")
	if !strings.Contains(out, "line 2, column 1") {
		t.Errorf("a refused reload says %s", out)
	}
	w.want("aws.region", `"eu-west-2" user-data`)
}

func TestLint(t *testing.T) {
	w := newWorld(t, "aws-dev")
	w.write("/bad.toml", "[settings]\nmodt = 1\n[settings.updates]\nseed = -1\n")
	out := w.run(sundog.Run, 1, "sundog", "lint", w.root.Join("/bad.toml"))
	for _, want := range []string{"bad.toml:2:1: error: settings.modt", "did you mean", "bad.toml:4:1: error: settings.updates.seed", "a boot would refuse it"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	w.write("/good.toml", "[settings.aws]\nregion = \"eu-west-1\"\n")
	w.run(sundog.Run, 0, "sundog", "lint", w.root.Join("/good.toml"))
	w.run(sundog.Run, 1, "sundog", "lint", "--variant", "metal-dev", w.root.Join("/good.toml"))
	var result api.LintResult
	decode(t, []byte(strings.TrimSuffix(w.run(sundog.Run, 1, "sundog", "lint", "-o", "json", w.root.Join("/bad.toml")), "sundog: a boot would refuse it\n")), &result)
	if len(result.Problems) != 2 || result.Variant != "aws-dev" {
		t.Errorf("got %+v", result)
	}
	w.serve()
	served, err := w.client.Lint(t.Context(), []byte(w.read("/bad.toml")), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*served, result); diff != "" {
		t.Errorf("the server judges otherwise (-got +want):\n%s", diff)
	}
}

// Without room for its report the boot goes on.
func TestNoRoomForReport(t *testing.T) {
	w := newWorld(t, "metal-dev")
	w.write("/var/lib/hostler/boots", "")
	w.serve()
	b := w.boot(0)
	w.wantState(b, api.BootDone)
}

// A server that goes away in the middle is waited for.
func TestServerRestarts(t *testing.T) {
	w := newWorld(t, "metal-dev")
	w.withoutGenerators("/usr/share/hostler/variants/metal-dev.toml")
	w.append("/usr/share/hostler/variants/metal-dev.toml", "\n[metadata.settings.network.hostname]\nsetting-generator = \"netdog generate-hostname\"\n")
	w.write("/usr/bin/netdog", "#!/bin/sh\ntouch "+w.root.Join("/begun")+"\nsleep 0.7\necho '\"x\"'\n")
	w.serve()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			if _, err := os.Stat(w.root.Join("/begun")); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		w.stop()
		time.Sleep(time.Second)
		w.serve()
	}()
	w.run(sundog.Run, 0, "sundog")
	<-done
	w.wantState(w.report(), api.BootDone)
	w.want("network.hostname", `"x" generated`)
}

// Generators are run in another folder than that which relative names are meant from.
func TestRelativeRoot(t *testing.T) {
	w := newWorld(t, "metal-dev")
	w.write("/usr/bin/netdog", "#!/bin/sh\ntest -S \"$HOSTLER_SOCKET\" || exit 1\necho '\"made\"'\n")
	w.serve()
	t.Chdir(filepath.Dir(string(w.root)))
	w.root = paths.Root(filepath.Base(string(w.root)))
	w.run(sundog.Run, 0, "sundog", "--socket-path", w.root.Socket())
	w.want("settings.network.hostname", `"made" generated`)
}
