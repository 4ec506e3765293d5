package model

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nlnwa/whatwg-url/url"

	"github.com/hostler-os/hostler/internal/calendar"
)

// formats are the rules of types.json that no pattern can express, and some of
// the standard's. An error says what is wrong with the text and never quotes
// it, because it may be a secret.
var formats = map[string]func(any) error{
	"hostler-base64":               onText(checkBase64),
	"hostler-calendar":             onText(checkCalendar),
	"hostler-window":               onText(checkWindow),
	"hostler-dns-domain":           onText(checkDNSDomain),
	"hostler-hostname":             onText(checkHostname),
	"hostler-ip":                   onText(checkIP),
	"hostler-kubernetes-threshold": onText(checkThreshold),
	"hostler-pem-certificates":     onText(checkCertificates),
	"hostler-url":                  onText(checkURL),
	"hostler-version":              onText(checkVersion),
	"hostler-integer-percent":      onText(checkPercent),
	"hostler-apiclient-command":    checkCommand,
	"ipv4":                         onText(checkIPv4),
	"ipv6":                         onText(checkIPv6),
	"date-time":                    onText(checkTime),
	"regex":                        onText(checkRegexp),
}

// onText lets values that a format does not apply to pass, as JSON Schema
// wants it. Numbers are checked by their digits.
func onText(check func(string) error) func(any) error {
	return func(v any) error {
		switch v := v.(type) {
		case string:
			return check(v)
		case int64:
			return check(strconv.FormatInt(v, 10))
		case json.Number:
			return check(v.String())
		}
		return nil
	}
}

func checkCommand(v any) error {
	words, ok := v.([]any)
	if !ok {
		return nil
	}
	if len(words) == 0 || words[0] != "apiclient" {
		return errors.New("the first word must be apiclient")
	}
	return nil
}

// checkURL accepts what the WHATWG algorithm parses as it is or behind http://.
func checkURL(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	if strings.Contains(s, ":") { // without one it has no scheme
		if _, err := url.Parse(s); err == nil {
			return nil
		}
	}
	if _, err := url.Parse("http://" + s); err == nil {
		return nil
	}
	return errors.New("neither it nor http:// before it makes a URL")
}

// checkBase64 finds the first fault itself, since the decoder of the standard
// library skips line breaks and names only the offset.
func checkBase64(s string) error {
	text := strings.TrimRight(s, "=")
	for i := range len(text) {
		if !base64Digit(text[i]) {
			return fmt.Errorf("invalid byte %d, offset %d", text[i], i)
		}
	}
	if text == "" && s != "" {
		return errors.New("invalid byte 61, offset 0")
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(s); err != nil {
		return errors.New("its length or its padding is wrong, or bits are left over at its end")
	}
	return nil
}

func base64Digit(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}

var hostnameCharacters = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-z.-]{1,253}$`)
})

func checkHostname(s string) error {
	if !hostnameCharacters().MatchString(s) {
		return errors.New("must only be [0-9a-z.-], and 1-253 chars long")
	}
	if s[0] == '-' || s[0] == '.' {
		return errors.New("must not start with '-' or '.'")
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) < 1 || len(label) > 63 || label[0] == '-' {
			return errors.New("segment is less than 1 or greater than 63 chars, or starts with '-'")
		}
	}
	return nil
}

// checkDNSDomain parses s as the host of a URL. What would end a host there,
// or be stripped, is refused first.
func checkDNSDomain(s string) error {
	switch {
	case s == "":
		return errors.New("empty host")
	case s[0] == '.':
		return errors.New("must not start with '.'")
	case strings.ContainsAny(s, "\t\n\r #/:<>?@[\\]^|"):
		return errors.New("invalid domain character")
	}
	u, err := url.Parse("http://" + s + "/")
	if err != nil {
		return errors.New("invalid domain")
	}
	if checkIP(u.Hostname()) == nil {
		return errors.New("IP address is not a valid domain name")
	}
	return nil
}

func checkCalendar(s string) error {
	_, err := calendar.Parse(s)
	return err
}

// The lengths of a window. systemd starts what is to happen in it up to ten
// minutes after it opens, so that not all hosts begin at once.
const (
	shortestWindow = 15 * time.Minute
	longestWindow  = 7 * 24 * time.Hour
)

func checkWindow(s string) error {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return errors.New("it is no length of time such as 2h or 90m")
	case d < shortestWindow || d > longestWindow:
		return errors.New("it is not from 15m to 168h")
	}
	return nil
}

func checkVersion(s string) error {
	if s == "latest" {
		return nil
	}
	wrong := errors.New("it is neither latest nor MAJOR.MINOR.PATCH")
	parts := semanticVersion().FindStringSubmatch(strings.TrimPrefix(s, "v"))
	if parts == nil {
		return wrong
	}
	for _, number := range parts[1:4] {
		if _, err := strconv.ParseUint(number, 10, 64); err != nil {
			return wrong
		}
	}
	return nil
}

// semanticVersion is the grammar of semver.org. The library that compares
// versions refuses long ones, which the reference stores.
var semanticVersion = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)` +
		`(-` + preRelease + `(\.` + preRelease + `)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
})

const preRelease = `(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)`

func checkIP(s string) error {
	if addr, err := netip.ParseAddr(s); err != nil || addr.Zone() != "" {
		return errors.New("it is neither an IPv4 nor an IPv6 address")
	}
	return nil
}

func checkIPv4(s string) error {
	if addr, err := netip.ParseAddr(s); err != nil || !addr.Is4() {
		return errors.New("it is no IPv4 address")
	}
	return nil
}

func checkIPv6(s string) error {
	if addr, err := netip.ParseAddr(s); err != nil || addr.Is4() || addr.Zone() != "" {
		return errors.New("it is no IPv6 address")
	}
	return nil
}

func checkTime(s string) error {
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return errors.New("it is no time such as 2006-01-02T15:04:05Z")
	}
	return nil
}

func checkRegexp(s string) error {
	_, err := syntax.Parse(s, syntax.Perl)
	return err
}

// checkCertificates accepts white space too: whoever takes a bundle away may leave the line break of an empty file.
func checkCertificates(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	if err := checkBase64(s); err != nil {
		return fmt.Errorf("invalid base64 input: %w", err)
	}
	bundle, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return errors.New("invalid base64 input")
	}
	begun, found := strings.Count(string(bundle), "-----BEGIN "), 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("entry %d is no X.509 certificate", found+1)
		}
		found++
	}
	if found == 0 || found < begun {
		return fmt.Errorf("%d of %d PEM entries can be read", found, begun)
	}
	return nil
}

var quantity = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[+-]?[0-9.]+(e?[0-9]*|[EPTGMK]i?|[numk])$`)
})

func checkThreshold(s string) error {
	percent, ok := strings.CutSuffix(s, "%")
	if !ok {
		if !quantity().MatchString(s) {
			return errors.New("it is neither a percentage nor a quantity")
		}
		return nil
	}
	if strings.Trim(percent, "0123456789.eE+-") != "" {
		return errors.New("it is no number before the %")
	}
	if f, err := strconv.ParseFloat(percent, 32); err != nil || f < 0 || f >= 100 {
		return errors.New("a percentage is from 0% to below 100%")
	}
	return nil
}

func checkPercent(s string) error {
	if n, err := strconv.ParseInt(s, 10, 32); err != nil || n < 0 || n > 100 {
		return errors.New("it is no whole number from 0 to 100")
	}
	return nil
}
