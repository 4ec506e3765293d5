package api

import (
	"bytes"
	"encoding/json"
)

// Mask stands for a secret where its reader may not see it.
const Mask = "(secret)"

// MaskedValue is Mask as the value of a setting.
func MaskedValue() json.RawMessage { return json.RawMessage(`"` + Mask + `"`) }

// Marshal is json.Marshal without the escapes for HTML: settings are compared
// and shown as they were given.
func Marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}
