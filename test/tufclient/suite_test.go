package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// client is one client of one repository, as the conformance suite sees it.
type client struct {
	t                 *testing.T
	repo              *tufrepotest.Repo
	metadata, targets string
}

func newClient(t *testing.T) *client {
	t.Helper()
	c := &client{t: t, repo: tufrepotest.New(t), metadata: t.TempDir(), targets: t.TempDir()}
	c.trust(c.repo.Root())
	return c
}

// trust runs init with a root.
func (c *client) trust(root []byte) {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "root.json")
	if err := os.WriteFile(file, root, 0o600); err != nil {
		c.t.Fatal(err)
	}
	if code := run(context.Background(), []string{"--metadata-dir", c.metadata, "init", file}, io.Discard); code != 0 {
		c.t.Fatalf("init ended with %d", code)
	}
}

func (c *client) run(want int, command string, more ...string) {
	c.t.Helper()
	var stderr strings.Builder
	args := append([]string{"--metadata-url", c.repo.URL + "/metadata", "--metadata-dir", c.metadata}, more...)
	if got := run(context.Background(), append(args, command), &stderr); got != want {
		c.t.Errorf("%s ended with %d, want %d\n%s", command, got, want, stderr.String())
	}
	if want == 1 {
		c.t.Logf("%s", stderr.String())
	}
}

func (c *client) refresh(want int) { c.t.Helper(); c.run(want, "refresh") }

func (c *client) download(want int, names ...string) {
	c.t.Helper()
	args := []string{"--target-dir", c.targets, "--target-base-url", c.repo.URL + "/targets/"}
	for _, name := range names {
		args = append(args, "--target-name", name)
	}
	c.run(want, "download", args...)
}

// at runs the rest of the test at another time.
func (c *client) at(now time.Time) {
	c.t.Helper()
	bin := c.t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho %d\n", now.Unix())
	if err := os.WriteFile(filepath.Join(bin, "date"), []byte(script), 0o700); err != nil {
		c.t.Fatal(err)
	}
	c.t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	c.t.Setenv("LD_PRELOAD", "/nowhere/faketime/libfaketime.so.1")
}

// trusted are the roles in the metadata folder with their versions, "root:1 …".
func (c *client) trusted(want string) {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.metadata, "*.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		var md struct {
			Signed struct {
				Version int `json:"version"`
			} `json:"signed"`
		}
		if err := json.Unmarshal(raw, &md); err != nil {
			c.t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s:%d", strings.TrimSuffix(filepath.Base(file), ".json"), md.Signed.Version))
	}
	if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
		c.t.Errorf("trusted roles (-want +got):\n%s", diff)
	}
}

// downloaded are the contents of the targets folder.
func (c *client) downloaded(want ...string) {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.targets, "*"))
	if err != nil {
		c.t.Fatal(err)
	}
	var got []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		got = append(got, string(raw))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("downloaded targets (-want +got):\n%s", diff)
	}
}

// asked are the metadata files that were asked for since the last look.
func (c *client) asked(want ...string) {
	c.t.Helper()
	var got []string
	for _, name := range c.repo.Asked() {
		if name, ok := strings.CutPrefix(name, "metadata/"); ok {
			got = append(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// alter changes a published metadata file without signing it again.
func (c *client) alter(file string, change func(md map[string]any)) {
	c.t.Helper()
	var md map[string]any
	if err := json.Unmarshal(c.repo.Get("metadata/"+file), &md); err != nil {
		c.t.Fatal(err)
	}
	change(md)
	raw, err := json.Marshal(md)
	if err != nil {
		c.t.Fatal(err)
	}
	c.repo.Put("metadata/"+file, raw)
}

const all = "root:1 snapshot:1 targets:1 timestamp:1"
