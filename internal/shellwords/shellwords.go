// Package shellwords splits the command lines that metadata and defaults hold,
// such as those of setting generators, into words, as a POSIX shell does.
//
// [Split] is all. It expands nothing: no variables, no globs, no substitution.
package shellwords

import (
	"errors"
	"strings"
)

// Faults of a command line.
var (
	ErrQuote = errors.New("a quote is not closed")
	ErrSlash = errors.New("nothing stands behind the last backslash")
	ErrEmpty = errors.New("the command line is empty")
)

// Split splits a command line: blanks separate, quotes and backslashes hold together.
func Split(line string) ([]string, error) {
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
				return nil, ErrSlash
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
		return nil, ErrQuote
	case inWord:
		list = append(list, word.String())
	}
	if len(list) == 0 {
		return nil, ErrEmpty
	}
	return list, nil
}
