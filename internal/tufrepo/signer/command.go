package signer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/excerpt"
)

// command is a program that signs: it gets the bytes on standard input and
// answers the raw signature on standard output. It is run in the folder of the
// file that describes it, and finds the key's type and scheme in its environment.
type command struct {
	key   Key
	run   []string
	dir   string
	limit time.Duration
}

// commandFile is the form of such a file.
type commandFile struct {
	Command   []string `toml:"command"`
	PublicKey string   `toml:"public-key"`
	TimeLimit string   `toml:"time-limit"`
}

const (
	defaultLimit = time.Minute
	killPatience = 2 * time.Second
	maxSignature = 16 << 10
	maxStderr    = 2 << 10
)

func readCommand(path string) (*command, error) {
	text, err := durable.ReadFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	c, err := parseCommand(text, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parseCommand(text []byte, dir string) (*command, error) {
	var f commandFile
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&f); err != nil {
		return nil, err
	}
	if len(f.Command) == 0 || f.PublicKey == "" {
		return nil, hinted("a key that is a command needs command and public-key",
			`write command = ["PROGRAM", "ARGUMENT"] and public-key = "FILE.pub"`)
	}
	limit, err := time.ParseDuration(f.TimeLimit)
	if f.TimeLimit == "" {
		limit, err = defaultLimit, nil
	}
	if err != nil || limit <= 0 {
		return nil, fmt.Errorf("time-limit %q, expected a time such as 90s or 5m", f.TimeLimit)
	}
	if !filepath.IsAbs(f.PublicKey) {
		f.PublicKey = filepath.Join(dir, f.PublicKey)
	}
	key, err := publicPEM(f.PublicKey)
	return &command{key: key, run: f.Command, dir: dir, limit: limit}, err
}

// Key implements Signer.
func (c *command) Key() Key { return c.key }

// Sign implements Signer.
func (c *command) Sign(ctx context.Context, message []byte) ([]byte, error) {
	env := append(os.Environ(), "PUBSYS_KEY_TYPE="+c.key.Type, "PUBSYS_KEY_SCHEME="+c.key.Scheme)
	return output(ctx, process{args: c.run, dir: c.dir, env: env, stdin: message, limit: c.limit})
}

// process is one run of a program that signs.
type process struct {
	args  []string
	dir   string
	env   []string
	stdin []byte
	limit time.Duration
}

// output runs a program and returns what it prints.
func output(ctx context.Context, p process) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.limit, fmt.Errorf("no answer within %s", p.limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = p.dir, p.env, bytes.NewReader(p.stdin)
	stdout, stderr := &excerpt.Head{Limit: maxSignature}, &excerpt.Head{Limit: maxStderr}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = stdout, stderr, killPatience
	err := cmd.Run()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", p.args[0], context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("%s: %w%s", p.args[0], err, said(stderr))
	case stdout.Over():
		return nil, fmt.Errorf("%s: it printed more than the %d bytes that a signature may have", p.args[0], maxSignature)
	case len(stdout.Bytes()) == 0:
		return nil, fmt.Errorf("%s: %w%s", p.args[0], errors.New("it printed nothing"), said(stderr))
	}
	return stdout.Bytes(), nil
}

// said is what a program said on standard error, to be put behind its failure.
func said(stderr *excerpt.Head) string {
	text := strings.TrimSpace(string(stderr.Bytes()))
	if text == "" {
		return ""
	}
	return ": " + text
}
