package model_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// typesModel has a group types with a setting of each named type, and a group
// names with a map for each whose names are of the type.
func typesModel(t testing.TB) *model.Model {
	t.Helper()
	text, err := os.ReadFile("../../models/types.json")
	if err != nil {
		t.Fatal(err)
	}
	var types struct {
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(text, &types); err != nil {
		t.Fatal(err)
	}
	values, names := map[string]any{}, map[string]any{}
	for name := range types.Defs {
		ref := map[string]any{"$ref": "../types.json#/$defs/" + name}
		values[name] = ref
		names[name] = map[string]any{"propertyNames": ref, "additionalProperties": true}
	}
	m, err := model.Load(fstest.MapFS{
		"models/types.json":        {Data: text},
		"models/types/schema.json": {Data: schemaOf(t, values)},
		"models/names/schema.json": {Data: schemaOf(t, names)},
		"variants/types.toml":      {Data: []byte(`groups = ["types", "names"]`)},
	}, "types")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func schemaOf(t testing.TB, properties map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"properties": properties, "additionalProperties": false})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func quoted(texts ...string) []string {
	for i, s := range texts {
		b, _ := json.Marshal(s)
		texts[i] = string(b)
	}
	return texts
}

func with(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// typeCases are values of each named type at the edges of its rule.
var typeCases = map[string]struct{ good, bad []string }{
	"String":           {quoted("", "a", "a\nb", "a\x00b", "žluť"), []string{"1", "true", "[]", "{}"}},
	"SingleLineString": {quoted("", "a b", "a\x00b", "a\tb"), with(quoted("a\n", "\r", "a\u0085b", "\u2028", "\u2029", "\v", "\f"), []string{"1"})},
	"ValidBase64":      {quoted("", "YQ==", "aGk=", "////", "++++"), quoted("=", "====", "Y===", "YR==", "aGk", "aGk==", "a b=", "aGk=\n", "_-_-", "é")},
	"Identifier":       {quoted("", "a", "A-1", strings.Repeat("a", 76)), quoted("a_b", "a.b", "a b", "é", "a\n", strings.Repeat("a", 77))},
	"Url": {
		quoted("a", "a:1", "1.2.3.4", "https://a/", "//x", "/x", "http://", "javascript:1", "[::1]:80", "repo/image:tag", "ftp://x", "a..b"),
		quoted("", "::1", "a b", "%", "?", "#", ":80", "1.2.3.4.5", "[::1"),
	},
	"ValidLinuxHostname": {
		quoted("a", "1", "a.b-", "a-", strings.Repeat("a", 63)),
		quoted("", "A", "a.", ".a", "-a", "a.-b", "a..b", "a_b", strings.Repeat("a", 64), strings.Repeat("a.", 127)+"a"),
	},
	"DNSDomain":       {quoted("a", "A.b", "a_b", "*.a", "cluster.local"), quoted("", ".a", "a b", "1.2.3.4", "[::1]", "a/b", "a:1", "u@h", "a?", "0x7f.1", "a\tb")},
	"CalendarEvent":   {quoted("daily", "Sat,Sun 02:00", "Mon..Fri *-*-* 04:30:15 UTC", "*:0/15"), quoted("", "x", "25:00", "Sat..Mon", "02:00 Nowhere/At-All")},
	"WindowLength":    {quoted("15m", "1h30m", "90m", "168h"), quoted("", "1", "x", "14m59s", "168h1m", "-1h", "1d")},
	"FriendlyVersion": {quoted("latest", "1.2.3", "v1.2.3", "1.2.3-rc.1", "1.2.3+b", "1.2.3-a.0.0a-+001.x", "18446744073709551615.0.0", "1.2.3-"+strings.Repeat("a", 300)), quoted("", "1", "1.2", "v1", "V1.2.3", "1.2.3.4", " 1.2.3", "01.2.3", "newest", "Latest", "vlatest", "1.2.3-01", "1.2.3-", "1.2.3+", "1.2.3-a..b", "vv1.2.3", "18446744073709551616.0.0")},
	"IpAddr":          {quoted("1.2.3.4", "::1", "::ffff:1.2.3.4", "2001:DB8::1"), quoted("", "1.2.3", "01.2.3.4", "1.2.3.4 ", "::1%eth0", "localhost", "1.2.3.256", ":::")},
	"EtcHostsEntries": {
		[]string{`[]`, `[["1.2.3.4",["a"]]]`, `[["1.2.3.4",["a"]],["1.2.3.4",["b"]]]`, `[["::1",["a","b"]]]`, `[["::1",[]]]`},
		[]string{`{}`, `"x"`, `[[]]`, `[["1.2.3.4"]]`, `[["1.2.3.4",["a"],1]]`, `[["1.2.3.4","a"]]`, `[["x",["a"]]]`, `[["1.2.3.4",["A"]]]`, `[null]`},
	},
	"SysctlKey":       {quoted("a", "a.b", "a.", "a/", "a/b.c", "net/ipv4", strings.Repeat("a", 128)), quoted("", ".a", "/a", "a..b", "a b", strings.Repeat("a", 129))},
	"KmodKey":         {quoted("a", "a_b-1", strings.Repeat("a", 56)), quoted("", "a.b", "a b", strings.Repeat("a", 57))},
	"BootConfigKey":   {quoted("a", "a.b", "a-b_c"), quoted("", ".", "a.", ".a", "a..b", "a b", "a=b", "é")},
	"BootConfigValue": {quoted("", "a b", `a"b`, `a'b`, "~!@"), quoted("\"'", "a\tb", "a\n", "é", "\x7f")},
	"Lockdown":        {quoted("none", "integrity", "confidentiality"), quoted("", "None", "x")},
	"BootstrapMode":   {quoted("off", "once", "always"), quoted("", "Off", "never")},
	"ApiclientCommand": {
		[]string{`["apiclient"]`, `["apiclient","set","a=b"]`},
		[]string{`[]`, `["ls"]`, `["Apiclient"]`, `"apiclient"`, `["apiclient",1]`},
	},
	"u8":                 {[]string{"0", "255"}, []string{"-1", "256", "1.0", "1e1", "-0", `"1"`, "true", "null"}},
	"u16":                {[]string{"0", "65535"}, []string{"-1", "65536"}},
	"u32":                {[]string{"0", "4294967295"}, []string{"-1", "4294967296", "1.5", "1000.0"}},
	"u64":                {[]string{"0", "18446744073709551615"}, []string{"-1", "18446744073709551616"}},
	"i32":                {[]string{"-2147483648", "2147483647"}, []string{"-2147483649", "2147483648"}},
	"i64":                {[]string{"-9223372036854775808", "9223372036854775807"}, []string{"-9223372036854775809", "9223372036854775808"}},
	"NonNegativeInteger": {[]string{"0", "2147483647"}, []string{"-1", "2147483648"}},
	"BoundedI32":         {[]string{"-2147483648", "2147483647"}, []string{"2147483648"}},
	"KernelCpuSetValue":  {quoted("0", "0-3", "0-3,5-7", "1,2"), quoted("", "a", ",0", "0,1,", "1,,2", "0--1", "0-3-5", "0 - 3")},
	"KubernetesName":     {quoted("a", "a.b-1", strings.Repeat("a", 253)), quoted("", "A", "a_b", strings.Repeat("a", 254))},
	"KubernetesLabelKey": {quoted("a", "A", "a_b", "a/b", "a.b/c", strings.Repeat("a", 63)), quoted("", "-a", "a-", "a/b/c", "a_/b", "/a", strings.Repeat("a", 64))},
	"KubernetesLabelValue": {
		quoted("", "a", "a_b.c-d", strings.Repeat("a", 63)), quoted("-a", "a.", "a/b", "a b", "é", strings.Repeat("a", 64)),
	},
	"KubernetesTaintValue":             {quoted(":NoSchedule", "v:NoSchedule", "v:"+strings.Repeat("E", 253)), quoted("", "v", "v:", "v:a-b", "-v:E", "v:"+strings.Repeat("E", 254))},
	"KubernetesClusterName":            {quoted("a", "c_1"), quoted("", "a/b", strings.Repeat("a", 64))},
	"KubernetesAuthenticationMode":     {quoted("aws", "tls"), quoted("", "AWS")},
	"KubernetesBootstrapToken":         {quoted("abcdef.0123456789abcdef"), quoted("", "abcdef.0123456789abcde", "abcdef0123456789abcdef", "ABCDEF.0123456789abcdef")},
	"KubernetesEvictionKey":            {quoted("memory.available", "pid.available"), quoted("", "memory")},
	"KubernetesThresholdValue":         {quoted("0%", "99%", "99.9%", "100Mi", "1.5"), quoted("%", "-1%", "100%", "x", "", "NaN%", "inf%", "0x1%", "1_0%")},
	"KubernetesQuantityValue":          {quoted("1", "+1", "-1", "1.5", ".5", "5.", "100m", "1k", "1n", "1Ei", "1E", "1e3", "1e"), quoted("", "a", "1g", "1mi", "1ei", "1E3", "1 k")},
	"KubernetesReservedResourceKey":    {quoted("cpu", "memory", "ephemeral-storage"), quoted("gpu", "")},
	"KubernetesDurationValue":          {quoted("1s", "1ms", "1.5h30m", "1h30m", "1s1ms", "0s"), quoted("", "1", "h", ".5s", "1.s", "-1s", "1d", "1m1h", "1h 1m", "1us")},
	"KubernetesCloudProvider":          {quoted("aws", "external", "", `""`), quoted("gce")},
	"CpuManagerPolicy":                 {quoted("none", "static", "None", "Static"), quoted("", "STATIC")},
	"KubernetesCPUManagerPolicyOption": {quoted("full-pcpus-only"), quoted("", "x")},
	"TopologyManagerScope":             {quoted("container", "pod"), quoted("", "Pod")},
	"TopologyManagerPolicy":            {quoted("none", "restricted", "best-effort", "single-numa-node"), quoted("", "x")},
	"KubernetesMemoryManagerPolicy":    {quoted("Static", "static", "None", "none"), quoted("", "STATIC")},
	"KubernetesMemoryReservationKey":   {quoted("memory", "hugepages-2Mi", "hugepages-1Gi"), quoted("", "x")},
	"KubernetesHostnameOverrideSource": {quoted("private-dns-name", "instance-id"), quoted("", "x")},
	"IntegerPercent":                   {[]string{"0", "100", `"85"`, `"0"`}, []string{"-1", "101", `"101"`, `"x"`, `""`, "1.5", "true", `"-1"`}},
	"KubernetesClusterDnsIp":           {[]string{`"10.0.0.10"`, `["10.0.0.10","::1"]`, `[]`}, []string{`""`, `"x"`, `["x"]`, `[""]`, `1`, `{}`}},
	"OciCapability":                    {quoted("chown", "sys-admin", "wake-alarm"), quoted("CHOWN", "cap-chown", "")},
	"OciResourceLimitName":             {quoted("max-open-files"), quoted("x", "")},
	"OciResourceLimitValue":            {[]string{"-1", "0", "9223372036854775807", `"unlimited"`}, []string{"-2", `"x"`, "9223372036854775808", "1.5"}},
	"ECSAttributeKey":                  {quoted("a", "a.b/c_d-1", strings.Repeat("a", 128)), quoted("", "a b", strings.Repeat("a", 129))},
	"ECSAttributeValue":                {quoted("a", "a b", "a@b:c_d/e\\f-1.x", strings.Repeat("a", 128)), quoted("", " a", "a ", "é", strings.Repeat("a", 129))},
	"ECSAgentLogLevel":                 {quoted("debug", "crit"), quoted("", "trace")},
	"ECSAgentImagePullBehavior":        {quoted("default", "prefer-cached"), quoted("", "never")},
	"ECSDurationValue":                 {quoted("1s", "1h1m1s1ms1us1ns", "1µs", "1.5h"), quoted("", "1", "1ns1us", "1d")},
	"PemCertificateString":             {quoted("", " \n"), quoted("eA==", "not base64", "-----BEGIN CERTIFICATE-----")},
}

func TestTypes(t *testing.T) {
	m := typesModel(t)
	for _, name := range m.Keys() {
		typeName := strings.Split(name, ".")[2]
		if _, ok := typeCases[typeName]; !ok {
			t.Errorf("%s has no cases", typeName)
		}
	}
	for name, cases := range typeCases {
		for _, value := range cases.good {
			if err := parseAs(m, name, value); err != nil {
				t.Errorf("%s refuses %s: %v", name, value, err)
			}
		}
		for _, value := range cases.bad {
			if value != "null" && parseAs(m, name, value) == nil {
				t.Errorf("%s accepts %s", name, value)
			}
		}
	}
}

func parseAs(m *model.Model, typeName, value string) error {
	pairs, err := m.ParseJSON(fmt.Appendf(nil, `{"types":{%q:%s}}`, typeName, value))
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if err := m.Check(p); err != nil {
			return fmt.Errorf("stored as %s: %w", p.Value, err)
		}
	}
	return nil
}

// explainNamed explains a setting by a name that its maps take.
func explainNamed(m *model.Model, pattern string) (k key.Key, e *api.Explanation, err error) {
	for _, name := range []string{"a", "memory", "chown", "max-open-files", `"memory.available"`} {
		k = key.MustParse(strings.ReplaceAll(pattern, "<NAME>", name))
		if e, err = m.Explain(k); err == nil {
			return k, e, nil
		}
	}
	return k, e, err
}

// TestTypeExamples holds every example of a type or a setting to its own rule.
func TestTypeExamples(t *testing.T) {
	for _, m := range []*model.Model{typesModel(t), load(t, "aws-dev"), load(t, "aws-k8s"), load(t, "aws-ecs-2")} {
		count := 0
		for _, pattern := range m.Keys() {
			if strings.HasPrefix(pattern, "settings.names.") {
				continue
			}
			k, e, err := explainNamed(m, pattern)
			if err != nil || e.Description == "" {
				t.Errorf("%s: no description, %v", k, err)
				continue
			}
			for _, example := range e.Examples {
				count++
				if err := m.Check(key.Pair{Key: k, Value: example}); err != nil {
					t.Errorf("%s: example %s: %v", pattern, example, err)
				}
			}
		}
		t.Logf("%s: %d keys, %d examples", m.Variant(), len(m.Keys()), count)
	}
}

func TestSpellings(t *testing.T) {
	m := typesModel(t)
	for given, want := range map[string]string{
		`"static"`:    `settings.types.KubernetesMemoryManagerPolicy "Static"`,
		`"unlimited"`: `settings.types.OciResourceLimitValue -1`,
		`""`:          `settings.types.KubernetesCloudProvider "\"\""`,
	} {
		typeName := strings.Fields(strings.Split(want, ".")[2])[0]
		pairs, err := m.ParseJSON(fmt.Appendf(nil, `{"types":{%q:%s}}`, typeName, given))
		if err != nil || len(pairs) != 1 {
			t.Errorf("%s: %v, %v", given, pairs, err)
			continue
		}
		if got := string(pairs[0].Key) + " " + string(pairs[0].Value); got != want {
			t.Errorf("%s: got %s, want %s", given, got, want)
		}
	}
}

func TestCertificates(t *testing.T) {
	m := load(t, "metal-dev")
	certificate, err := os.ReadFile("testdata/certificate.pem")
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.ReplaceAll(certificate, []byte("\n"), []byte("\r\n"))
	broken := bytes.Replace(certificate, []byte("MII"), []byte("AAA"), 1)
	for name, c := range map[string]struct {
		bundle []byte
		ok     bool
	}{
		"one":             {certificate, true},
		"two":             {append(bytes.Clone(certificate), second...), true},
		"comment":         {append([]byte("my own CA\n"), certificate...), true},
		"broken":          {broken, false},
		"second broken":   {append(bytes.Clone(certificate), broken...), false},
		"cut off":         {certificate[:len(certificate)-30], false},
		"no PEM":          {[]byte("hello"), false},
		"other PEM block": {[]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), false},
	} {
		text := base64.StdEncoding.EncodeToString(c.bundle)
		_, err := m.ParsePairs([]string{"pki.ca.data=" + text})
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v, want accepted %v", name, err, c.ok)
		}
		if e, ok := errors.AsType[*model.Error](err); ok && len(e.Violations[0].Message) > 500 {
			t.Errorf("%s: message of %s characters", name, strconv.Itoa(len(e.Violations[0].Message)))
		}
	}
}
