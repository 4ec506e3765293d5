package model

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/key"
)

// bootTable is the variant's table of how its hosts boot, and userdataTable
// that of user data.
const (
	bootTable       = "boot"
	userdataTable   = "userdata"
	generatorsTable = "generators"
)

var bootTables = []string{bootTable, userdataTable, generatorsTable}

// Boot is how hosts of a variant boot: its tables [userdata], [generators] and
// [boot]. What is not said is zero; package sundog has the defaults.
type Boot struct {
	Providers   []string      // [userdata] providers: which are asked
	Lenient     bool          // [userdata] lenient: load what is good of a document, report the rest
	IMDSTimeout time.Duration // [userdata] imds-timeout: how long EC2's metadata service is waited for
	Deadline    time.Duration // [generators] timeout: of one generator that says nothing else
	Parallel    int           // [generators] parallel: how many run at a time
	Phases      []string      // [boot] phases: what `sundog` does when no phase is named
}

// ReadBoot reads only the boot tables of a variant, without the rest of its model.
func ReadBoot(share fs.FS, variant string) (Boot, error) {
	if variant == "" || strings.ContainsAny(variant, "/\x00") {
		return Boot{}, fmt.Errorf("'%s' is no variant's name", variant)
	}
	f, err := readTOML(share, path.Join("variants", variant+".toml"))
	if err != nil {
		return Boot{}, fmt.Errorf("read variant %s: %w", variant, err)
	}
	l := loader{files: []*tomlFile{f}}
	b := l.takeBoot(f)
	if len(l.problems) > 0 {
		return Boot{}, &LoadError{l.problems}
	}
	return b, nil
}

// takeBoot takes the boot tables out of a variant's file.
func (l *loader) takeBoot(f *tomlFile) Boot {
	var b Boot
	for _, name := range bootTables {
		table, ok := f.tables[name].(map[string]any)
		if _, given := f.tables[name]; given && !ok {
			l.problemAt([]string{name}, "it must be a table")
		}
		for _, member := range slices.Sorted(maps.Keys(table)) {
			if message := b.take(name, member, table[member]); message != "" {
				l.problemAt([]string{name, member}, message)
			}
		}
		delete(f.tables, name)
	}
	return b
}

// take stores one member and says what is wrong with it.
func (b *Boot) take(table, member string, v any) string {
	ok := false
	switch table + "." + member {
	case userdataTable + ".providers":
		b.Providers, ok = stringList(v)
		return unless(ok, "it must be a list of names of providers")
	case userdataTable + ".lenient":
		b.Lenient, ok = v.(bool)
		return unless(ok, "it must be true or false")
	case userdataTable + ".imds-timeout":
		b.IMDSTimeout, ok = duration(v)
	case generatorsTable + ".timeout":
		b.Deadline, ok = duration(v)
	case generatorsTable + ".parallel":
		n, isInt := v.(int64)
		b.Parallel = int(n)
		return unless(isInt && n > 0 && n <= 256, "it must be a number from 1 to 256")
	case bootTable + ".phases":
		b.Phases, ok = stringList(v)
		return unless(ok, "it must be a list of names of phases")
	default:
		return "the table [" + table + "] has no such member"
	}
	return unless(ok, "it must be a duration such as \"60s\", at most an hour")
}

func unless(ok bool, message string) string {
	if ok {
		return ""
	}
	return message
}

// duration reads a time in words, more than nothing and at most an hour.
func duration(v any) (time.Duration, bool) {
	text, _ := v.(string)
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0 && d <= time.Hour
}

// generatorExtras checks what a setting generator may say beyond the reference:
// its own deadline, and which generated settings it needs.
func (l *loader) generatorExtras(at []string, table map[string]any) {
	if v, given := table["timeout"]; given {
		if _, ok := duration(v); !ok {
			l.problemAt(append(slices.Clone(at), "timeout"), "it must be a duration such as \"60s\", at most an hour")
		}
	}
	v, given := table["needs"]
	keys, ok := stringList(v)
	if given && !ok {
		l.problemAt(append(slices.Clone(at), "needs"), "it must be a list of keys, such as [\"settings.aws.region\"]")
	}
	for _, text := range keys {
		k, err := key.Parse(text)
		if err == nil {
			_, err = l.model.canonical(k)
		}
		if err != nil {
			l.problemAt(append(slices.Clone(at), "needs"), err.Error())
		}
	}
	delete(table, "timeout")
	delete(table, "needs")
}
