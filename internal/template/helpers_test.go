package template_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/template"
)

// helperCase calls a helper; its body sees settings.s, and has every helper.
type helperCase struct {
	name, body, want string
	fails            string // what the error says, instead of want
}

const helperDocument = `{
  "hosts": [["192.0.2.9", ["db", "db.example"]], ["127.0.0.1", ["me"]], ["2001:0DB8::0:1", ["six"]], ["::1", ["me6"]], ["192.0.2.9", ["more"]]],
  "containers": {"a": {"enabled": false}, "b": {"enabled": true}}, "off": {"a": {"enabled": "true"}, "b": 1}, "flags": [{"enabled": true}],
  "labels": {"b": "2", "a": 1, "c": true}, "deep": {"a": {}}, "nulls": {"a": null}, "list": ["x\"y", "z\\"], "mixed": ["a", 1],
  "taints": {"k2": ["v:NoSchedule"], "k1": ["v:NoSchedule", "w:NoExecute"]}, "badtaints": {"k": "v"},
  "capabilities": {"sys-admin": true, "chown": true, "kill": false},
  "x": {"capabilities": {"nosuch": true}, "resource-limits": {"max-open-files": {"hard-limit": 5}}},
  "resource-limits": {"max-open-files": {"hard-limit": 1048576, "soft-limit": -1}, "max-cpu-time": {"hard-limit": "unlimited", "soft-limit": 9}},
  "yes": true, "n": 5, "null": null, "text": "t", "half": 2.50, "big": 18446744073709551615
}`

func runHelpers(t *testing.T, system template.System, tests []helperCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compiled, err := template.ParseLegacy("t", tt.body)
			if err != nil {
				t.Fatal(err)
			}
			settings := map[string]any{"s": decode(t, helperDocument)}
			got, err := compiled.Render(template.Data{Settings: settings, System: system})
			if tt.fails != "" {
				want := fmt.Sprintf("t:1:1: %s in %s", tt.fails, tt.body)
				if e := new(template.Error); !errors.As(err, &e) || e.Class != template.ClassHelper || e.Error() != want {
					t.Fatalf("%s: got %q and error %v, want error %s", tt.body, got, err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(got), tt.want); diff != "" {
				t.Errorf("%s (-got +want):\n%s", tt.body, diff)
			}
		})
	}
}

func TestStdHelpers(t *testing.T) {
	runHelpers(t, template.System{}, []helperCase{
		{name: "any_enabled", body: `{{any_enabled settings.s.containers}} {{any_enabled settings.s.off}} {{any_enabled settings.s.flags}} {{any_enabled null}} {{any_enabled 5}}`, want: "true false true false false"},
		{name: "any_enabled of nothing", body: `{{any_enabled settings.s.nosuch}}`, fails: "helper any_enabled: parameter 1 (settings.s.nosuch): no value"},
		{name: "base64_decode", body: `{{base64_decode "aGVsbG8gPHdvcmxkPg=="}}`, want: "hello <world>"},
		{name: "base64 without padding", body: `{{base64_decode "aGVsbG8"}}`, fails: "helper base64_decode: parameter 1: not base64"},
		{name: "base64 with leftover bits", body: `{{base64_decode "aGVsbG9="}}`, fails: "helper base64_decode: parameter 1: not base64"},
		{name: "base64 on two lines", body: `{{base64_decode "aGVs\nbG8="}}`, fails: "helper base64_decode: parameter 1: line break in base64"},
		{name: "base64 of other bytes", body: `{{base64_decode "/w=="}}`, fails: "helper base64_decode: parameter 1: not UTF-8 text once decoded"},
		{name: "base64 of a number", body: `{{base64_decode settings.s.n}}`, fails: "helper base64_decode: parameter 1 (settings.s.n): expected a string, found a number"},
		{name: "default", body: `{{default "d" settings.s.nosuch}} {{default "d" settings.s.null}} {{default "d" settings.s.n}} {{default 1.50 settings.s.nosuch}} {{default "d" settings.s.yes}}`, want: "d d 5 1.5 true"},
		{name: "default of a map", body: `{{default "d" settings.s.labels}}`, fails: "helper default: parameter 2 (settings.s.labels): expected a string, a number or a boolean, found a map"},
		{name: "default of nothing", body: `{{default settings.s.nosuch null}}`, fails: "helper default: parameter 1 (settings.s.nosuch): expected a string, a number or a boolean, found nothing"},
		{name: "default arity", body: `{{default "d"}}`, fails: "helper default takes 2 parameters, got 1"},
		{name: "goarch", body: `{{goarch "x86_64"}} {{goarch "amd64"}} {{goarch "aarch64"}} {{goarch "arm64"}}`, want: "amd64 amd64 arm64 arm64"},
		{name: "goarch of another", body: `{{goarch "riscv64"}}`, fails: "helper goarch: parameter 1: expected x86_64, amd64, aarch64 or arm64"},
		{name: "goarch arity", body: `{{goarch}}`, fails: "helper goarch takes 1 parameter, got 0"},
		{name: "if_not_null", body: `{{#if_not_null false}}a{{/if_not_null}}{{#if_not_null settings.s.null}}b{{else}}c{{/if_not_null}}{{#if_not_null settings.s.nosuch}}d{{/if_not_null}}`, want: "ac"},
		{name: "kinds", body: `{{is_null null}}{{is_null settings.s.nosuch}}{{is_bool true}}{{is_number 1}}{{is_string "s"}}{{is_array []}}{{is_object {}}}`, want: "truetruetruetruetruetruetrue"},
		{name: "other kinds", body: `{{is_null 0}} {{is_bool "true"}} {{is_number "1"}} {{is_string 1}} {{is_array {}}} {{is_object []}}`, want: "false false false false false false"},
		{name: "kinds in conditions", body: `{{#if (not (is_array settings.s.n))}}a{{/if}}`, want: "a"},
		{name: "join_array", body: `{{join_array ", " settings.s.list}}|{{join_array "" []}}`, want: `"x"y", "z\"|`},
		{name: "join_array of others", body: `{{join_array "," settings.s.mixed}}`, fails: "helper join_array: parameter 2 (settings.s.mixed): expected strings, found a number at 1"},
		{name: "join_array of a map", body: `{{join_array "," settings.s.labels}}`, fails: "helper join_array: parameter 2 (settings.s.labels): expected a list, found a map"},
		{name: "join_map", body: `{{join_map "=" "," "fail-if-missing" settings.s.labels}}|{{join_map "=" "," "no-fail-if-missing" null}}|{{join_map "=" "," "fail-if-missing" {}}}`, want: "a=1,b=2,c=true||"},
		{name: "join_map of nothing", body: `{{join_map "=" "," "fail-if-missing" settings.s.nosuch}}`, fails: "helper join_map: parameter 4 (settings.s.nosuch): expected a map, found nothing"},
		{name: "join_map of maps", body: `{{join_map "=" "," "no-fail-if-missing" settings.s.deep}}`, fails: "helper join_map: parameter 4 (settings.s.deep): expected scalars, found a map at a"},
		{name: "join_map of null", body: `{{join_map "=" "," "no-fail-if-missing" settings.s.nulls}}`, fails: "helper join_map: parameter 4 (settings.s.nulls): expected scalars, found null at a"},
		{name: "join_map mode", body: `{{join_map "=" "," "maybe" {}}}`, fails: "helper join_map: parameter 3: expected fail-if-missing or no-fail-if-missing"},
		{name: "negate_or_else", body: `{{negate_or_else true settings.s.yes}} {{negate_or_else true settings.s.nosuch}} {{negate_or_else false null}}`, want: "false true false"},
		{name: "negate_or_else of text", body: `{{negate_or_else true settings.s.text}}`, fails: "helper negate_or_else: parameter 2 (settings.s.text): expected a boolean, found a string"},
		{name: "negate_or_else fallback", body: `{{negate_or_else "x" settings.s.yes}}`, fails: "helper negate_or_else: parameter 1: expected a boolean, found a string"},
		{name: "toml_encode", body: `{{toml_encode settings.s.list}} {{toml_encode settings.s.labels}} {{toml_encode "a\tb"}} {{toml_encode 1.0}} {{toml_encode {}}} {{toml_encode {"a b": [true]}}}`, want: `["x\"y", "z\\"] { a = 1, b = "2", c = true } "a\tb" 1.0 {} { "a b" = [true] }`},
		{name: "toml_encode of null", body: `{{toml_encode settings.s.nulls}}`, fails: "helper toml_encode: parameter 1 (settings.s.nulls): TOML has no null"},
		{name: "toml_encode of a large number", body: `{{toml_encode settings.s.big}}`, fails: "helper toml_encode: parameter 1 (settings.s.big): TOML's integers have 64 bits"},
	})
}

func TestAddressHelpers(t *testing.T) {
	runHelpers(t, template.System{}, []helperCase{
		{name: "is_ipv4", body: `{{is_ipv4 "10.0.0.0/8"}} {{is_ipv4 "10.0.0.1"}} {{is_ipv4 "fd00::/8"}}`, want: "true true false"},
		{name: "is_ipv6", body: `{{is_ipv6 "10.0.0.0/8"}} {{is_ipv6 "::1"}} {{is_ipv6 "fd00::/8"}}`, want: "false true true"},
		{name: "is_ipv4 of text", body: `{{is_ipv4 "x"}}`, fails: "helper is_ipv4: parameter 1: expected an address or an address block"},
		{name: "is_ipv6 of half a block", body: `{{is_ipv6 "fd00::/"}}`, fails: "helper is_ipv6: parameter 1: expected an address block such as 10.0.0.0/8"},
		{name: "cidr_to_ipaddr", body: `{{cidr_to_ipaddr "10.1.2.3/8"}} {{cidr_to_ipaddr "FD00::0/8"}}`, want: "10.1.2.3 fd00::"},
		{name: "replace_ipv4_octet", body: `{{replace_ipv4_octet "10.1.2.3" 3 "10"}} {{replace_ipv4_octet "10.1.2.3" 0 192}}`, want: "10.1.2.10 192.1.2.3"},
		{name: "octet too large", body: `{{replace_ipv4_octet "10.1.2.3" 3 "256"}}`, fails: "helper replace_ipv4_octet: parameter 3: expected a number from 0 to 255"},
		{name: "octet with a dot", body: `{{replace_ipv4_octet "10.1.2.3" 3 "1.2"}}`, fails: "helper replace_ipv4_octet: parameter 3: expected a number from 0 to 255"},
		{name: "octet out of the address", body: `{{replace_ipv4_octet "10.1.2.3" 4 "1"}}`, fails: "helper replace_ipv4_octet: parameter 2: expected 0, 1, 2 or 3"},
		{name: "octet of IPv6", body: `{{replace_ipv4_octet "::1" 1 "1"}}`, fails: "helper replace_ipv4_octet: parameter 1: expected an IPv4 address"},
	})
}

func TestAWSHelpers(t *testing.T) {
	runHelpers(t, template.System{}, []helperCase{
		{name: "ecr-prefix", body: `{{ecr-prefix "us-west-2"}} {{ecr-prefix "af-south-1"}}`, want: "328549459982.dkr.ecr.us-west-2.amazonaws.com 917644944286.dkr.ecr.af-south-1.amazonaws.com"},
		{name: "ecr-prefix of other partitions", body: `{{ecr-prefix "cn-northwest-1"}} {{ecr-prefix "eu-isoe-west-1"}}`, want: "183901325759.dkr.ecr.cn-northwest-1.amazonaws.com.cn 589460436674.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk"},
		{name: "ecr-prefix of no known region", body: `{{ecr-prefix "moon-1"}}`, want: "328549459982.dkr.ecr.us-east-1.amazonaws.com"},
		{name: "ecr-prefix of nothing", body: `{{ecr-prefix settings.s.nosuch}}`, fails: "helper ecr-prefix: parameter 1 (settings.s.nosuch): expected a string, found nothing"},
		{name: "tuf-prefix", body: `{{tuf-prefix "moon-1"}} {{tuf-prefix "cn-north-1"}} {{tuf-prefix "eu-isoe-west-1"}}`, want: "https://updates.bottlerocket.aws https://bottlerocket-updates-cn-north-1.s3.dualstack.cn-north-1.amazonaws.com.cn/latest https://bottlerocket-updates-eu-isoe-west-1.s3.eu-isoe-west-1.cloud.adc-e.uk/latest"},
		{name: "metadata-prefix", body: `[{{metadata-prefix "us-west-2"}}] {{metadata-prefix "cn-north-1"}} {{metadata-prefix "eu-isoe-west-1"}}`, want: "[] /metadata /metadata"},
	})
	runHelpers(t, template.System{FIPS: true}, []helperCase{
		{name: "FIPS", body: `{{ecr-prefix "us-gov-west-1"}} {{ecr-prefix "eu-west-1"}} {{ecr-prefix "cn-north-1"}} {{ecr-prefix "moon-1"}}`, want: "347163068887.dkr.ecr-fips.us-gov-west-1.amazonaws.com 328549459982.dkr.ecr.eu-west-1.amazonaws.com 183470599484.dkr.ecr.cn-north-1.amazonaws.com.cn 328549459982.dkr.ecr-fips.us-east-1.amazonaws.com"},
	})
}

func TestNetworkHelpers(t *testing.T) {
	known := map[string]netip.Addr{"known.example": netip.MustParseAddr("192.0.2.7"), "self.example": netip.MustParseAddr("127.0.0.1")}
	resolve := func(host string) ([]netip.Addr, error) {
		if addr, ok := known[host]; ok {
			return []netip.Addr{addr}, nil
		}
		return nil, errors.New("no such host")
	}
	runHelpers(t, template.System{Resolve: resolve}, []helperCase{
		{name: "host", body: `{{host "https://u:p@a.example:8443/p?q"}} {{host "http://[::1]:80/"}} {{host "HTTP://A.Example"}}`, want: "a.example [::1] a.example"},
		{name: "host of no URL", body: `{{host "a.example"}}`, fails: "helper host: parameter 1: expected an absolute URL"},
		{name: "host of a URL without one", body: `{{host "file:///etc"}}`, fails: "helper host: parameter 1: the URL has no host"},
		{name: "etc_hosts_entries", body: `{{etc_hosts_entries settings.s.hosts}}`, want: "192.0.2.9 db db.example more\n2001:db8::1 six"},
		{name: "etc_hosts_entries of nothing", body: `[{{etc_hosts_entries settings.s.nosuch}}{{etc_hosts_entries []}}]`, want: "[]"},
		{name: "etc_hosts_entries of others", body: `{{etc_hosts_entries settings.s.list}}`, fails: `helper etc_hosts_entries: parameter 1 (settings.s.list): expected ["address", ["name", …]] at 0`},
		{name: "localhost_aliases", body: `{{localhost_aliases "ipv4" "new" settings.s.hosts}}|{{localhost_aliases "ipv6" "new" settings.s.hosts}}`, want: "new me|new me6"},
		{name: "localhost_aliases, in hosts", body: `[{{localhost_aliases "ipv4" "six" settings.s.hosts}}]`, want: "[me]"},
		{name: "localhost_aliases, in DNS", body: `[{{localhost_aliases "ipv4" "known.example" null}}] {{localhost_aliases "ipv4" "self.example" null}}`, want: "[] self.example"},
		{name: "localhost_aliases without a name", body: `[{{localhost_aliases "ipv4" "" settings.s.nosuch}}]`, want: "[]"},
		{name: "localhost_aliases family", body: `{{localhost_aliases "ipv5" "a" null}}`, fails: "helper localhost_aliases: parameter 1: expected ipv4 or ipv6"},
	})
	runHelpers(t, template.System{}, []helperCase{
		{name: "nothing resolves", body: `{{localhost_aliases "ipv4" "known.example" null}}`, want: "known.example"},
	})
}

func TestCgroupHelper(t *testing.T) {
	for version2, want := range map[bool]string{true: "two, true", false: "one, false"} {
		runHelpers(t, template.System{Cgroup2: version2}, []helperCase{
			{name: want, body: `{{#if (is_cgroup_v2)}}two{{else}}one{{/if}}, {{is_cgroup_v2}}`, want: want},
		})
	}
}

func TestKubernetesAndECSHelpers(t *testing.T) {
	for cores, want := range map[int]string{0: "0m", 1: "60m", 2: "70m", 3: "75m", 4: "80m", 5: "82m", 6: "85m", 96: "310m"} {
		runHelpers(t, template.System{CPUs: cores}, []helperCase{{name: fmt.Sprint(cores, " cores"), body: `{{kube_reserve_cpu settings.s.nosuch}}`, want: want}})
	}
	runHelpers(t, template.System{CPUs: 4}, []helperCase{
		{name: "join_node_taints", body: `{{join_node_taints settings.s.taints}}|{{join_node_taints null}}`, want: "k1=v:NoSchedule,k1=w:NoExecute,k2=v:NoSchedule|"},
		{name: "join_node_taints of text", body: `{{join_node_taints settings.s.badtaints}}`, fails: "helper join_node_taints: parameter 1 (settings.s.badtaints): expected a list of strings at k"},
		{name: "kube_reserve_cpu", body: `{{kube_reserve_cpu "10m"}} {{kube_reserve_cpu 2}}`, want: "10m 2"},
		{name: "kube_reserve_cpu of a list", body: `{{kube_reserve_cpu settings.s.list}}`, fails: "helper kube_reserve_cpu: parameter 1 (settings.s.list): expected a string or a number, found a list"},
		{name: "kube_reserve_memory", body: `{{kube_reserve_memory 29 null}} {{kube_reserve_memory 29 "1Gi"}} {{kube_reserve_memory 0 settings.s.nosuch}}`, want: "574Mi 1Gi 255Mi"},
		{name: "kube_reserve_memory without pods", body: `{{kube_reserve_memory settings.s.nosuch "1Gi"}}`, fails: "helper kube_reserve_memory: parameter 1 (settings.s.nosuch): expected a number of pods, found nothing"},
		{name: "kube_reserve_memory of half a pod", body: `{{kube_reserve_memory settings.s.half null}}`, fails: "helper kube_reserve_memory: parameter 1 (settings.s.half): expected a number of pods from 0 to 4294967295"},
		{name: "ecs_metadata_service_limits", body: `{{ecs_metadata_service_limits null null}} {{ecs_metadata_service_limits 1 null}} {{ecs_metadata_service_limits settings.s.nosuch 2}} {{ecs_metadata_service_limits 1 2}}`, want: "40,60 1,60 40,2 1,2"},
		{name: "ecs_metadata_service_limits of text", body: `{{ecs_metadata_service_limits "1" 2}}`, fails: "helper ecs_metadata_service_limits: parameter 1: expected a number, found a string"},
	})
}

func TestOCIHelper(t *testing.T) {
	capabilities := `["CAP_CHOWN",` + "\n" + `"CAP_SYS_ADMIN"]`
	tests := []helperCase{
		{name: "capabilities, docker", body: `{{oci_defaults "docker" settings.s.capabilities}}`, want: capabilities},
		{name: "capabilities, containerd", body: `{{oci_defaults "containerd" settings.s.capabilities}}`, want: `"bounding": ` + capabilities + ",\n" + `"effective": ` + capabilities + ",\n" + `"permitted": ` + capabilities + "\n"},
		{name: "limits, docker", body: `{{oci_defaults "docker" settings.s.resource-limits}}`, want: ` "cpu":{ "Name": "cpu", "Hard": -1, "Soft": 9 },` + "\n" + ` "nofile":{ "Name": "nofile", "Hard": 1048576, "Soft": -1 }`},
		{name: "limits, containerd", body: `{{oci_defaults "containerd" settings.s.resource-limits}}`, want: `{ "type": "RLIMIT_CPU", "hard": 18446744073709551615, "soft": 9 },` + "\n" + `{ "type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 18446744073709551615 }`},
		{name: "runtime", body: `{{oci_defaults "runc" settings.s.capabilities}}`, fails: "helper oci_defaults: parameter 1: expected docker or containerd"},
		{name: "section", body: `{{oci_defaults "docker" settings.s.labels}}`, fails: "helper oci_defaults: parameter 2 (settings.s.labels): expected a path that ends in capabilities or resource-limits"},
		{name: "no path", body: `{{oci_defaults "docker" {}}}`, fails: "helper oci_defaults: parameter 2: expected a path such as settings.oci-defaults.capabilities"},
		{name: "nothing there", body: `{{oci_defaults "docker" settings.s.y.capabilities}}`, fails: "helper oci_defaults: parameter 2 (settings.s.y.capabilities): expected a map, found nothing"},
		{name: "unknown capability", body: `{{oci_defaults "docker" settings.s.x.capabilities}}`, fails: "helper oci_defaults: parameter 2 (settings.s.x.capabilities): expected capabilities with true or false, found nosuch"},
		{name: "half a limit", body: `{{oci_defaults "docker" settings.s.x.resource-limits}}`, fails: "helper oci_defaults: parameter 2 (settings.s.x.resource-limits): expected limits with hard-limit and soft-limit, found max-open-files"},
	}
	runHelpers(t, template.System{}, tests)
	memlock := ` "memlock":{ "Name": "memlock", "Hard": -1, "Soft": -1 },` + "\n"
	runHelpers(t, template.System{EFA: true}, []helperCase{
		{name: "fabric adapter", body: `{{oci_defaults "docker" settings.s.resource-limits}}`, want: strings.Replace(tests[2].want, ` "nofile"`, memlock+` "nofile"`, 1)},
	})
}
