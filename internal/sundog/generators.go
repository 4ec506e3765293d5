package sundog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/generate"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/schnauzer"
)

// generators makes the settings that have no value. Those of the last wave are
// committed by the phase apply, together with the applying; what later waves
// need is committed before they start, so that their programs see it.
func (b *chain) generators(ctx context.Context, p *api.BootPhase) error {
	if b.refused {
		p.State, p.Summary = api.BootSkipped, "nothing is generated from settings that user data was to change"
		return nil
	}
	all, failed, err := b.findGenerators(ctx)
	if err != nil {
		return err
	}
	p.Settings = failed
	waves, circular, err := b.choose(ctx, p, all)
	if err != nil {
		return err
	}
	p.Settings = append(p.Settings, circular...)
	err = b.runWaves(ctx, p, waves)
	b.judgeGenerators(p)
	return err
}

func (b *chain) findGenerators(ctx context.Context) ([]generate.Generator, []api.BootSetting, error) {
	var metadata map[string]json.RawMessage
	var templates map[string]string
	err := b.persist(ctx, func(ctx context.Context) (err error) {
		if metadata, err = b.client.Generators(ctx); err != nil {
			return err
		}
		if keys := renderedKeys(metadata); len(keys) > 0 {
			templates, err = b.client.Templates(ctx, keys)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	all, failed := generate.Parse(metadata, templates, b.config.Deadline)
	return all, failed, nil
}

// renderedKeys are the settings whose generator may use their metadata template.
// What cannot be read is told by generate.Parse.
func renderedKeys(metadata map[string]json.RawMessage) []string {
	var keys []string
	for k, text := range metadata {
		var g api.Generator
		if err := json.Unmarshal(text, &g); err != nil {
			continue
		}
		if program, _, _ := strings.Cut(g.Command, " "); filepath.Base(program) == schnauzer.Name {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (b *chain) choose(ctx context.Context, p *api.BootPhase, all []generate.Generator) ([][]generate.Generator, []api.BootSetting, error) {
	err := b.persist(ctx, func(ctx context.Context) (err error) {
		b.layers, err = b.client.Layers(ctx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	chosen, skipped := generate.Choose(all, b.layers, b.changed)
	p.Settings = append(p.Settings, skipped...)
	waves, circular := generate.Waves(chosen)
	return waves, circular, nil
}

func (b *chain) runWaves(ctx context.Context, p *api.BootPhase, waves [][]generate.Generator) error {
	if len(waves) == 0 {
		return nil
	}
	runner, err := b.runner(ctx)
	if err != nil {
		return err
	}
	for i, wave := range waves {
		runner.Builtin = b.builtins(new(schnauzer.Moment))
		results := runner.Run(ctx, wave)
		if last := i == len(waves)-1; last && b.has(api.PhaseApply) {
			b.generated = results
			return nil
		}
		if err := b.commitGenerated(ctx, results); err != nil {
			return err
		}
		for _, r := range results {
			p.Settings = append(p.Settings, r.Setting())
		}
	}
	return nil
}

// commitGenerated commits what generators made. A value that the model refuses
// costs its own setting.
func (b *chain) commitGenerated(ctx context.Context, results []generate.Result) error {
	return b.submitGenerated(results, func(doc json.RawMessage) error {
		if doc == nil {
			return nil
		}
		return b.persist(ctx, func(ctx context.Context) error {
			if err := b.client.Stage(ctx, generatedTransaction, doc); err != nil {
				return err
			}
			_, err := b.client.Commit(ctx, generatedTransaction, api.LayerGenerated)
			return err
		})
	})
}

// generatedTransaction stages generated settings apart from what others stage.
const generatedTransaction = "hostler-generated"

// submitGenerated has the document of results submitted, again without the
// value that is refused, until none is.
func (b *chain) submitGenerated(results []generate.Result, submit func(json.RawMessage) error) error {
	for {
		doc, err := generate.Document(results, b.layers)
		if err != nil {
			return err
		}
		err = submit(doc)
		if err == nil || !dropRefused(results, err) {
			return err
		}
	}
}

// dropRefused fails the generator whose value an error of the API blames.
func dropRefused(results []generate.Result, err error) bool {
	refused := new(api.Error)
	if !errors.As(err, &refused) || refused.Code != api.CodeInvalidValue && refused.Code != api.CodeUnknownKey {
		return false
	}
	for i := range results {
		r := &results[i]
		if r.Outcome == generate.Generated && blames(refused.Key, r.Key) {
			r.Outcome, r.Reason = generate.Failed, "the model refuses what it printed: "+refused.Message
			return true
		}
	}
	return false
}

// blames tells whether the key of a violation, such as settings.a.b[0], is a key or below it.
func blames(text string, k key.Key) bool {
	rest, ok := strings.CutPrefix(text, k.String())
	if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
		return true
	}
	text, _, _ = strings.Cut(text, "[")
	blamed, err := key.Parse(text)
	return err == nil && k.Within(blamed)
}

// judgeGenerators sums up, once all settings of the phase are known.
func (b *chain) judgeGenerators(p *api.BootPhase) {
	numbers := map[api.BootState]int{}
	all := slices.Clone(p.Settings)
	for _, r := range b.generated {
		all = append(all, r.Setting())
	}
	for _, s := range all {
		numbers[s.State]++
	}
	p.Summary = fmt.Sprintf("%d generated, %d skipped, %d failed", numbers[api.BootDone], numbers[api.BootSkipped], numbers[api.BootFailed])
	p.State = api.BootDone
	if numbers[api.BootFailed] > 0 {
		p.State = api.BootDegraded
	}
}

func (b *chain) runner(ctx context.Context) (*generate.Runner, error) {
	var settings map[string]any
	err := b.persist(ctx, func(ctx context.Context) (err error) {
		settings, err = b.client.Settings(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := &generate.Runner{Parallel: b.config.Parallel, Env: generate.ProxyEnv(settings)}
	if b.root.IsHost() {
		return r, nil
	}
	socket, err := filepath.Abs(b.client.Socket) // they have another working folder
	r.Env = append(r.Env, "HOSTLER_SOCKET="+socket)
	r.Find = b.findBelow
	return r, err
}

// builtins is schnauzer in this process, if that is what the name would run:
// this very file, or nothing at all, as in a sandbox.
func (b *chain) builtins(moment *schnauzer.Moment) func(program string) cli.Program {
	return func(program string) cli.Program {
		called := filepath.Base(program)
		if called != schnauzer.Name && called != schnauzer.NameV2 || !b.isOurs(program) {
			return nil
		}
		return b.schnauzer(moment, called)
	}
}

func (b *chain) schnauzer(moment *schnauzer.Moment, called string) cli.Program {
	return func(ctx context.Context, args []string, s cli.Streams) int {
		return moment.Run(ctx, slices.Concat([]string{called, "--root", string(b.root), "--api-socket", b.client.Socket}, args[1:]), s)
	}
}

func (b *chain) isOurs(program string) bool {
	find := exec.LookPath
	if !b.root.IsHost() {
		find = b.findBelow
	}
	path, err := find(program)
	if err != nil {
		return true
	}
	there, err := os.Stat(path)
	if err != nil {
		return true
	}
	self, err := os.Stat("/proc/self/exe")
	return err == nil && os.SameFile(there, self)
}

// programFolders are where a root other than the host's may bring programs of its own.
var programFolders = []string{"/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"}

// findBelow finds a program in this root. What the root does not have is not
// run: the host's programs would answer for the host.
func (b *chain) findBelow(program string) (string, error) {
	candidates := []string{program}
	if !strings.Contains(program, "/") {
		candidates = nil
		for _, folder := range programFolders {
			candidates = append(candidates, filepath.Join(folder, program))
		}
	}
	for _, path := range candidates {
		path = b.root.Join(path)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", &generate.NotHere{Reason: fmt.Sprintf("%s has no program %s; the host's own are not run for it", b.root, program)}
}
