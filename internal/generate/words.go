package generate

import (
	"errors"
	"regexp"
	"strings"
)

// settingPattern finds the bare keys of settings in a text.
var settingPattern = regexp.MustCompile(`\bsettings(?:\.[A-Za-z0-9_/-]+)+`)

var (
	errQuote = errors.New("a quote is not closed")
	errSlash = errors.New("nothing stands behind the last backslash")
	errEmpty = errors.New("the command line is empty")
)

// words splits a command line as a POSIX shell does, without expanding
// anything: blanks separate, quotes and backslashes hold together.
func words(line string) ([]string, error) {
	var list []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	text := []rune(line)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '\'' && c != quote, quote == '"' && c != quote && c != '\\':
			word.WriteRune(c)
		case quote == c && quote != 0:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, inWord = c, true
		case c == '\\':
			if i++; i == len(text) {
				return nil, errSlash
			}
			if quote == '"' && !strings.ContainsRune("\"\\$`\n", text[i]) {
				word.WriteRune(c)
			}
			if text[i] != '\n' {
				word.WriteRune(text[i])
				inWord = true
			}
		case strings.ContainsRune(" \t\n\r", c):
			if inWord {
				list = append(list, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	switch {
	case quote != 0:
		return nil, errQuote
	case inWord:
		list = append(list, word.String())
	}
	if len(list) == 0 {
		return nil, errEmpty
	}
	return list, nil
}
