package template

import (
	"errors"
	"fmt"
	"strings"
)

// tomlEncode prints a value as it may stand behind key = in TOML.
func tomlEncode(inv *invocation) (string, error) {
	var b strings.Builder
	if err := writeTOML(&b, inv.args[0].value); err != nil {
		return "", fmt.Errorf("%s: %w", inv.describe(0), err)
	}
	return b.String(), nil
}

func writeTOML(b *strings.Builder, value any) error {
	switch value := value.(type) {
	case nil:
		return errors.New("TOML has no null")
	case string:
		b.WriteString(quoteTOML(value))
	case []any:
		return writeTOMLList(b, value)
	case map[string]any:
		return writeTOMLTable(b, value)
	default:
		return writeTOMLScalar(b, value)
	}
	return nil
}

// writeTOMLScalar writes booleans and numbers; TOML's integers have 64 bits.
func writeTOMLScalar(b *strings.Builder, value any) error {
	if n, ok := asNumber(value); ok && isInteger(n) {
		if _, err := n.Int64(); err != nil {
			return errors.New("TOML's integers have 64 bits")
		}
	}
	b.WriteString(printed(value))
	return nil
}

func writeTOMLList(b *strings.Builder, list []any) error {
	b.WriteByte('[')
	for i, element := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := writeTOML(b, element); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func writeTOMLTable(b *strings.Builder, table map[string]any) error {
	if len(table) == 0 {
		b.WriteString("{}")
		return nil
	}
	b.WriteString("{ ")
	for i, key := range sortedKeys(table) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(tomlKey(key))
		b.WriteString(" = ")
		if err := writeTOML(b, table[key]); err != nil {
			return err
		}
	}
	b.WriteString(" }")
	return nil
}

// tomlKey writes a key bare where TOML allows it.
func tomlKey(key string) string {
	bare := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
	}
	if key != "" && strings.IndexFunc(key, func(c rune) bool { return !bare(c) }) < 0 {
		return key
	}
	return quoteTOML(key)
}

// quoteTOML writes a basic string.
func quoteTOML(s string) string { return `"` + escapeTOML(s) + `"` }
