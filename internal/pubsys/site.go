package pubsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/publish"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
	"github.com/hostler-os/hostler/internal/update/manifest"
)

// site says where a repository is, and with what it is read and signed.
type site struct {
	infra, repo   string
	dir           string
	metadataURL   string
	targetsURL    string
	variant, arch string
	root          string
	keys          []string
	expired       bool
	new           bool
	dry           bool
}

// reads adds the flags of commands that only read a repository.
func (s *site) reads(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.infra, "infra", "", "configuration `FILE` (default: Infra.toml in this folder, if it is there)")
	f.StringVar(&s.repo, "repo", "default", "`NAME` of the repository in the configuration file")
	f.StringVar(&s.dir, "dir", "", "the repository's `DIR`: its metadata is in DIR/VARIANT/ARCH, its targets in DIR/targets")
	f.StringVar(&s.metadataURL, "metadata-url", "", "read the repository from this `URL` instead; VARIANT/ARCH is added")
	f.StringVar(&s.targetsURL, "targets-url", "", "`URL` of its targets")
	f.StringVar(&s.variant, "variant", "", "`VARIANT` of the operating system, such as metal-dev")
	f.StringVar(&s.arch, "arch", "x86_64", "`ARCH`: x86_64 or aarch64")
	f.StringVar(&s.root, "root", "", "the newest root `FILE`; older ones are looked for beside it as N.root.json")
	f.BoolVar(&s.expired, "allow-expired", false, "read the repository even if its metadata is expired")
	c.MarkFlagDirname("dir")
	c.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{"x86_64", "aarch64"}, cobra.ShellCompDirectiveNoFileComp))
}

// writes adds the flags of commands that publish.
func (s *site) writes(c *cobra.Command) {
	s.reads(c)
	f := c.Flags()
	f.StringArrayVar(&s.keys, "key", nil, "sign with this `KEY`; may be repeated (pubsys keys --help tells how keys are named)")
	f.BoolVar(&s.dry, "dry-run", false, "show what would be published, and write nothing")
}

// place is a site that was found.
type place struct {
	*app
	site
	publish.Place                // what is written; empty if the repository is only read
	source        tufrepo.Source // what is read
	address       string         // of its metadata, for messages
}

// find works out what flags and configuration say together; flags win.
func (a *app) find(s site, write bool) (*place, error) {
	config, err := readInfra(s.infra)
	if err != nil {
		return nil, err
	}
	r := config.Repo[s.repo]
	p := &place{app: a, site: s}
	if s.variant == "" {
		return nil, hintf("give --variant", "no variant was named")
	}
	if p.site.root == "" {
		if p.site.root, err = config.root(r); err != nil {
			return nil, err
		}
	}
	if p.site.root == "" {
		return nil, hintf("give --root FILE; pubsys root new makes one", "no root of trust was named")
	}
	if len(p.keys) == 0 && write {
		key, err := config.signingKey(r)
		if err != nil {
			return nil, err
		}
		if key != "" {
			p.keys = []string{key}
		}
	}
	if err := p.locate(config, r); err != nil {
		return nil, err
	}
	if write && p.Place == (publish.Place{}) {
		return nil, hintf("give --dir DIR: what is to be uploaded is written there", "the repository is on the network, which is not written to")
	}
	return p, nil
}

// locate finds what is read and what is written.
func (p *place) locate(config *infra, r infraRepo) error {
	metadata, targets := p.metadataURL, p.targetsURL
	if metadata == "" && targets == "" && p.dir == "" || p.dir != "" && onNetwork(r.MetadataBaseURL) {
		metadata, targets = firstOf(metadata, r.MetadataBaseURL), firstOf(targets, r.TargetsURL)
	}
	if p.dir != "" {
		p.Place = publish.Place{Metadata: filepath.Join(p.dir, p.variant, p.arch), Targets: filepath.Join(p.dir, "targets")}
	}
	switch {
	case metadata == "" && targets == "" && p.dir == "":
		return hintf("give --dir DIR, or --metadata-url and --targets-url, or name them in Infra.toml", "no repository was named")
	case metadata == "" && targets == "":
		p.source, p.address = tufrepo.Dir(p.Metadata, p.Targets), p.Metadata
		return nil
	case metadata == "" || targets == "":
		return errors.New("the addresses of metadata and of targets belong together: one is missing")
	case !onNetwork(metadata) && !onNetwork(targets):
		at := publish.Place{Metadata: filepath.Join(config.path(metadata), p.variant, p.arch), Targets: config.path(targets)}
		if p.dir == "" {
			p.Place = at
		}
		p.source, p.address = tufrepo.Dir(at.Metadata, at.Targets), at.Metadata
		return nil
	}
	base, err := url.JoinPath(metadata, p.variant, p.arch, "/")
	if err != nil {
		return fmt.Errorf("address of metadata: %w", err)
	}
	p.address = base
	p.source, err = tufrepo.Remote(base, targets, tufrepo.RemoteOptions{UserAgent: name})
	return err
}

func onNetwork(address string) bool {
	return strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://")
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// lockPatience is how long to wait for somebody else who publishes here.
const lockPatience = 10 * time.Second

// lock keeps a second publisher out. The targets' folder is shared by all
// variants, so that is where the lock is.
func (p *place) lock(ctx context.Context) (unlock func(), err error) {
	if p.dry {
		return func() {}, nil
	}
	path, busy := filepath.Join(p.Targets, ".pubsys.lock"), errors.New("another publication is under way")
	unlock, err = durable.Lock(ctx, path, lockPatience, busy)
	if errors.Is(err, busy) {
		return nil, hintf("wait until it is done, and run this again", "somebody else is publishing here: %s is locked", path)
	}
	return unlock, err
}

// load reads the repository as it is.
func (p *place) load(ctx context.Context) (*publish.State, error) {
	root, err := readRoot(p.site.root)
	if err != nil {
		return nil, err
	}
	s, err := publish.Load(ctx, publish.Reading{
		Source: p.source, Root: root, Earlier: p.earlier, New: p.new, Expired: p.expired, Now: p.now, Warn: p.log().Warn,
	})
	if errors.Is(err, tufrepo.ErrExpired) {
		return nil, hintf("--allow-expired reads it all the same, if you are sure that it is the newest state", "read the repository in %s: %v", p.address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the repository in %s: %w", p.address, err)
	}
	return s, nil
}

// uploaded finds out whether a server shows what was last written here. If not,
// the next state would be derived from an old one, and drop what lies between.
func (p *place) uploaded(s *publish.State) error {
	written, err := publish.TimestampVersion(p.Metadata)
	if err != nil {
		return err
	}
	if published := s.Roles[publish.TimestampRole].Version; written > published {
		return hintf("upload it first, timestamp.json last; to drop it, remove "+filepath.Join(p.Metadata, "timestamp.json"),
			"the repository shows version %d, but version %d was written to %s", published, written, p.Metadata)
	}
	return nil
}

// earlier reads a root that lies beside the one that was named.
func (p *place) earlier(version int64) []byte {
	raw, err := durable.ReadFile(filepath.Join(filepath.Dir(p.site.root), fmt.Sprintf("%d.root.json", version)), publish.MaxSize)
	if err != nil {
		return nil
	}
	return raw
}

// signers opens the keys.
func (p *place) signers(ctx context.Context) ([]signer.Signer, error) {
	if len(p.keys) == 0 {
		return nil, hintf("give --key KEY, or signing_keys in Infra.toml", "no key to sign with was named")
	}
	var all []signer.Signer
	for _, source := range p.keys {
		s, err := signer.Open(ctx, signer.Source(source))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// published is what a repository says at present, for who only looks.
func (a *app) published(ctx context.Context, s site) (*place, *publish.State, *manifest.Manifest, error) {
	p, err := a.find(s, false)
	if err != nil {
		return nil, nil, nil, err
	}
	state, err := p.load(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	m, err := readManifest(ctx, state)
	return p, state, m, err
}

// readManifest reads the repository's manifest; a new repository has an empty one.
func readManifest(ctx context.Context, s *publish.State) (*manifest.Manifest, error) {
	if s.Fresh() {
		return new(manifest.Manifest), nil
	}
	body, err := s.Repo.Open(ctx, manifest.Name)
	if errors.Is(err, tufrepo.ErrNoTarget) {
		return new(manifest.Manifest), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(body, manifest.MaxSize+1))
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return m, nil
}
