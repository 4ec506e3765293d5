package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	hostler "github.com/hostler-os/hostler"
	"github.com/hostler-os/hostler/internal/datastore"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/template"
)

const (
	aimedRender   = 100 * time.Microsecond
	aimedValidate = 20 * time.Microsecond
)

// render renders files as they are rendered for a change.
func render(_ context.Context, b *bench) ([]row, error) {
	m, err := model.Load(hostler.Assets, "metal-dev")
	if err != nil {
		return nil, err
	}
	store, err := datastore.Open(filepath.Join(b.dir, "defaults.db"), datastore.Options{Defaults: m.Defaults()})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	var data template.Data
	if err := json.Unmarshal(store.Snapshot().JSON(), &data.Settings); err != nil {
		return nil, err
	}
	var rows []row
	for _, name := range []string{"chrony-conf", "host-containers-toml", "metricdog-toml"} {
		source, err := fs.ReadFile(hostler.Assets, "templates/"+name)
		if err != nil {
			return nil, err
		}
		compiled, err := template.Parse(name, source)
		if err != nil {
			return nil, err
		}
		took, err := each(b, func() error { _, err := compiled.Render(data); return err })
		if err != nil {
			return nil, err
		}
		rows = append(rows, within("render "+name, took, aimedRender))
	}
	return rows, nil
}

func validate(_ context.Context, b *bench) ([]row, error) {
	m, err := model.Load(hostler.Assets, "metal-dev")
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, pair := range []string{"motd=hi there", `ntp.time-servers=["192.0.2.1","time.example"]`, "host-containers.admin.enabled=true"} {
		took, err := each(b, func() error { _, err := m.ParsePairs([]string{pair}); return err })
		if err != nil {
			return nil, err
		}
		rows = append(rows, within(fmt.Sprintf("validate %.30s", pair), took, aimedValidate))
	}
	return rows, nil
}

// each is the median over rounds of what one call takes.
func each(b *bench, act func() error) (time.Duration, error) {
	const calls = 1000
	var rounds []time.Duration
	for range b.times(50, 15) {
		start := time.Now()
		for range calls {
			if err := act(); err != nil {
				return 0, err
			}
		}
		rounds = append(rounds, time.Since(start)/calls)
	}
	return median(rounds), nil
}
