package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hostler-os/hostler/internal/tufrepo/tufrepotest"
)

func TestRefresh(t *testing.T) {
	c := newClient(t)
	c.refresh(0)
	c.asked("2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json")
	c.trusted(all)
	for _, file := range []string{"timestamp.json", "snapshot.json", "targets.json"} {
		kept, err := os.ReadFile(filepath.Join(c.metadata, file))
		if err != nil {
			t.Fatal(err)
		}
		served := c.repo.Get("metadata/" + file)
		if served == nil {
			served = c.repo.Get("metadata/1." + file)
		}
		if !bytes.Equal(kept, served) {
			t.Errorf("%s is not kept as it was served", file)
		}
	}
	c.refresh(0)
	c.asked("2.root.json", "timestamp.json")
}

func TestDownloadRefreshes(t *testing.T) {
	c := newClient(t)
	c.download(1, "nonexistent artifact")
	c.asked("2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json")
	c.trusted(all)
}

func TestBadInitialRoot(t *testing.T) {
	for name, change := range map[string]func(md map[string]any){
		"no version": func(md map[string]any) { delete(md["signed"].(map[string]any), "version") },
		"wrong signature": func(md map[string]any) {
			md["signatures"].([]any)[0].(map[string]any)["sig"] = "3045022100ee448afe2d25dd1f05afedac83a24e7df"
		},
		"unsigned": func(md map[string]any) { md["signatures"] = []any{} },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			c.alter("1.root.json", change)
			c.trust(c.repo.Root())
			c.refresh(1)
			c.asked()
		})
	}
}

func TestUnsigned(t *testing.T) {
	for role, want := range map[string]string{
		"root": "root:1", "timestamp": "root:2", "snapshot": "root:2 timestamp:2",
		"targets": "root:2 snapshot:2 timestamp:2",
	} {
		t.Run(role, func(t *testing.T) {
			c := newClient(t)
			c.repo.Signers[role] = nil
			c.repo.Publish("root", "targets", "snapshot", "timestamp")
			c.refresh(1)
			c.trusted(want)
		})
	}
}

func TestVersionIsNotThatOfTheAddress(t *testing.T) {
	for role, want := range map[string]string{
		"root": "root:1", "snapshot": "root:2 timestamp:2", "targets": "root:2 snapshot:2 timestamp:2",
	} {
		t.Run(role, func(t *testing.T) {
			c := newClient(t)
			for _, r := range []string{"root", "targets", "snapshot", "timestamp"} {
				c.repo.Publish(r)
				if r == role { // serve version 3 as version 2
					file := c.repo.FileName(role)
					c.repo.Roles[role]["version"] = 3
					c.repo.Put("metadata/"+file, c.repo.Sign(role))
					c.repo.Roles[role]["version"] = 2
				}
			}
			c.refresh(1)
			c.trusted(want)
		})
	}
}

func TestTimestampChangesWithoutNewVersion(t *testing.T) {
	c := newClient(t)
	c.refresh(0)
	c.repo.Roles["timestamp"]["meta"].(map[string]any)["snapshot.json"] = map[string]any{"version": 100}
	c.repo.Republish("timestamp")
	before, err := os.ReadFile(filepath.Join(c.metadata, "timestamp.json"))
	if err != nil {
		t.Fatal(err)
	}
	c.repo.Asked()
	c.refresh(0)
	c.asked("2.root.json", "timestamp.json")
	after, err := os.ReadFile(filepath.Join(c.metadata, "timestamp.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("another timestamp of the same version was kept (%v)", err)
	}
}

func TestMetadataHashes(t *testing.T) {
	c := newClient(t)
	c.repo.Hashes = true
	c.repo.Publish("targets", "snapshot", "timestamp")
	c.refresh(0)
	c.repo.Publish("targets")
	meta := c.repo.Roles["snapshot"]["meta"].(map[string]any)["targets.json"].(map[string]any)
	meta["hashes"] = map[string]any{"sha256": "46419349341cfb2d95f6ae3d4cd5c3d3dd7f4673985dad42a45130be5e0531a0"}
	c.repo.Publish("snapshot", "timestamp")
	c.refresh(1)
	c.trusted("root:1 snapshot:3 targets:2 timestamp:3")
}

func TestMetadataIsKeptByteForByte(t *testing.T) {
	c := newClient(t)
	raw := append(slices.Clone(c.repo.Get("metadata/timestamp.json")), ' ')
	c.repo.Put("metadata/timestamp.json", raw)
	c.refresh(0)
	kept, err := os.ReadFile(filepath.Join(c.metadata, "timestamp.json"))
	if err != nil || !bytes.Equal(kept, raw) {
		t.Errorf("kept %q (%v), want what was served", kept, err)
	}
}

func TestUnknownMembers(t *testing.T) {
	c := newClient(t)
	c.refresh(0)
	c.repo.Roles["root"]["custom-field"] = "value <&> \u2028 \\ \""
	c.repo.Role("root")["another-field"] = "value"
	key := c.repo.Key(tufrepotest.Ed25519)
	key.Public["extra-field"] = map[string]any{"a": 1, "b": 2}
	key.Public["keyid_hash_algorithms"] = []any{"md5"}
	key.Rename()
	c.repo.Trust("root", key)
	c.repo.Signers["root"] = append(c.repo.Signers["root"], key)
	c.repo.Role("root")["threshold"] = 2
	c.repo.Publish("root")
	c.refresh(0)
	c.trusted("root:2 snapshot:1 targets:1 timestamp:1")
}

func TestMissingFiles(t *testing.T) {
	t.Run("snapshot", func(t *testing.T) {
		c := newClient(t)
		c.refresh(0)
		c.repo.Roles["timestamp"]["meta"].(map[string]any)["snapshot.json"] = map[string]any{"version": 2}
		c.repo.Publish("timestamp")
		c.refresh(1)
		c.trusted("root:1 snapshot:1 targets:1 timestamp:2")
	})
	t.Run("targets", func(t *testing.T) {
		c := newClient(t)
		c.refresh(0)
		c.repo.Roles["snapshot"]["meta"].(map[string]any)["targets.json"] = map[string]any{"version": 2}
		c.repo.Publish("snapshot", "timestamp")
		c.refresh(1)
		c.trusted("root:1 snapshot:2 targets:1 timestamp:2")
	})
	t.Run("timestamp", func(t *testing.T) {
		c := newClient(t)
		c.refresh(0)
		c.repo.Asked()
		c.repo.Put("metadata/timestamp.json", nil)
		c.refresh(1)
		c.asked("2.root.json", "timestamp.json")
	})
}

func TestWrongType(t *testing.T) {
	c := newClient(t)
	c.repo.Trust("timestamp", c.repo.Signers["snapshot"][0])
	c.repo.Roles["snapshot"]["meta"] = map[string]any{"snapshot.json": map[string]any{"version": 1}}
	c.repo.Publish("root", "snapshot")
	c.repo.Put("metadata/timestamp.json", c.repo.Get("metadata/2.snapshot.json"))
	c.refresh(1)
	c.trusted("root:2")
}

func TestExpired(t *testing.T) {
	yesterday := tufrepotest.Expires(time.Now().Add(-24 * time.Hour))
	for role, want := range map[string]string{
		"root":      "root:2 snapshot:1 targets:1 timestamp:1",
		"timestamp": "root:2 snapshot:1 targets:1 timestamp:1",
		"snapshot":  "root:2 snapshot:1 targets:1 timestamp:2",
		"targets":   "root:2 snapshot:2 targets:1 timestamp:2",
	} {
		t.Run(role, func(t *testing.T) {
			c := newClient(t)
			c.refresh(0)
			c.repo.Roles[role]["expires"] = yesterday
			c.repo.Publish("root", "targets", "snapshot", "timestamp")
			c.refresh(1)
			c.trusted(want)
			c.repo.Roles[role]["expires"] = tufrepotest.Far()
			c.repo.Publish("root", "targets", "snapshot", "timestamp")
			c.refresh(0) // an expired root in between is no obstacle
			c.trusted("root:3 snapshot:3 targets:3 timestamp:3")
		})
	}
}

func TestClockIsTheOneThatIsShown(t *testing.T) {
	c := newClient(t)
	c.repo.Roles["root"]["expires"] = tufrepotest.Expires(time.Now().Add(7 * 24 * time.Hour))
	c.repo.Publish("root")
	c.refresh(0)
	c.at(time.Now().Add(8 * 24 * time.Hour))
	c.refresh(1)
}

func TestExpiredLocalMetadata(t *testing.T) {
	c := newClient(t)
	c.repo.Roles["timestamp"]["expires"] = tufrepotest.Expires(time.Now().Add(7 * 24 * time.Hour))
	c.repo.Publish("timestamp")
	c.refresh(0)
	c.repo.Roles["timestamp"]["expires"] = tufrepotest.Expires(time.Now().Add(21 * 24 * time.Hour))
	c.repo.Publish("targets", "snapshot", "timestamp")
	c.at(time.Now().Add(18 * 24 * time.Hour))
	c.refresh(0)
	c.trusted("root:1 snapshot:2 targets:2 timestamp:3")
}

// An expired timestamp still protects from an older one.
func TestExpiredLocalTimestampGuardsAgainstRollback(t *testing.T) {
	c := newClient(t)
	c.repo.Roles["timestamp"]["expires"] = tufrepotest.Expires(time.Now().Add(7 * 24 * time.Hour))
	c.repo.Publish("timestamp")
	c.refresh(0)
	c.repo.Roles["timestamp"]["version"] = 1
	c.repo.Roles["timestamp"]["expires"] = tufrepotest.Expires(time.Now().Add(21 * 24 * time.Hour))
	c.repo.Republish("timestamp")
	c.at(time.Now().Add(18 * 24 * time.Hour))
	c.refresh(1)
	c.trusted("root:1 snapshot:1 targets:1 timestamp:2")
}

func TestRollback(t *testing.T) {
	t.Run("timestamp", func(t *testing.T) {
		c := newClient(t)
		c.repo.Publish("timestamp")
		c.refresh(0)
		c.repo.Roles["timestamp"]["version"] = 1
		c.repo.Republish("timestamp")
		c.refresh(1)
		c.trusted("root:1 snapshot:1 targets:1 timestamp:2")
	})
	for _, hashes := range []bool{false, true} {
		t.Run("snapshot", func(t *testing.T) {
			c := newClient(t)
			c.repo.Hashes = hashes
			c.repo.Publish("snapshot", "timestamp")
			c.refresh(0)
			c.repo.Asked()
			c.repo.Roles["snapshot"]["version"] = 1
			c.repo.Republish("snapshot")
			c.repo.Publish("timestamp")
			c.refresh(1)
			c.asked("2.root.json", "timestamp.json")
			c.trusted("root:1 snapshot:2 targets:1 timestamp:2")
		})
		t.Run("targets", func(t *testing.T) {
			c := newClient(t)
			c.repo.Hashes = hashes
			c.repo.Publish("targets", "targets", "snapshot", "timestamp")
			c.refresh(0)
			c.repo.Roles["targets"]["version"] = 1
			c.repo.Republish("targets")
			c.repo.Publish("snapshot", "timestamp")
			c.refresh(1)
			c.trusted("root:1 snapshot:2 targets:3 timestamp:3")
		})
	}
	t.Run("a role disappears", func(t *testing.T) {
		c := newClient(t)
		c.repo.Delegate(tufrepotest.Delegation{From: "targets", To: "A"})
		c.repo.Publish("A", "targets", "snapshot", "timestamp")
		c.refresh(0)
		delete(c.repo.Roles["snapshot"]["meta"].(map[string]any), "A.json")
		c.repo.Publish("snapshot", "timestamp")
		c.refresh(1)
		c.trusted("root:1 snapshot:2 targets:2 timestamp:3")
	})
}

func TestFastForwardRecovery(t *testing.T) {
	t.Run("timestamp", func(t *testing.T) {
		c := newClient(t)
		c.repo.Roles["timestamp"]["version"] = 99
		c.repo.Publish("timestamp")
		c.refresh(0)
		c.repo.RotateKeys("timestamp")
		c.repo.Roles["timestamp"]["version"] = 0
		c.repo.Publish("root", "timestamp")
		c.refresh(0)
		c.trusted("root:2 snapshot:1 targets:1 timestamp:1")
	})
	t.Run("snapshot", func(t *testing.T) {
		c := newClient(t)
		c.repo.Roles["snapshot"]["version"] = 99998
		c.repo.Publish("snapshot", "timestamp")
		c.refresh(0)
		c.repo.RotateKeys("snapshot")
		c.repo.RotateKeys("timestamp")
		c.repo.Roles["snapshot"]["version"] = 0
		c.repo.Publish("root", "snapshot", "timestamp")
		c.refresh(0)
		c.trusted("root:2 snapshot:1 targets:1 timestamp:3")
	})
	t.Run("targets", func(t *testing.T) {
		c := newClient(t)
		c.repo.Roles["targets"]["version"] = 99
		c.repo.Publish("targets", "snapshot", "timestamp")
		c.refresh(0)
		c.repo.RotateKeys("snapshot")
		c.repo.Roles["targets"]["version"] = 1
		c.repo.Publish("root", "targets", "snapshot", "timestamp")
		c.refresh(0)
		c.trusted("root:2 snapshot:3 targets:2 timestamp:3")
	})
}

func TestThreshold(t *testing.T) {
	t.Run("too few signatures", func(t *testing.T) {
		c := newClient(t)
		c.repo.Role("snapshot")["threshold"] = 3
		c.repo.AddKey("snapshot", tufrepotest.Ed25519)
		c.repo.AddKey("snapshot", tufrepotest.Ed25519)
		c.repo.Publish("root", "targets", "snapshot", "timestamp")
		c.refresh(0)
		c.repo.Signers["snapshot"] = c.repo.Signers["snapshot"][:2]
		c.repo.Publish("targets", "snapshot", "timestamp")
		c.refresh(1)
		c.trusted("root:2 snapshot:2 targets:2 timestamp:3")
	})
	t.Run("too few keys", func(t *testing.T) {
		c := newClient(t)
		c.repo.Role("snapshot")["threshold"] = 2
		c.repo.Publish("root", "snapshot", "timestamp")
		c.refresh(1)
		c.trusted("root:2 timestamp:2")
	})
	t.Run("one key under several names", func(t *testing.T) {
		c := newClient(t)
		key := c.repo.AddKey("snapshot", tufrepotest.Ed25519)
		for _, id := range []string{"a", "b", "c"} {
			alias := *key
			alias.ID = id
			c.repo.Trust("snapshot", &alias)
			c.repo.Signers["snapshot"] = append(c.repo.Signers["snapshot"], &alias)
		}
		c.repo.Role("snapshot")["threshold"] = 3
		c.repo.Publish("root", "snapshot", "timestamp")
		c.refresh(1)
		c.trusted("root:2 timestamp:2")
	})
	t.Run("one key named several times", func(t *testing.T) {
		c := newClient(t)
		ids := c.repo.Role("snapshot")["keyids"].([]any)
		c.repo.Role("snapshot")["keyids"] = append(ids, ids[0], ids[0])
		c.repo.Role("snapshot")["threshold"] = 2
		c.repo.Publish("root", "snapshot", "timestamp")
		c.refresh(1)
		c.trusted("root:1")
	})
	t.Run("one signature several times", func(t *testing.T) {
		c := newClient(t)
		c.alter("1.snapshot.json", func(md map[string]any) {
			sigs := md["signatures"].([]any)
			md["signatures"] = append(sigs, sigs[0])
		})
		c.refresh(1)
		c.trusted("root:1 timestamp:1")
	})
}

func TestInvalidSignatureBesidesEnoughValidOnes(t *testing.T) {
	for name, sig := range map[string]string{"plausible": "ab12", "empty": "", "no hexadecimal": "?"} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			first := c.repo.Signers["timestamp"][0].ID
			c.repo.AddKey("timestamp", tufrepotest.Ed25519)
			c.repo.Publish("root", "timestamp")
			c.alter("timestamp.json", func(md map[string]any) {
				for _, s := range md["signatures"].([]any) {
					if s := s.(map[string]any); s["keyid"] == first {
						s["sig"] = sig
					}
				}
			})
			c.refresh(0)
		})
	}
}

func TestKinds(t *testing.T) {
	for _, kind := range []tufrepotest.Kind{
		tufrepotest.Ed25519, tufrepotest.ECDSA, tufrepotest.ECDSAHex, tufrepotest.RSA, tufrepotest.RSAOld,
	} {
		t.Run(kind.Type+" "+kind.Scheme+" "+kind.Form, func(t *testing.T) {
			c := newClient(t)
			key := c.repo.AddKey("root", kind)
			c.repo.Role("root")["threshold"] = 2
			c.repo.Publish("root")
			c.refresh(0)
			c.repo.Publish("root")
			c.alter("3.root.json", func(md map[string]any) {
				sigs := md["signatures"].([]any)
				for _, s := range sigs { // the signature of another version
					if s := s.(map[string]any); s["keyid"] == key.ID {
						s["sig"] = old(t, c, key.ID)
					}
				}
			})
			c.refresh(1)
			c.trusted("root:2 snapshot:1 targets:1 timestamp:1")
		})
	}
}

func old(t *testing.T, c *client, id string) (sig string) {
	t.Helper()
	var md struct {
		Signatures []struct{ KeyID, Sig string }
	}
	if err := json.Unmarshal(c.repo.Get("metadata/2.root.json"), &md); err != nil {
		t.Fatal(err)
	}
	for _, s := range md.Signatures {
		if s.KeyID == id {
			sig = s.Sig
		}
	}
	return sig
}

// Keys of a kind that nobody here knows do not count, and do no harm.
func TestUnknownKeys(t *testing.T) {
	c := newClient(t)
	key := c.repo.Key(tufrepotest.Ed25519)
	key.Public["scheme"] = "dilithium"
	key.Rename()
	c.repo.Trust("timestamp", key)
	c.repo.Role("timestamp")["keyids"] = append(c.repo.Role("timestamp")["keyids"].([]any), "nowhere")
	c.repo.Publish("root", "timestamp")
	c.refresh(0)
}

// step is one root of a chain: which of ten keys it names, how many must sign, and which do.
type step struct {
	keys      []int
	threshold int
	signed    []int
}

func TestRootRotation(t *testing.T) {
	chains := map[string]struct {
		want  int // exit code; 1: the last step is refused
		steps []step
	}{
		"rotated":             {0, []step{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{2, 1}}, {[]int{2}, 1, []int{2}}}},
		"unused signatures":   {0, []step{{[]int{1}, 1, []int{3, 1, 4}}, {[]int{2}, 1, []int{3, 2, 1, 4}}, {[]int{2}, 1, []int{3, 2, 4}}}},
		"3 of 5":              {0, []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 2, 3, 4}, 3, []int{0, 4, 1}}, {[]int{0, 1, 2, 3, 4}, 3, []int{0, 1, 3}}}},
		"one of five rotated": {0, []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 1}}}},
		"all rotated":         {0, []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{5, 6, 7, 8, 9}, 3, []int{0, 2, 4, 5, 6, 7}}, {[]int{5, 6, 7, 8, 9}, 3, []int{5, 6, 7}}}},
		"threshold up":        {0, []step{{[]int{1, 2, 3}, 1, []int{1}}, {[]int{1, 2, 3}, 2, []int{1, 2}}}},
		"threshold down":      {0, []step{{[]int{1, 2, 3}, 2, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1}}}},
		"not by the old key":  {1, []step{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{2, 3, 4}}}},
		"not by the new key":  {1, []step{{[]int{1}, 1, []int{1}}, {[]int{2}, 1, []int{1, 3, 4}}}},
		"not by 3 new keys":   {1, []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 2, 4}}}},
		"not by 3 old keys":   {1, []step{{[]int{0, 1, 2, 3, 4}, 3, []int{0, 2, 4}}, {[]int{0, 1, 3, 4, 5}, 3, []int{0, 4, 5}}}},
		"new threshold":       {1, []step{{[]int{1, 2, 3}, 1, []int{1}}, {[]int{1, 2, 3}, 2, []int{2}}}},
		"old threshold":       {1, []step{{[]int{1, 2, 3}, 2, []int{1, 2}}, {[]int{1, 2, 3}, 1, []int{1}}}},
	}
	for name, chain := range chains {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			keys := make([]*tufrepotest.Key, 10)
			for i := range keys {
				keys[i] = c.repo.Key(tufrepotest.Ed25519)
			}
			c.repo.Roles["root"]["version"] = 0
			for _, s := range chain.steps {
				c.repo.Role("root")["keyids"], c.repo.Role("root")["threshold"] = []any{}, s.threshold
				for _, i := range s.keys {
					c.repo.Trust("root", keys[i])
				}
				c.repo.Signers["root"] = nil
				for _, i := range s.signed {
					c.repo.Signers["root"] = append(c.repo.Signers["root"], keys[i])
				}
				c.repo.Publish("root")
			}
			c.trust(c.repo.Root())
			c.refresh(chain.want)
			last := c.repo.Version("root") - chain.want
			kept, err := os.ReadFile(filepath.Join(c.metadata, "root.json"))
			if want := c.repo.Get("metadata/" + string(rune('0'+last)) + ".root.json"); err != nil || !bytes.Equal(kept, want) {
				t.Errorf("kept root is not version %d (%v)", last, err)
			}
		})
	}
}
