package migration

import (
	"encoding/json"
	"fmt"
)

// Metadata names metadata of one key.
type Metadata struct {
	Key   string
	Names []string
}

// MetadataString is a metadata that is a string, in the older and the newer version.
type MetadataString struct {
	Key, Name string
	Old, New  string
}

// MetadataList is a metadata that is a list of strings, in the older and the newer version.
type MetadataList struct {
	Key, Name string
	Old, New  []string
}

// AddMetadata is for metadata that is new in a version. Forward does nothing:
// the image brings it. Backward removes it.
func AddMetadata(list ...Metadata) Migration {
	return Funcs{Down: func(s *State) error {
		for _, m := range list {
			if err := checkKeys(m.Key); err != nil {
				return err
			}
			for _, name := range m.Names {
				s.DeleteMetadata(m.Key, name)
			}
		}
		return nil
	}}
}

// RemoveMetadata is for metadata that a version does not have any more. Forward
// removes it; backward does nothing: the older image brings it.
func RemoveMetadata(list ...Metadata) Migration {
	return Reverse(AddMetadata(list...))
}

// ReplaceMetadata gives metadata that is the string Old the string New, and
// backward the other way round. Any other stays.
func ReplaceMetadata(list ...MetadataString) Migration {
	return bothWays(list, replaceMetadata, func(m MetadataString) MetadataString {
		return MetadataString{m.Key, m.Name, m.New, m.Old}
	})
}

func replaceMetadata(s *State, m MetadataString) error {
	if err := checkKeys(m.Key); err != nil {
		return err
	}
	value, ok := s.Metadata(m.Key, m.Name)
	if !ok {
		return nil
	}
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil || *text != m.Old {
		s.Log.Info("metadata is another one, it stays", "key", m.Key, "metadata", m.Name)
		return nil
	}
	return s.SetMetadata(m.Key, m.Name, m.New)
}

// ReplaceMetadataLists is ReplaceLists for metadata, such as affected-services.
func ReplaceMetadataLists(list ...MetadataList) Migration {
	return bothWays(list, func(s *State, m MetadataList) error {
		get := func(k string) (json.RawMessage, bool) { return s.Metadata(k, m.Name) }
		set := func(k string, value any) error { return s.SetMetadata(k, m.Name, value) }
		return replaceList(s, listPlace{m.Key, m.Name, get}, set, m.Old, m.New)
	}, func(m MetadataList) MetadataList {
		return MetadataList{m.Key, m.Name, m.New, m.Old}
	})
}

// The names of metadata that kinds of this package know.
const (
	metadataAffected  = "affected-services"
	metadataGenerator = "setting-generator"
	metadataStrength  = "strength"
)

// ReplaceAffectedServices changes which services a change of a setting affects.
func ReplaceAffectedServices(k string, old, new []string) Migration {
	return ReplaceMetadataLists(MetadataList{k, metadataAffected, old, new})
}

// Service is a list that belongs to a service, in the older and the newer version.
type Service struct {
	Name     string
	Old, New []string
}

// ReplaceServiceFiles changes which configuration files services have.
func ReplaceServiceFiles(list ...Service) Migration {
	return serviceLists(list, "configuration-files")
}

// ReplaceRestartCommands changes which commands restart services.
func ReplaceRestartCommands(list ...Service) Migration {
	return serviceLists(list, "restart-commands")
}

func serviceLists(list []Service, member string) Migration {
	lists := make([]List, len(list))
	for i, s := range list {
		lists[i] = List{tableKey("services", s.Name) + "." + member, s.Old, s.New}
	}
	return ReplaceLists(lists...)
}

// AddServices is AddSettings for whole services.
func AddServices(names ...string) Migration { return addTables("services", names) }

// AddConfigurationFiles is AddSettings for whole configuration files.
func AddConfigurationFiles(names ...string) Migration {
	return addTables("configuration-files", names)
}

func addTables(table string, names []string) Migration {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = tableKey(table, name)
	}
	return AddSubtrees(keys...)
}

// tableKey is the key of a service or a configuration file.
func tableKey(table, name string) string { return fmt.Sprintf(`%s."%s"`, table, name) }
