package lint_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	assets "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/lint"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/userdata"
)

// TestEditorAgrees lets `hostler lint` and an editor that has what `hostler
// schema` printed judge recorded user data and that of all documentation.
func TestEditorAgrees(t *testing.T) {
	variants, err := model.Variants(assets.Assets)
	if err != nil {
		t.Fatal(err)
	}
	documents := append(recorded(t), documented(t)...)
	if len(documents) < 25 {
		t.Errorf("only %d documents are left", len(documents))
	}
	for _, variant := range variants {
		schema := printed(t, variant)
		for _, doc := range documents {
			read, err := userdata.Read(doc)
			if err != nil || read == nil {
				continue // an editor does not come to judge it by a schema
			}
			settings, err := read.JSON()
			if err != nil {
				continue // dates: what editors make of them is theirs
			}
			v, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"settings":` + string(settings) + `}`))
			if err != nil {
				t.Fatal(err)
			}
			err = schema.Validate(v)
			if code, said := judged(t, variant, doc); (code == cli.ExitOK) != (err == nil) {
				t.Errorf("%s:\n%s\n  lint: %s\n  an editor: %v", variant, doc, said, err)
			}
		}
	}
}

func printed(t *testing.T, variant string) *jsonschema.Schema {
	t.Helper()
	var out bytes.Buffer
	if code := lint.Schema(t.Context(), []string{"schema", "--variant", variant}, cli.Streams{Out: &out, Err: os.Stderr}); code != cli.ExitOK {
		t.Fatalf("schema exits with %d", code)
	}
	doc, err := jsonschema.UnmarshalJSON(&out)
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
	return schema
}

func judged(t *testing.T, variant string, doc []byte) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := lint.Run(t.Context(), []string{"lint", "-", "--variant", variant}, cli.Streams{In: bytes.NewReader(doc), Out: &out, Err: &out})
	return code, out.String()
}

// recorded is the user data of the reference's recorded boots.
func recorded(t *testing.T) [][]byte {
	t.Helper()
	text, err := os.ReadFile("../sundog/testdata/userdata.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		UserData  string `json:"user_data_base64"`
		Overrides string `json:"overrides_base64"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, v := range vectors {
		for _, encoded := range []string{v.UserData, v.Overrides} {
			doc, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, doc)
		}
	}
	return out
}

var block = regexp.MustCompile("(?ms)^ *```toml\n(.*?)^ *```")

// documented is every example of settings in the documentation.
func documented(t *testing.T) [][]byte {
	t.Helper()
	var out [][]byte
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../models/*/README.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range block.FindAllSubmatch(text, -1) {
				out = append(out, found[1])
			}
		}
	}
	return out
}
