package template

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// anyEnabled yields whether a member of a map or list of maps has enabled set to true.
func anyEnabled(inv *invocation) (any, error) {
	value, err := inv.present(0)
	if err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case []any:
		if slices.ContainsFunc(value, isEnabled) {
			return true, nil
		}
	case map[string]any:
		for _, member := range value {
			if isEnabled(member) {
				return true, nil
			}
		}
	}
	return false, nil
}

func isEnabled(value any) bool {
	m, ok := value.(map[string]any)
	return ok && m["enabled"] == true
}

// base64Decode decodes standard base64 with its padding.
func base64Decode(inv *invocation) (string, error) {
	encoded, err := inv.text(0)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(encoded, "\r\n") { // the decoder would skip them
		return "", fmt.Errorf("%s: line break in base64", inv.describe(0))
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("%s: not base64", inv.describe(0))
	}
	if !utf8.Valid(decoded) {
		return "", fmt.Errorf("%s: not UTF-8 text once decoded", inv.describe(0))
	}
	return string(decoded), nil
}

// jsonEscaped prints text for the inside of a JSON string that itself is part of
// something else, such as Environment="NAME={\"key\": \"{{json_escape x}}\"}".
// What that something is, the file's escape knows.
func jsonEscaped(inv *invocation) (string, error) {
	text, err := inv.text(0)
	return escapeJSON(text), err
}

// defaultValue prints its second argument or, if there is none, its first.
func defaultValue(inv *invocation) (string, error) {
	if inv.null(1) {
		return inv.scalar(0, true)
	}
	return inv.scalar(1, true)
}

func goArch(inv *invocation) (string, error) {
	arch, err := inv.text(0)
	if err != nil {
		return "", err
	}
	switch arch {
	case "x86_64", "amd64":
		return "amd64", nil
	case "aarch64", "arm64":
		return "arm64", nil
	}
	return "", fmt.Errorf("%s: expected x86_64, amd64, aarch64 or arm64", inv.describe(0))
}

func ifNotNull(inv *invocation) error { return inv.body(inv.null(0)) }

func isKind(kind string) func(*invocation) (any, error) {
	return func(inv *invocation) (any, error) { return kindOf(inv.args[0].value) == kind, nil }
}

// joinArray prints strings in double quotes. The reference escapes nothing in
// them; front matter that says toml or json gets what it says.
func joinArray(inv *invocation) (string, error) {
	separator, err := inv.text(0)
	if err != nil {
		return "", err
	}
	list, ok := inv.args[1].value.([]any)
	if !ok {
		return "", inv.expected(1, "a list")
	}
	quoted := make([]string, len(list))
	for i, element := range list {
		s, ok := element.(string)
		if !ok {
			return "", fmt.Errorf("%s: expected strings, found %s at %d", inv.describe(1), kindOf(element), i)
		}
		if escape := inv.r.t.escape; escape.quoted() {
			if s, err = escape.apply(s); err != nil {
				return "", err
			}
		}
		quoted[i] = `"` + s + `"`
	}
	return strings.Join(quoted, separator), nil
}

func joinMap(inv *invocation) (string, error) {
	between, errBetween := inv.text(0)
	separator, errSeparator := inv.text(1)
	mode, errMode := inv.text(2)
	if err := cmp.Or(errBetween, errSeparator, errMode); err != nil {
		return "", err
	}
	if mode != "fail-if-missing" && mode != "no-fail-if-missing" {
		return "", fmt.Errorf("%s: expected fail-if-missing or no-fail-if-missing", inv.describe(2))
	}
	m, ok := inv.args[3].value.(map[string]any)
	if !ok {
		if mode == "no-fail-if-missing" {
			return "", nil
		}
		return "", inv.expected(3, "a map")
	}
	pairs := make([]string, 0, len(m))
	for _, key := range sortedKeys(m) {
		if !isScalar(m[key]) {
			return "", fmt.Errorf("%s: expected scalars, found %s at %s", inv.describe(3), kindOf(m[key]), key)
		}
		pairs = append(pairs, key+between+printed(m[key]))
	}
	return strings.Join(pairs, separator), nil
}

func negateOrElse(inv *invocation) (string, error) {
	fallback, ok := inv.args[0].value.(bool)
	if !ok {
		return "", inv.expected(0, "a boolean")
	}
	if inv.null(1) {
		return strconv.FormatBool(fallback), nil
	}
	value, ok := inv.args[1].value.(bool)
	if !ok {
		return "", inv.expected(1, "a boolean")
	}
	return strconv.FormatBool(!value), nil
}

// prefixOrAddress reads argument i as 10.0.0.0/8 or 10.0.0.1.
func (inv *invocation) prefixOrAddress(i int) (netip.Addr, error) {
	s, err := inv.text(i)
	if err != nil {
		return netip.Addr{}, err
	}
	if strings.Contains(s, "/") {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("%s: expected an address block such as 10.0.0.0/8", inv.describe(i))
		}
		return prefix.Addr(), nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s: expected an address or an address block", inv.describe(i))
	}
	return addr, nil
}

func isCgroup2(inv *invocation) (any, error) { return inv.r.system.Cgroup2, nil }

func isIPv4(inv *invocation) (any, error) {
	addr, err := inv.prefixOrAddress(0)
	return addr.Is4(), err
}

func isIPv6(inv *invocation) (any, error) {
	addr, err := inv.prefixOrAddress(0)
	return addr.Is6(), err
}

func cidrToAddress(inv *invocation) (string, error) {
	addr, err := inv.prefixOrAddress(0)
	return addr.String(), err
}

// replaceIPv4Octet prints an address with one of its four numbers (0 to 3, from the left) replaced.
func replaceIPv4Octet(inv *invocation) (string, error) {
	address, err := inv.text(0)
	if err != nil {
		return "", err
	}
	index, err := inv.integer(1)
	if err != nil {
		return "", err
	}
	octet, err := inv.scalar(2, false)
	if err != nil {
		return "", err
	}
	if addr, err := netip.ParseAddr(address); err != nil || !addr.Is4() {
		return "", fmt.Errorf("%s: expected an IPv4 address", inv.describe(0))
	}
	if index < 0 || index > 3 {
		return "", fmt.Errorf("%s: expected 0, 1, 2 or 3", inv.describe(1))
	}
	octets := strings.Split(address, ".")
	octets[index] = octet
	addr, err := netip.ParseAddr(strings.Join(octets, "."))
	if err != nil || !addr.Is4() {
		return "", fmt.Errorf("%s: expected a number from 0 to 255", inv.describe(2))
	}
	return addr.String(), nil
}
