package health

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
)

// Policy is what a host is judged by, as the image and the operator say.
type Policy struct {
	Patience    time.Duration // how long checks are asked again before the boot is bad
	Timeout     time.Duration // of one check
	Grace       time.Duration // from a bad report to the reboot
	FallBack    bool          // whether a bad report reboots the host at all
	IgnoreUnits []string      // patterns of units that may fail
}

// defaults hold where neither the image nor the operator says otherwise.
var defaults = Policy{Patience: time.Minute, Timeout: time.Minute, Grace: 30 * time.Second, FallBack: true}

// maxPolicy bounds a policy file, in bytes.
const maxPolicy = 64 << 10

// LoadPolicy reads the image's health.toml and the operator's over it. On an
// error the policy is that of what could be read.
func LoadPolicy(root paths.Root) (Policy, error) {
	p := defaults
	for _, file := range []string{root.ImageHealth(), root.Health()} {
		text, err := durable.ReadFile(file, maxPolicy)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			p, err = p.with(text)
		}
		if err != nil {
			return p, fmt.Errorf("read %s: %w", file, err)
		}
	}
	return p, nil
}

// with is p with what a file says.
func (p Policy) with(text []byte) (Policy, error) {
	var file struct {
		Patience    *span    `toml:"patience"`
		Timeout     *span    `toml:"timeout"`
		Grace       *span    `toml:"grace"`
		FallBack    *bool    `toml:"fall-back"`
		IgnoreUnits []string `toml:"ignore-units"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&file); err != nil {
		return p, explain(err)
	}
	for _, pattern := range file.IgnoreUnits {
		if _, err := path.Match(pattern, ""); err != nil {
			return p, fmt.Errorf("ignore-units: %q: %w", pattern, err)
		}
	}
	next := p
	for _, field := range []struct {
		to   *time.Duration
		from *span
	}{{&next.Patience, file.Patience}, {&next.Timeout, file.Timeout}, {&next.Grace, file.Grace}} {
		if field.from != nil {
			*field.to = field.from.Duration
		}
	}
	if file.FallBack != nil {
		next.FallBack = *file.FallBack
	}
	next.IgnoreUnits = append(next.IgnoreUnits[:len(next.IgnoreUnits):len(next.IgnoreUnits)], file.IgnoreUnits...)
	return next, nil
}

// explain says where a file is wrong.
func explain(err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		first := &strict.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf("line %d: unknown key %v, expected patience, timeout, grace, fall-back or ignore-units", line, first.Key())
	}
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := decode.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

// maxSpan is the longest time that a policy may name.
const maxSpan = 24 * time.Hour

// span is a length of time such as "30s"; a struct, so that a plain number is refused.
type span struct{ time.Duration }

// UnmarshalText reads a length of time.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err == nil && (d < 0 || d > maxSpan) {
		err = errors.New("not between 0 and 24h")
	}
	if err != nil {
		return fmt.Errorf("%q is no length of time such as 30s or 5m: %w", text, err)
	}
	s.Duration = d
	return nil
}
