package cli

import (
	"fmt"
	"log/slog"
	"strings"
)

// Level is the value of an option --log-level: how much a program tells on
// standard error. The zero value is info; trace is everything.
type Level slog.Level

// Levels lists the values as --help and completion show them.
func Levels() []string { return []string{"trace", "debug", "info", "warn", "error", "off"} }

// Level makes a Level a slog.Leveler.
func (l Level) Level() slog.Level { return slog.Level(l) }

func (l *Level) String() string {
	for name, level := range levels {
		if level == l.Level() {
			return name
		}
	}
	return l.Level().String()
}

// Type is the word for the value in --help.
func (l *Level) Type() string { return "LEVEL" }

// Set makes a Level a flag's value.
func (l *Level) Set(text string) error {
	level, ok := levels[strings.ToLower(text)]
	if !ok {
		return fmt.Errorf("must be one of %s", strings.Join(Levels(), ", "))
	}
	*l = Level(level)
	return nil
}
