package model_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// small is a model of one group, colour, to which tests add.
func small(t testing.TB, more map[string]string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{"models/types.json": share(t)["models/types.json"]}
	text := map[string]string{
		"variants/v.toml":             "groups = [\"colour\"]\n",
		"models/colour/schema.json":   `{"type":"object","properties":{"name":{"type":"string"},"shades":{"type":"object","additionalProperties":{"type":"integer"}}},"additionalProperties":false}`,
		"models/colour/defaults.toml": "[settings.colour]\nname = \"red\"\n\n[metadata.settings.colour]\naffected-services = [\"painter\"]\n\n[services.painter]\nconfiguration-files = [\"paint\"]\nrestart-commands = []\n\n[configuration-files.paint]\npath = \"/etc/paint\"\ntemplate-path = \"/usr/share/templates/paint\"\n",
	}
	maps.Copy(text, more)
	for name, t := range text {
		files[name] = &fstest.MapFile{Data: []byte(t)}
	}
	return files
}

func TestLoadMerges(t *testing.T) {
	m, err := model.Load(small(t, map[string]string{
		"variants/v.d/10-a.toml": "[settings.colour]\nname = \"green\"\n[settings.colour.shades]\ndark = 1\n",
		"variants/v.d/20-b.toml": "[settings.colour.shades]\nlight = 2\n[services.painter]\nrestart-commands = [\"b\"]\n",
		"variants/v.d/README":    "not a fragment",
		"variants/v.toml":        "groups = [\"colour\"]\nfamily = \"f\"\n[services.painter]\nrestart-commands = [\"v\", \"w\"]\n[metadata.settings.colour.shades]\nsetting-generator = {command = \"c\", strength = \"weak\", depth = 1}\n",
	}), "v")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`settings.colour.name = "green"`, `settings.colour.shades.dark = 1`, `settings.colour.shades.light = 2`}
	if diff := cmp.Diff(pairTexts(m.Defaults()), want); diff != "" {
		t.Errorf("defaults (-got +want):\n%s", diff)
	}
	painter := model.Service{ConfigurationFiles: []string{"paint"}, RestartCommands: []string{"v", "w"}}
	if diff := cmp.Diff(m.Services()["painter"], painter); diff != "" {
		t.Errorf("service (-got +want):\n%s", diff)
	}
	if m.Variant() != "v" || !m.Has("colour") || m.Has("motd") {
		t.Errorf("variant %s, groups %v", m.Variant(), m.Groups())
	}
	generator, ok := m.Metadata(model.MetadataSettingGenerator, "settings.colour.shades.dark")
	if got := `{"command":"c","depth":1,"strength":"weak"}`; string(generator) != got || !ok {
		t.Errorf("generator %s, want %s", generator, got)
	}
}

func TestMetadata(t *testing.T) {
	m := load(t, "metal-dev")
	for k, want := range map[key.Key][]string{
		"settings.motd":                      {"motd"},
		"settings.network.hostname":          {"hostname", "hosts"},
		"settings.ntp":                       {"ntp"},
		"settings.ntp.time-servers":          {"ntp"},
		"settings.host-containers.a.enabled": {"host-containers"},
		"settings":                           nil,
		"services.motd":                      nil,
		"settings.nosuch.hosts":              nil,
		"settings.networkx":                  nil,
		`settings.kernel.sysctl."a.b"`:       {"sysctl"},
	} {
		if diff := cmp.Diff(m.AffectedServices(k), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", k, diff)
		}
	}
	if all := m.MetadataAll("affected-services"); len(all) < 10 || string(all["settings.motd"]) != `["motd"]` {
		t.Errorf("all affected-services: %s", all)
	}
	if _, ok := m.MetadataAll("setting-generator")["settings.network.hostname"]; !ok {
		t.Error("settings.network.hostname has no generator")
	}
}

// TestLoadProblems: every fault names its file, its line, its key, and what was expected.
func TestLoadProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no group": {map[string]string{"variants/v.toml": "\ngroups = [\"color\"]\n"}, `variants/v.toml:2: groups: there is no folder models/color (did you mean colour?)`},
		"groups":   {map[string]string{"variants/v.toml": "groups = 1\n"}, `variants/v.toml:1: groups: it must be a list of the names of folders in models`},
		"twice":    {map[string]string{"variants/v.toml": "groups = [\"colour\", \"colour\"]\n"}, `variants/v.toml:1: groups: "colour" is named twice`},
		"family":   {map[string]string{"variants/v.toml": "groups = [\"colour\"]\nfamily = 1\n"}, `variants/v.toml:2: family: it must be a string`},
		"TOML":     {map[string]string{"models/colour/defaults.toml": "[settings]\n\na = = 1\n"}, `models/colour/defaults.toml:3: `},
		"fragment": {map[string]string{"variants/v.d/10.toml": "[settings.colour]\nname = {}\n"}, `variants/v.d/10.toml:2: settings.colour.name: it is a table here and a string in a file merged before`},
		"area":     {map[string]string{"variants/v.d/10.toml": "[setting.colour]\n"}, "variants/v.d/10.toml:1: setting: unknown table, expected one of `settings`, `services`, `configuration-files`, `metadata`"},
		"value":    {map[string]string{"variants/v.d/10.toml": "# x\n[settings.colour]\nname = 1\n"}, `variants/v.d/10.toml:3: settings.colour.name: it is an integer here and a string in a file merged before`},
		"new value": {
			map[string]string{"variants/v.d/10.toml": "[settings.colour.shades]\na = 1\n\nb = \"x\"\n"},
			`variants/v.d/10.toml:4: settings.colour.shades.b: invalid type: string "x", expected an integer`,
		},
		"unknown": {
			map[string]string{"variants/v.d/10.toml": "[settings.colour]\nnam = \"x\"\n"},
			"variants/v.d/10.toml:2: settings.colour.nam: unknown field `nam`, expected `name` or `shades` (did you mean settings.colour.name?)",
		},
		"date":       {map[string]string{"models/colour/defaults.toml": "[settings.colour]\nname = 2026-01-01\n"}, `models/colour/defaults.toml:2: settings.colour.name: invalid type: `},
		"JSON":       {map[string]string{"models/colour/schema.json": "{\n\"type\": objects}"}, `models/colour/schema.json:2: invalid JSON: `},
		"duplicate":  {map[string]string{"models/colour/schema.json": "{\n\"type\": \"object\",\n\"type\": \"string\"}"}, "models/colour/schema.json:3: duplicate field `type`"},
		"schema":     {map[string]string{"models/colour/schema.json": `{"type":"objekt"}`}, `models/colour/schema.json:1: /type: unknown value "objekt", expected one of `},
		"reference":  {map[string]string{"models/colour/schema.json": `{"$ref":"../types.json#/$defs/Colour"}`}, `models/colour/schema.json:1: /$ref: there is no type Colour in models/types.json`},
		"remote":     {map[string]string{"models/colour/schema.json": `{"$ref":"https://example.com/schema.json"}`}, `models/colour/schema.json:1: /$ref: a schema may refer to itself and to ../types.json only, not to https://example.com/schema.json (named types are written {"$ref": "../types.json#/$defs/NAME"})`},
		"recursion":  {map[string]string{"models/colour/schema.json": `{"type":"object","additionalProperties":{"$ref":"#"}}`}, `models/colour/schema.json: models/colour/schema.json#/additionalProperties contains itself; settings have a finite depth`},
		"circle":     {map[string]string{"models/colour/schema.json": `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`}, `models/colour/schema.json: models/colour/schema.json#/$defs/b contains itself`},
		"allOf":      {map[string]string{"models/colour/schema.json": `{"allOf":[{"$ref":"#"}]}`}, `models/colour/schema.json: models/colour/schema.json#/allOf/0 contains itself`},
		"bomb":       {map[string]string{"models/colour/schema.json": bomb(30)}, `models/colour/schema.json: models/colour/schema.json#/$defs/`},
		"format":     {map[string]string{"models/colour/schema.json": `{"type":"string","format":"hostler-ulr"}`}, `models/colour/schema.json:1: /format: unknown format "hostler-ulr" (did you mean hostler-url?)`},
		"misspelt":   {map[string]string{"models/colour/schema.json": `{"type":"object","properties":{"name":{"type":"string","x-sceret":true}}}`}, `models/colour/schema.json:1: /properties/name/x-sceret: unknown keyword "x-sceret" (did you mean x-secret?)`},
		"keyword":    {map[string]string{"models/colour/schema.json": `{"type":"string","x-secret":"yes"}`}, `models/colour/schema.json:1: /x-secret: it is of type string, expected boolean`},
		"pattern":    {map[string]string{"models/colour/schema.json": `{"type":"string","pattern":"("}`}, `models/colour/schema.json:1: /pattern: '(' is not valid regex: `},
		"type":       {map[string]string{"models/colour/schema.json": "{\"type\":\"object\",\n\"properties\":{\"name\":{\n\"type\":\"strin\"}}}"}, "models/colour/schema.json:3: /properties/name/type: unknown value \"strin\", expected one of `array`, `boolean`, `integer`, `null`, `number`, `object`, `string` (did you mean string?)"},
		"near type":  {map[string]string{"models/colour/schema.json": "{\"type\":\"object\",\n\"properties\":{\"name\":{\n\"$ref\":\"../types.json#/$defs/Ulr\"}}}"}, `models/colour/schema.json:3: /properties/name/$ref: there is no type Ulr in models/types.json (did you mean Url?)`},
		"other file": {map[string]string{"models/colour/schema.json": `{"$ref":"../type.json#/$defs/Url"}`}, `models/colour/schema.json:1: /$ref: a schema may refer to itself and to ../types.json only, not to models/type.json (`},
		"no schema":  {map[string]string{"models/colour/schema.json": `{"type":"object","properties":{"name":7}}`}, `models/colour/schema.json:1: /properties/name: it is of type number, expected boolean or object`},
		"half":       {map[string]string{"models/colour/schema.json": `{"type":"array","x-list-from-map":{"key":"a"}}`}, `models/colour/schema.json:1: /x-list-from-map: missing field value`},
		"types":      {map[string]string{"models/types.json": "{\"$defs\":{\n\"Url\":{\"tipe\":\"string\"}}}", "models/colour/schema.json": `{"$ref":"../types.json#/$defs/Url"}`}, `models/types.json:2: /$defs/Url/tipe: unknown keyword "tipe" (did you mean type?)`},
		"from map":   {map[string]string{"models/colour/schema.json": `{"type":"array","items":{"type":"object"},"x-list-from-map":{"key":"a","value":"b"}}`}, `models/colour/schema.json: models/colour/schema.json#: x-list-from-map names "a", which is no property of the elements`},
		"service":    {map[string]string{"variants/v.d/10.toml": "[services.painter]\nrestart-command = []\n"}, "variants/v.d/10.toml:2: services.painter.restart-command: unknown field `restart-command`, expected `configuration-files` or `restart-commands`"},
		"incomplete": {map[string]string{"variants/v.d/10.toml": "[services.x]\nconfiguration-files = []\n"}, "variants/v.d/10.toml:1: services.x: missing field `restart-commands`"},
		"no file":    {map[string]string{"variants/v.d/10.toml": "[services.painter]\nconfiguration-files = [\"pain\"]\n"}, `variants/v.d/10.toml:2: services.painter.configuration-files: "pain" has no table [configuration-files.pain]; did you mean "paint"?`},
		"no service": {map[string]string{"variants/v.d/10.toml": "[metadata.settings.colour]\naffected-services = [\"x\"]\n"}, `variants/v.d/10.toml:2: metadata.settings.colour.affected-services: "x" has no table [services.x]`},
		"path":       {map[string]string{"variants/v.d/10.toml": "[configuration-files.paint]\npath = \"../etc\"\n"}, `variants/v.d/10.toml:2: configuration-files.paint.path: it must be an absolute path without . and ..`},
		"mode":       {map[string]string{"variants/v.d/10.toml": "[configuration-files.paint]\nmode = \"0888\"\n"}, `variants/v.d/10.toml:2: configuration-files.paint.mode: it must be octal digits, such as 0644`},
		"metadata":   {map[string]string{"variants/v.d/10.toml": "[metadata.settings.colour]\nx = 1\n"}, `variants/v.d/10.toml:2: metadata.settings.colour.x: Default settings' metadata has unexpected types: it is an integer, expected a string or a list`},
		"metadata key": {
			map[string]string{"variants/v.d/10.toml": "[metadata.settings.color]\nx = \"y\"\n"},
			"variants/v.d/10.toml:2: metadata.settings.color.x: its key is not in the model: settings.color: unknown field `color`, expected `colour`",
		},
		"generator": {map[string]string{"variants/v.d/10.toml": "[metadata.settings.colour.setting-generator]\ncommand = \"x\"\nstrenth = \"weak\"\n"}, "variants/v.d/10.toml:3: metadata.settings.colour.setting-generator.strenth: unknown field `strenth`, expected `command` or `strength`"},
		"strength":  {map[string]string{"variants/v.d/10.toml": "[metadata.settings.colour.setting-generator]\ncommand = \"x\"\nstrength = \"x\"\ndepth = -1\n"}, "variants/v.d/10.toml:4: metadata.settings.colour.setting-generator.depth: it must be a whole number that is not negative"},
	} {
		_, err := model.Load(small(t, tc.files), "v")
		var e *model.LoadError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, tc.want)
		}
	}
}

// Fragments that variants share speak of groups that not all of them have.
func TestLoadSharedFragment(t *testing.T) {
	const fragment = "[metadata.settings.brushes]\naffected-services = [\"painter\"]\nsize.setting-generator = \"measure\"\n"
	m, err := model.Load(small(t, map[string]string{"variants/v.d/10.toml": fragment}), "v")
	if err != nil {
		t.Fatal(err)
	}
	if found := m.MetadataAll("setting-generator"); len(found) != 0 {
		t.Errorf("got %v of a group that the variant does not have", found)
	}
	for _, file := range []string{"variants/v.toml", "models/colour/defaults.toml"} {
		text := fragment
		if file == "variants/v.toml" {
			text = "groups = [\"colour\"]\n" + fragment
		}
		if _, err := model.Load(small(t, map[string]string{file: text}), "v"); err == nil {
			t.Errorf("%s: metadata of no group is accepted", file)
		}
	}
}

func TestLoadUnknownVariant(t *testing.T) {
	_, err := model.Load(share(t), "metal-def")
	if want := `there is no variant "metal-def"; there are aws-dev, aws-ecs-2, aws-k8s, metal-dev, metal-k8s, vmware-k8s; did you mean metal-dev?`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := model.Load(fstest.MapFS{}, "x"); err == nil {
		t.Error("loaded from nothing")
	}
	if _, err := model.Load(share(t), "../variants/metal-dev"); err == nil {
		t.Error("a variant's name must not be a path")
	}
}

// TestWholeSchema uses keywords that the walk leaves to package schema.
func TestWholeSchema(t *testing.T) {
	m, err := model.Load(small(t, map[string]string{
		"models/colour/defaults.toml": "",
		"models/colour/schema.json": `{
			"type": "object",
			"properties": {
				"name": {"type": "string"},
				"either": {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer", "minimum": 5}]},
				"ratio": {"type": "number", "exclusiveMaximum": 1},
				"unique": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "minItems": 1, "maxItems": 3},
				"entry": {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "string"}}, "required": ["a"], "dependentRequired": {"b": ["a"]}},
				"anything": {},
				"open": {"type": "object", "properties": {"never": false}},
				"never": false
			},
			"patternProperties": {"^x-": {"type": "integer"}, "^no-": false},
			"additionalProperties": false
		}`,
	}), "v")
	if err != nil {
		t.Fatal(err)
	}
	for doc, ok := range map[string]bool{
		`{"either":"ab"}`: true, `{"either":"abc"}`: false, `{"either":7}`: true, `{"either":3}`: false, `{"either":true}`: false,
		`{"ratio":0.5}`: true, `{"ratio":1}`: false, `{"ratio":1e-3}`: true, `{"ratio":1e400}`: false,
		`{"unique":["a","b"]}`: true, `{"unique":["a","a"]}`: false, `{"unique":[]}`: false, `{"unique":["a","b","c","d"]}`: false,
		`{"entry":{"a":true}}`: true, `{"entry":{"b":"x"}}`: false, `{"entry":{"a":null}}`: false, `{"entry":{"a":true,"c":[1,{"d":2}]}}`: true,
		`{"anything":[1,{"a":[null]}]}`: true, `{"anything":{"a":{"b":1}}}`: true, `{"anything":null}`: true,
		`{"never":1}`: false, `{"x-y":1}`: true, `{"x-y":"1"}`: false, `{"y":1}`: false, `{"no-x":1}`: false, `{"open":{"never":1}}`: false, `{"open":{"else":1}}`: true,
	} {
		pairs, err := m.ParseJSON([]byte(`{"colour":` + doc + `}`))
		if (err == nil) != ok {
			t.Errorf("%s: got %v, %v", doc, pairTexts(pairs), err)
		}
		if err == nil {
			sameAgain(t, m, pairs)
		}
	}
	_, err = m.ParseJSON([]byte(`{"colour":{"entry":{"b":"x"}}}`))
	if got := violations(t, err); !strings.HasPrefix(got[0], "settings.colour.entry: missing field `a`") {
		t.Errorf("got %q", got)
	}
}

func TestResolve(t *testing.T) {
	m := load(t, "aws-dev")
	for text, want := range map[string]key.Key{
		"motd": "settings.motd", "settings.motd": "settings.motd", "settings": "settings",
		"ntp": "settings.ntp", `kernel.sysctl."a.b"`: `settings.kernel.sysctl."a.b"`,
		"boot.kernel-parameters.x": "settings.boot.kernel.x", "container-registry.creds": "settings.container-registry.credentials",
		"host-containers.new-one": "settings.host-containers.new-one",
	} {
		if got, err := m.Resolve(text); got != want || err != nil {
			t.Errorf("Resolve(%s) = %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"mtod": "did you mean settings.motd?", "hostname": "did you mean settings.network.hostname?",
		"ntp.time-server": "did you mean settings.ntp.time-servers?", "host-container.admin": "did you mean settings.host-containers.admin?",
		"credentials": "did you mean settings.container-registry.credentials?", "versionlock": "did you mean settings.updates.version-lock?",
		"kernel.sysctl.vm.x": `a name with dots needs quotes: did you mean settings.kernel.sysctl."vm.x"?`, "qqqqqq": "", "nope": "", "npt": "did you mean settings.ntp?", "xyz": "",
	} {
		_, err := m.Resolve(text)
		if err == nil {
			t.Errorf("Resolve(%s) succeeded", text)
			continue
		}
		if got := hints(t, err); got != want {
			t.Errorf("Resolve(%s): %v, hint %q, want %q", text, err, got, want)
		}
	}
}

func TestSecret(t *testing.T) {
	m := load(t, "aws-dev")
	for k, want := range map[key.Key]bool{
		"settings.motd": false, "settings.aws.credentials": true, "settings.aws.region": false, "settings.aws": true, "settings": true,
		"settings.host-containers.a.user-data": true, "settings.host-containers.a.source": false, "settings.network.https-proxy": true,
		"settings.container-registry.credentials": true, "settings.container-registry.mirrors": false,
		"settings.container-registry.credentials.x": true, "settings.nosuch.key": true, "services.motd": false,
	} {
		if got := m.Secret(k); got != want {
			t.Errorf("Secret(%s) = %v", k, got)
		}
	}
	want := []string{"aws", "bootstrap-containers", "container-registry", "host-containers", "network"}
	if diff := cmp.Diff(m.SecretGroups(), want); diff != "" {
		t.Errorf("secret groups (-got +want):\n%s", diff)
	}
}

// TestSchema: what GET /schema gives is complete by itself and agrees with the model.
func TestSchema(t *testing.T) {
	m := load(t, "aws-dev")
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("test:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("test:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for doc, ok := range map[string]bool{
		`{"motd":"a","kernel":{"lockdown":"none"}}`: true, `{"motd":1}`: false, `{"nosuch":1}`: false,
		`{"kernel":{"lockdown":"x"}}`: false, `{"kernel":{"sysctl":{"..":"1"}}}`: false, `{"network":{"hosts":[["::1",["a"]]]}}`: true,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); (err == nil) != ok {
			t.Errorf("%s: %v", doc, err)
		}
	}
	var top struct {
		Title string
		Defs  map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(m.Schema(), &top); err != nil || top.Title == "" || top.Defs["Url"] == nil || top.Defs["KubernetesName"] != nil {
		t.Errorf("title %q, %d types, %v", top.Title, len(top.Defs), err)
	}
}

// TestConcurrent uses one model from several goroutines, for the race detector.
func TestConcurrent(t *testing.T) {
	m := load(t, "aws-dev")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				_, _ = m.ParseJSON([]byte(`{"motd":1,"kernel":{"lockdown":"x","sysctl":{"a":"b"}},"updates":{"version-lock":"1.2.3"}}`))
				_, _ = m.Explain("settings.ntp")
				_, _ = m.Resolve("nosuch")
				m.Schema()
			}
		})
	}
	wg.Wait()
}

// TestMemory bounds what a loaded model keeps: schemas are not kept decoded.
func TestMemory(t *testing.T) {
	load(t, "aws-dev")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := load(t, "aws-dev")
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("a model keeps %d KiB", kept>>10)
	if kept > 2<<20 {
		t.Errorf("a model keeps %d bytes", kept)
	}
	runtime.KeepAlive(m)
}

// bomb is a schema of a few lines that asks for 2 to the power of n checks.
func bomb(n int) string {
	var defs strings.Builder
	for i := range n {
		fmt.Fprintf(&defs, `"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, i+1, i+1)
	}
	return fmt.Sprintf(`{"$ref":"#/$defs/a0","$defs":{%s"a%d":{"type":"string"}}}`, defs.String(), n)
}
