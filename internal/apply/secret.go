package apply

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// shortestSecret is the length of the shortest text that is masked inside of
// other texts. Shorter ones are in every other word.
const shortestSecret = 3

// secrets is what must not be told of some states of the settings.
type secrets struct {
	groups map[string]bool // groups with a secret that has a value
	texts  []string        // the secrets' texts, the longest first
}

// findSecrets looks only at groups that can hold secrets.
func findSecrets(m *model.Model, states ...*datastore.Snapshot) secrets {
	s := secrets{groups: map[string]bool{}}
	for _, group := range m.SecretGroups() {
		for _, state := range states {
			state.Ascend("settings."+group, func(entry datastore.Entry) bool {
				if groupOf(entry.Key) == group && m.Secret(entry.Key) {
					s.groups[group] = true
					s.texts = appendTexts(s.texts, entry.Value)
				}
				return true
			})
		}
	}
	s.texts = longestFirst(s.texts)
	return s
}

// longestFirst sorts texts so that one is masked before those that it holds.
func longestFirst(texts []string) []string {
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	return texts
}

// appendTexts adds all strings and numbers of a JSON value, but no names of members.
func appendTexts(texts []string, value json.RawMessage) []string {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var decoded any
	if err := d.Decode(&decoded); err != nil {
		return texts
	}
	return walkTexts(texts, decoded)
}

func walkTexts(texts []string, value any) []string {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			texts = walkTexts(texts, element)
		}
	case map[string]any:
		for _, member := range v {
			texts = walkTexts(texts, member)
		}
	case string:
		if len(v) >= shortestSecret {
			texts = append(texts, v)
		}
	case json.Number:
		return walkTexts(texts, v.String())
	}
	return texts
}

// redact masks every secret in a text that is about to be shown.
func (s secrets) redact(text string) string {
	for _, secret := range s.texts {
		text = strings.ReplaceAll(text, secret, api.Mask)
	}
	return text
}

// in tells whether a template that may see these groups may show a secret.
func (s secrets) in(groups []string) bool {
	return slices.ContainsFunc(groups, func(g string) bool { return s.groups[g] })
}

// edits lists a change's edits with effective values, secret ones masked.
func maskedEdits(m *model.Model, edits datastore.Edits, before, after *datastore.Snapshot) []api.Edit {
	list := []api.Edit{}
	for _, k := range edits.Keys() {
		list = append(list, api.Edit{
			Key: string(k), Layer: edits.Layer,
			Before: shownValue(m, before, k), After: shownValue(m, after, k),
		})
	}
	return list
}

func shownValue(m *model.Model, state *datastore.Snapshot, k key.Key) json.RawMessage {
	entry, ok := state.Get(k)
	switch {
	case !ok:
		return nil
	case m.Secret(k):
		return api.MaskedValue()
	}
	return entry.Value
}

// groupOf is the second segment of a setting's key.
func groupOf(k key.Key) string {
	segments := k.Segments()
	if len(segments) < 2 {
		return ""
	}
	return segments[1]
}
