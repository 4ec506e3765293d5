package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// tomlSeeds are documents at the edge of what TOML allows.
var tomlSeeds = []string{
	"", "a = 1", "a = 1\na = 2", "[a]\n[a]", "[a.b]\n[a]", "[a]\n[a.b]\n[a]", "a.b = 1\na.c = 2", "a.b = 1\n[a]", "a.b = 1\n[a.c]",
	"[a]\nb.c = 1\n[a.b]", "[a.b]\n[a]\nb.c = 1", "[[a]]\nx = 1\n[[a]]\nx = 1", "[[a]]\n[a]", "[a]\n[[a]]", "a = []\n[[a]]", "[[a]]\n[a.b]\n[[a]]\n[a.b]",
	"[[a.b]]\n[a]", "[a]\n[[a.b]]", "a = {b = 1, b = 2}", "a = {b.c = 1, b.d = 2}", "a = {b = 1}\na.c = 1", "a = {b = 1}\n[a.c]", "a = [{b = 1, b = 1}]",
	"a = [{b = 1}, {b = 1}]", "a = [[{b = 1, b = 2}]]", "a = 01", "a = 1__0", "a = 99999999999999999999", "a = 2020-13-01", "a = 2020-01-01T00:00:00Z",
	"a = 0x", "a = inf", "a = -nan", "a = tru", "a = \"\\q\"", "a = \"x", "[a", "a = 'x'\n\"a\" = 'y'", "a = 1 # c\n# d\n", "a = [1, # c\n2]", "a = \"\x01\"", "a = \"\xff\"",
	"= 1", "\"\" = 1", "[]", "[a.]", "a.b.c = 1\na.b.d = 2\na.b = 3", "a = 1\n[a.b]", "[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 1",
}

func TestCheckTOML(t *testing.T) {
	for _, text := range tomlSeeds {
		agree(t, text)
	}
	for text, want := range map[string]string{
		"a = 1\n\n\na = 2":        `line 4: key "a" is already defined`,
		"[a]\n[b]\n[a]\n":         `line 3: table "a" already exists`,
		"a = 1\nb = {c=1, c = 2}": `line 2: key "c" is already defined`,
		"a = 1\nb = \"x\n":        "line 2: ",
	} {
		if err := checkTOML([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// agree compares with the decoder.
func agree(t *testing.T, text string) {
	t.Helper()
	var tree map[string]any
	want := toml.Unmarshal([]byte(text), &tree)
	if got := checkTOML([]byte(text)); (got == nil) != (want == nil) {
		t.Errorf("%q: got %v, the decoder says %v", text, got, want)
	}
}

// TestCheckTOMLOfManyKeys would take a minute where each key is compared with all others.
func TestCheckTOMLOfManyKeys(t *testing.T) {
	var b strings.Builder
	b.WriteString("[settings]\n")
	for i := range 200_000 {
		fmt.Fprintf(&b, "k%d = \"1\"\n", i)
	}
	if err := checkTOML([]byte(b.String())); err != nil {
		t.Error(err)
	}
	b.WriteString("k7 = \"2\"\n")
	if err := checkTOML([]byte(b.String())); err == nil {
		t.Error("a key that is there twice was not noticed")
	}
}

func FuzzCheckTOML(f *testing.F) {
	for _, text := range tomlSeeds {
		f.Add(text)
	}
	f.Fuzz(agree)
}
