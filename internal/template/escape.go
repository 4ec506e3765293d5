package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Escape says how `{{x}}` is written, and thereby into what it may be put: the
// front matter's `escape = "…"`.
//
// Apart from html it also applies to what the helpers base64_decode, default,
// json_escape, host, goarch, cidr_to_ipaddr and replace_ipv4_octet print, which is one
// value; and with toml and json to the elements that join_array puts into
// double quotes. Other helpers write fragments, and {{{x}}} writes x as it is.
type Escape string

// The escapes.
const (
	// EscapeHTML replaces & < > " ' ` = by character references: what the
	// reference does, and the default.
	EscapeHTML Escape = "html"

	// EscapeNone writes x as it is: for files that are one text, such as motd.
	EscapeNone Escape = "none"

	// EscapeTOML is for the inside of a basic string of TOML: key = "{{x}}".
	EscapeTOML Escape = "toml"

	// EscapeJSON is for the inside of a JSON string: "key": "{{x}}".
	EscapeJSON Escape = "json"

	// EscapeShell makes one word of a POSIX shell, quotes included: NAME={{x}}.
	EscapeShell Escape = "shell"

	// EscapeSystemd is for the inside of a double-quoted assignment in a unit
	// file: Environment="NAME={{x}}". Percent signs are doubled, which
	// otherwise are specifiers. It is not for command lines (Exec…=), where a
	// dollar sign means something as well.
	EscapeSystemd Escape = "systemd"

	// EscapeSystemdEnv is for the inside of a double-quoted value in a file that
	// a unit names with EnvironmentFile=: NAME="{{x}}". There percent signs are
	// plain. A shell that sources the file reads the same value.
	EscapeSystemdEnv Escape = "systemd-env"
)

var escapers = map[Escape]func(string) (string, error){
	EscapeHTML:       func(s string) (string, error) { return htmlEscaper.Replace(s), nil },
	EscapeNone:       func(s string) (string, error) { return s, nil },
	EscapeTOML:       func(s string) (string, error) { return escapeTOML(s), nil },
	EscapeJSON:       func(s string) (string, error) { return escapeJSON(s), nil },
	EscapeShell:      noNUL(func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }),
	EscapeSystemd:    noNUL(escapeSystemd),
	EscapeSystemdEnv: noNUL(systemdEnvEscaper.Replace),
}

var errNUL = errors.New("value has a NUL byte, which cannot be written here")

// noNUL refuses what a C string cannot hold.
func noNUL(escape func(string) string) func(string) (string, error) {
	return func(s string) (string, error) {
		if strings.IndexByte(s, 0) >= 0 {
			return "", errNUL
		}
		return escape(s), nil
	}
}

func (e Escape) apply(s string) (string, error) { return escapers[e](s) }

// quoted tells whether the escape is for the inside of a double-quoted string, so that it fits into join_array's quotes.
func (e Escape) quoted() bool { return e == EscapeTOML || e == EscapeJSON }

func escapeNames() string {
	names := make([]string, 0, len(escapers))
	for name := range maps.Keys(escapers) {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

var (
	htmlEscaper = strings.NewReplacer(
		"&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "`", "&#x60;", "=", "&#x3D;",
	)
	systemdEnvEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`)
)

// escapeTOML escapes for a basic string (TOML 1.0, String).
func escapeTOML(s string) string {
	return escapeControls(s, func(c rune) string {
		if c == 0x7f {
			return `\u007F`
		}
		return jsonEscape(c)
	})
}

// escapeJSON escapes for a string (RFC 8259, section 7).
func escapeJSON(s string) string { return escapeControls(s, jsonEscape) }

// jsonEscape returns the escape sequence of a character, or nothing if it stands for itself. TOML's are the same.
func jsonEscape(c rune) string {
	switch c {
	case '"':
		return `\"`
	case '\\':
		return `\\`
	case '\b':
		return `\b`
	case '\t':
		return `\t`
	case '\n':
		return `\n`
	case '\f':
		return `\f`
	case '\r':
		return `\r`
	}
	if c < 0x20 {
		return fmt.Sprintf(`\u%04X`, c)
	}
	return ""
}

// escapeSystemd escapes for a quoted item of a unit file (systemd.syntax, Quoting; systemd.unit, Specifiers).
func escapeSystemd(s string) string {
	return escapeControls(s, func(c rune) string {
		switch {
		case c == '%':
			return "%%"
		case c == '"', c == '\\':
			return `\` + string(c)
		case c == '\n':
			return `\n`
		case c == '\t':
			return `\t`
		case c < 0x20 || c == 0x7f:
			return fmt.Sprintf(`\x%02x`, c)
		}
		return ""
	})
}

func escapeControls(s string, escape func(rune) string) string {
	var b strings.Builder
	for _, c := range s {
		if e := escape(c); e != "" {
			b.WriteString(e)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}
