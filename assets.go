// Package hostler holds what the image brings beside the programs: the settings
// groups (models), the variants made of them, and the templates of the files
// that they drive. They lie below [Assets] as they lie in this repository.
//
// A host reads them from /usr/share; they are embedded so that a sandbox can be
// laid out anywhere from one binary (see internal/sandbox) and so that tests use
// what ships. Nothing here reads or interprets them: that is internal/model and
// internal/template.
package hostler

import "embed"

// Assets holds models/GROUP/…, models/types.json, variants/NAME.toml and templates/NAME.
//
//go:embed models variants templates
var Assets embed.FS
