package migrate

import (
	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/model"
)

// misfits lists every stored value that a model refuses, layer by layer.
func misfits(snap *datastore.Snapshot, m *model.Model) []api.Misfit {
	var all []api.Misfit
	for _, layer := range layers {
		for _, k := range snap.InLayer(layer, "") {
			value, _ := snap.ValueIn(layer, k)
			if err := m.Check(key.Pair{Key: k, Value: value}); err != nil {
				all = append(all, misfit(k, layer, err))
			}
		}
	}
	return all
}

func misfit(k key.Key, layer api.Layer, err error) api.Misfit {
	e := api.AsError(err)
	return api.Misfit{Key: string(k), Layer: layer, Message: e.Message, Hint: e.Hint}
}

// secretFor tells which values must not be shown: those that a model calls
// secret, and all of which it knows nothing, for they may have been.
func secretFor(m *model.Model) func(key.Key) bool {
	return func(k key.Key) bool {
		if m == nil || m.Secret(k) {
			return true
		}
		_, err := m.Resolve(string(k))
		return err != nil
	}
}

// refused is the error of a result that the new model refuses.
func refused(violations []api.Misfit, version string) error {
	e := &api.Error{
		Code: api.CodeInvalidValue, Key: violations[0].Key,
		Message: "after the migration, the model of " + version + " refuses " + count(len(violations), "value"),
		Hint:    "unset or change what is listed, and tell the publisher",
	}
	for _, v := range violations {
		e.Message += "; " + v.Message
	}
	return e
}
