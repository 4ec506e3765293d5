package sandbox

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/model"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// Commands maps every command line that the sandbox's services run, and that
// may thus fail or hang, to the sorted names of those services. One of them is
// of none: what apiserver itself runs after it has written a unit file.
func Commands(root paths.Root) (map[string][]string, error) {
	share := os.DirFS(root.Share())
	variant, err := model.ImageVariant(share)
	if err != nil {
		return nil, err
	}
	m, err := model.Load(share, variant)
	if err != nil {
		return nil, err
	}
	commands := map[string][]string{service.ReloadLine: nil}
	services := m.Services()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		for _, line := range services[name].RestartCommands {
			commands[line] = append(commands[line], name)
		}
	}
	return commands, nil
}

// A fault of a command that nothing runs would wait for ever.
func checkCommand(root paths.Root, dir, line string) error {
	commands, err := Commands(root)
	if err != nil {
		return err
	}
	if _, ok := commands[line]; ok {
		return nil
	}
	return &api.Error{
		Code: api.CodeNotFound, Message: fmt.Sprintf("no service of this sandbox runs '%s'", line),
		Hint: "hostler sandbox commands " + dir + " lists what they run",
	}
}

// PrintCommands writes the commands of the sandbox's services and their faults as a table.
func PrintCommands(w io.Writer, root paths.Root) error {
	commands, err := Commands(root)
	if err != nil {
		return err
	}
	faults, err := service.ReadFaults(root.Faults())
	if err != nil {
		return err
	}
	rows := [][]string{{"COMMAND", "SERVICES", "FAULT"}}
	for _, line := range slices.Sorted(maps.Keys(commands)) {
		rows = append(rows, []string{line, dash(strings.Join(commands[line], ", ")), faults[line].String()})
	}
	cli.Table(w, rows)
	return nil
}
