package tufrepo_test

import (
	"fmt"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/hostler-os/hostler/internal/tufrepo"
	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

// Another implementation of the specification, go-tuf, judges the same files as
// ours does. Where it refuses good ones is known (docs/tuf.md) and not used here.
func TestSameVerdictAsGoTUF(t *testing.T) {
	resign := func(roles ...string) func(*tufrepotest.Repo) {
		return func(r *tufrepotest.Repo) {
			for _, role := range roles {
				r.Signers[role] = []*tufrepotest.Key{r.Key(tufrepotest.Ed25519)}
			}
			r.Publish("root", "targets", "snapshot", "timestamp")
		}
	}
	for name, change := range map[string]func(*tufrepotest.Repo){
		"plain":                   func(*tufrepotest.Repo) {},
		"every role anew":         func(r *tufrepotest.Repo) { r.Publish("root", "targets", "snapshot", "timestamp") },
		"rotated":                 func(r *tufrepotest.Repo) { r.RotateKeys("timestamp"); r.Publish("root", "timestamp") },
		"root of a stranger":      resign("root"),
		"timestamp of a stranger": resign("timestamp"),
		"snapshot of a stranger":  resign("snapshot"),
		"targets of a stranger":   resign("targets"),
		"threshold out of reach":  func(r *tufrepotest.Repo) { r.Role("snapshot")["threshold"] = 2; r.Publish("root") },
		"expired timestamp": func(r *tufrepotest.Repo) {
			r.Roles["timestamp"]["expires"] = "2020-01-01T00:00:00Z"
			r.Publish("timestamp")
		},
		"expired targets": func(r *tufrepotest.Repo) {
			r.Roles["targets"]["expires"] = "2020-01-01T00:00:00Z"
			r.Publish("targets", "snapshot", "timestamp")
		},
		"targets of another state": func(r *tufrepotest.Repo) {
			r.Publish("targets", "snapshot", "timestamp")
			r.Put("metadata/2.targets.json", r.Get("metadata/1.targets.json"))
		},
		"members nobody knows": func(r *tufrepotest.Repo) {
			r.Roles["timestamp"]["x"] = object{"deep": []any{1, "two", nil, object{"three": true}}}
			r.Publish("timestamp")
		},
		"kinds of keys": func(r *tufrepotest.Repo) {
			for role, kind := range map[string]tufrepotest.Kind{"root": tufrepotest.RSA, "timestamp": tufrepotest.ECDSA} {
				r.AddKey(role, kind)
				r.Role(role)["threshold"] = 2
			}
			r.Publish("root", "timestamp")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := tufrepotest.New(t)
			change(repo)
			_, ours := open(t, repo, tufrepo.Options{})
			theirs := openWithGoTUF(repo)
			if (ours == nil) != (theirs == nil) {
				t.Errorf("we say %v, go-tuf says %v", ours, theirs)
			}
		})
	}
}

// openWithGoTUF proves what a repository serves.
func openWithGoTUF(repo *tufrepotest.Repo) error {
	trusted, err := trustedmetadata.New(repo.Root())
	for v := 2; err == nil && repo.Get(rootFile(v)) != nil; v++ {
		_, err = trusted.UpdateRoot(repo.Get(rootFile(v)))
	}
	if err == nil {
		_, err = trusted.UpdateTimestamp(repo.Get("metadata/timestamp.json"))
	}
	if err == nil {
		_, err = trusted.UpdateSnapshot(repo.Get("metadata/"+repo.FileName("snapshot")), false)
	}
	if err == nil {
		_, err = trusted.UpdateTargets(repo.Get("metadata/" + repo.FileName("targets")))
	}
	return err
}

func rootFile(version int) string { return fmt.Sprintf("metadata/%d.root.json", version) }

// Targets fall into the same bins.
func TestSameBinsAsGoTUF(t *testing.T) {
	for _, bits := range []int{1, 4, 5, 8, 31, 32} {
		theirs := metadata.SuccinctRoles{BitLength: bits, NamePrefix: "bin"}
		for i := range 50 {
			name := fmt.Sprintf("folder/target-%d", i)
			if got, want := tufrepo.Bin("bin", bits, name), theirs.GetRolesForTarget(name)[0].Name; got != want {
				t.Errorf("%s with %d bits is in %s, want %s", name, bits, got, want)
			}
		}
	}
}
