package model

import "encoding/json"

// Schema is the JSON Schema 2020-12 of the settings document, self-contained.
func (m *Model) Schema() json.RawMessage { return nil }
