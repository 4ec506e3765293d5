package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// YAML turns one JSON document into block-style YAML 1.2 that YAML 1.1 reads
// the same. Every JSON string is a YAML string as it stands, so the only work
// is the layout; a YAML library would cost a start of a millisecond's quarter.
func YAML(doc []byte) ([]byte, error) {
	p := yamlPrinter{in: jsontext.NewDecoder(bytes.NewReader(doc))}
	if err := p.value(0, "", false); err != nil {
		return nil, err
	}
	if _, err := p.in.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON document")
	}
	return p.out.Bytes(), nil
}

type yamlPrinter struct {
	in  *jsontext.Decoder
	out bytes.Buffer
}

// value prints the next value; lead is what separates it from what stands
// before it on the line. An object within a list begins on the list's line.
func (p *yamlPrinter) value(depth int, lead string, inList bool) error {
	switch p.in.PeekKind() {
	case '{':
		return p.block(depth, lead, "{}", inList, p.member)
	case '[':
		return p.block(depth, lead, "[]", false, p.element)
	}
	text, err := p.in.ReadValue()
	if err != nil {
		return err
	}
	p.out.WriteString(lead + scalar(text) + "\n")
	return nil
}

// block prints an object or a list, an empty one as the word for it.
func (p *yamlPrinter) block(depth int, lead, empty string, inline bool, item func(depth int) error) error {
	if _, err := p.in.ReadToken(); err != nil {
		return err
	}
	indent := strings.Repeat("  ", depth)
	first := true
	for k := p.in.PeekKind(); k != '}' && k != ']'; k = p.in.PeekKind() {
		switch {
		case first && inline:
			p.out.WriteString(lead)
		case first && lead != "":
			p.out.WriteString("\n" + indent)
		default:
			p.out.WriteString(indent)
		}
		first = false
		if err := item(depth); err != nil {
			return err
		}
	}
	if first {
		p.out.WriteString(lead + empty + "\n")
	}
	_, err := p.in.ReadToken()
	return err
}

func (p *yamlPrinter) member(depth int) error {
	name, err := p.in.ReadValue()
	if err != nil {
		return err
	}
	p.out.WriteString(scalar(name) + ":")
	return p.value(depth+1, " ", false)
}

func (p *yamlPrinter) element(depth int) error {
	p.out.WriteString("-")
	return p.value(depth+1, " ", true)
}

// scalar prints a JSON number, word or string; strings without quotes where that is surely a string.
func scalar(json jsontext.Value) string {
	if json.Kind() != '"' {
		return string(json)
	}
	text, err := jsontext.AppendUnquote(nil, json)
	if err != nil {
		return string(json)
	}
	if bareYAML(string(text)) {
		return string(text)
	}
	return quoteYAML(text)
}

// bareYAML tells whether no YAML version takes the word for anything but a string.
func bareYAML(word string) bool {
	for i := range len(word) {
		c := word[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '/'
		if !plain && (i == 0 || !strings.ContainsRune("0123456789.-", rune(c))) {
			return false
		}
	}
	switch strings.ToLower(word) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	return true
}

// quoteYAML quotes as JSON does, and escapes what YAML calls unprintable or a line break.
func quoteYAML(text []byte) string {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return strconv.QuoteToASCII(string(text))
	}
	var b strings.Builder
	for _, r := range string(quoted) {
		switch {
		case r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r == 0xfeff, r == 0xfffe, r == 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
