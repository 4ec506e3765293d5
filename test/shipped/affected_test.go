package shipped_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/key"
)

// affected is the reference's own table: the services that a change of a key
// affects, by the end of the variant's name where variants differ. What is
// different on purpose says so.
var affected = []struct {
	key      key.Key
	services map[string]string // by the end of the variant's name; "": all others
}{
	{"settings.motd", all("motd")},
	{"settings.updates.seed", all("updog thar-be-updates")},
	{"settings.host-containers.admin.enabled", all("host-containers")},
	{"settings.network.https-proxy", map[string]string{
		"-k8s": "containerd kubernetes host-containerd host-containers updog",
		"-dev": "containerd docker host-containerd host-containers updog", // and docker, which reads the file
		"":     "containerd docker ecs host-containerd host-containers updog",
	}},
	{"settings.network.hostname", all("hostname hosts")},
	{"settings.network.hosts", all("hosts")},
	{"settings.ntp.options", all("ntp")},
	{"settings.kernel.sysctl.x", all("sysctl")},
	{"settings.kernel.modules.x.allowed", all("kernel-modules")},
	{"settings.kernel.lockdown", all("lockdown")},
	{"settings.bootstrap-commands.x.mode", all("bootstrap-commands")},
	{"settings.bootstrap-containers.x.mode", all("bootstrap-containers")},
	{"settings.dns.search-list", all("dns")},
	{"settings.boot.kernel.x", all("bootconfig")},
	{"settings.pki.x.trusted", map[string]string{"-k8s": "pki containerd", "": "pki docker"}},
	{"settings.container-registry.mirrors", map[string]string{
		"-k8s": "containerd host-containers bootstrap-containers",
		"":     "docker host-containers bootstrap-containers",
	}},
	{"settings.container-registry.credentials", map[string]string{
		"-k8s": "containerd host-containers bootstrap-containers",
		"-dev": "host-containers bootstrap-containers",
		"":     "ecs host-containers bootstrap-containers",
	}},
	{"settings.container-runtime.max-concurrent-downloads", all("containerd")},
	{"settings.oci-defaults.capabilities.kill", map[string]string{"-k8s": "oci-defaults containerd", "": "docker"}},
	{"settings.oci-hooks.log4j-hotpatch-enabled", all("log4j-hotpatch-enabled")},
	{"settings.ecs.cluster", all("ecs")},
	{"settings.kubernetes.max-pods", all("kubernetes")},
	{"settings.kubernetes.pod-infra-container-image", all("pod-infra-container-image")}, // there: only on EC2
	{"settings.kubernetes.static-pods.x.enabled", all("static-pods")},
	{"settings.aws.region", all("aws")},
	{"settings.aws.profile", map[string]string{"-k8s": "kubernetes", "": "aws"}},
	{"settings.autoscaling.should-wait", map[string]string{
		"-k8s": "autoscaling-warm-pool", "": "autoscaling-warm-pool ecs", // and the agent, whose file has it
	}},
	{"settings.cloudformation.stack-name", all("cfsignal")},
}

func all(services string) map[string]string { return map[string]string{"": services} }

func TestAffectedServicesAreTheReferences(t *testing.T) {
	for _, variant := range variants(t) {
		m := load(t, variant)
		for _, a := range affected {
			if !m.Has(a.key.Segments()[1]) {
				continue
			}
			want := a.services[""]
			for end, services := range a.services {
				if end != "" && strings.HasSuffix(variant, end) {
					want = services
				}
			}
			if diff := cmp.Diff(m.AffectedServices(a.key), strings.Fields(want)); diff != "" {
				t.Errorf("%s: %s: -got +want:\n%s", variant, a.key, diff)
			}
		}
	}
}
