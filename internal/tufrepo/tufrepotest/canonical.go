package tufrepotest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Canonical is the form of metadata that is signed, written independently of
// the code under test: members sorted, no space, nothing escaped but quotes and
// backslashes.
func Canonical(v any) []byte {
	var b strings.Builder
	canonical(&b, v)
	return []byte(b.String())
}

func canonical(b *strings.Builder, v any) {
	switch v := v.(type) {
	case map[string]any:
		separator := "{"
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(separator)
			canonical(b, name)
			b.WriteByte(':')
			canonical(b, v[name])
			separator = ","
		}
		if len(v) == 0 {
			b.WriteByte('{')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			canonical(b, item)
		}
		b.WriteByte(']')
	case string:
		b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`)
	case bool, int, int64, json.Number:
		fmt.Fprint(b, v)
	case nil:
		b.WriteString("null")
	default:
		panic(fmt.Sprintf("tufrepotest: %T in metadata", v))
	}
}
