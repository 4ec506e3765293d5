package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// data are the values of one part, as they are in memory: parsed, in no order.
type data struct {
	values   map[string]any
	metadata map[string]map[string]any // of live data only
}

func transactions(source string) (names []string) {
	entries, err := os.ReadDir(source + "/pending")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	check(err)
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, decode(e.Name()))
		}
	}
	return names
}

func folder(base, tx string) string {
	if tx == "" {
		return base + "/live"
	}
	return base + "/pending/" + encode(tx)
}

// read reads a part, and adds what it knows of the image.
func read(source, tx string) *data {
	d := &data{map[string]any{}, map[string]map[string]any{}}
	base := folder(source, tx)
	_, err := os.Stat(base)
	check(err)
	check(filepath.WalkDir(base, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(base, path)
		check(err)
		k, metadata, isMetadata := strings.Cut(name, ".")
		segments := strings.Split(k, "/")
		for i := range segments {
			segments[i] = decode(segments[i])
		}
		d.add(join(segments), metadata, isMetadata && tx == "", isMetadata, path)
		return nil
	}))
	for k, value := range release() {
		d.values["os."+k] = value
	}
	return d
}

func (d *data) add(k, metadata string, wanted, isMetadata bool, path string) {
	text, err := os.ReadFile(path)
	check(err)
	value := parse(text)
	switch {
	case !isMetadata:
		d.values[k] = value
	case wanted:
		if d.metadata[k] == nil {
			d.metadata[k] = map[string]any{}
		}
		d.metadata[k][metadata] = value
	}
}

// parse keeps whole numbers whole, and makes floats of others.
func parse(text []byte) (value any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	check(d.Decode(&value))
	return plain(value)
}

func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return value
}

// release is what the file of the image says, without which nothing works.
func release() map[string]any {
	text, err := os.ReadFile("/usr/lib/os-release")
	check(err)
	all := map[string]any{"arch": runtime.GOARCH}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		all[strings.ToLower(name)] = strings.Trim(value, `"`)
	}
	for _, name := range []string{"pretty_name", "variant_id", "version_id", "build_id"} {
		if all[name] == nil {
			check(fmt.Errorf("os-release has no %s", name))
		}
	}
	return all
}

func (d *data) write(target, tx string) {
	base := folder(target, tx)
	for k, value := range d.values {
		put(base+"/"+pathOf(k), value)
	}
	for k, all := range d.metadata {
		for name, value := range all {
			put(base+"/"+pathOf(k)+"."+encode(name), value)
		}
	}
}

// put makes the folders, and writes without a temporary file or a sync.
func put(path string, value any) {
	check(os.MkdirAll(filepath.Dir(path), 0o777))
	text, err := json.Marshal(value)
	check(err)
	check(os.WriteFile(path, text, 0o666))
}

func pathOf(k string) string {
	var segments []string
	for k != "" {
		var segment string
		if quoted, ok := strings.CutPrefix(k, `"`); ok {
			segment, k, _ = strings.Cut(quoted, `"`)
			k = strings.TrimPrefix(k, ".")
		} else {
			segment, k, _ = strings.Cut(k, ".")
		}
		segments = append(segments, encode(segment))
	}
	return strings.Join(segments, "/")
}

func join(segments []string) string {
	for i, s := range segments {
		if strings.Contains(s, ".") {
			segments[i] = `"` + s + `"`
		}
	}
	return strings.Join(segments, ".")
}

func encode(segment string) string {
	var out strings.Builder
	for i := range len(segment) {
		c := segment[i]
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func decode(component string) string {
	text, err := url.PathUnescape(component)
	check(err)
	return text
}
