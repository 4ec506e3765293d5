package schnauzer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hostler-os/hostler/internal/osrelease"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/template"
	"github.com/hostler-os/hostler/internal/template/hostfacts"
)

// What is read of a file, in bytes. Template files have a lower limit of their own.
const maxFile = 64 << 20

// offline is a rendering without a server.
type offline struct {
	template, settings, os string // files; - is standard input
	strict, host           bool
}

// renderOffline prints the rendered text as it is.
func (a *app) renderOffline(o offline) error {
	if o.template == "" {
		return usagef("--template is missing")
	}
	if o.template == "-" && o.settings == "-" {
		return usagef("standard input cannot be both template and settings")
	}
	t, err := a.parseFile(o.template)
	if err != nil {
		return err
	}
	data, err := a.readData(o)
	if err != nil {
		return err
	}
	text, err := t.Render(data)
	if err != nil {
		return err
	}
	_, err = a.Out.Write(text)
	return err
}

func (a *app) readData(o offline) (template.Data, error) {
	var data template.Data
	document, err := a.readObject(o.settings)
	if err != nil {
		return data, fmt.Errorf("read settings: %w", err)
	}
	data.Settings = document
	if settings, ok := document["settings"].(map[string]any); ok {
		data.Settings = settings
		data.OS, _ = document["os"].(map[string]any)
	}
	if o.os != "" {
		if data.OS, err = a.readOS(o.os); err != nil {
			return data, err
		}
	}
	if o.host {
		data.System = hostfacts.Read(paths.Host)
	}
	if !o.strict {
		data.Lenient = func(missing *template.Error) {
			fmt.Fprintf(a.Err, "%s: warning: %v; nothing is printed there\n", a.called, missing)
		}
	}
	return data, nil
}

// readOS reads os.* from JSON or from an os-release file.
func (a *app) readOS(path string) (map[string]any, error) {
	text, err := a.read(path)
	if err != nil {
		return nil, fmt.Errorf("read os: %w", err)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		release, err := osrelease.Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return release.Map(), nil
	}
	var document map[string]any
	if err := decodeJSON(text, &document); err != nil {
		return nil, fmt.Errorf("read os: %s: %w", path, err)
	}
	if inner, ok := document["os"].(map[string]any); ok {
		return inner, nil
	}
	return document, nil
}

func (a *app) readObject(path string) (map[string]any, error) {
	text, err := a.read(path)
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if err := decodeJSON(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return document, nil
}

func (a *app) parseFile(path string) (*template.Template, error) {
	text, err := a.read(path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return template.Parse(path, text)
}

// read reads a whole file, or standard input for -.
func (a *app) read(path string) ([]byte, error) {
	in := a.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is longer than %d MiB", path, maxFile>>20)
	}
	return text, nil
}

// decodeJSON decodes one document and nothing behind it, numbers as written.
func decodeJSON(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return decodingError(text, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("there is something behind the JSON document")
	}
	return nil
}

// decodingError says where, and for a wrong type no more than is known to the reader.
func decodingError(text []byte, err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := text[:min(int(e.Offset), len(text))]
		line := bytes.Count(before, []byte("\n")) + 1
		return fmt.Errorf("line %d: not JSON: %w", line, err)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("expected a JSON object, found %s", e.Value)
	}
	return fmt.Errorf("not JSON: %w", err)
}
