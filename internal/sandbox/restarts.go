package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/durable"
	"github.com/hostler-os/hostler/internal/paths"
	"github.com/hostler-os/hostler/internal/service"
)

// PrintRestarts writes the recorded commands as a table, oldest first.
func PrintRestarts(w io.Writer, root paths.Root) error {
	file, err := durable.Open(root.Restarts())
	if errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintln(w, "no command was run yet")
		return err
	}
	if err != nil {
		return fmt.Errorf("read restarts: %w", err)
	}
	defer file.Close()
	rows := [][]string{{"TIME", "RESULT", "SERVICE", "COMMAND", "BECAUSE OF"}}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var r service.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("read restarts: %s line %d: %w", root.Restarts(), n, err)
		}
		rows = append(rows, []string{
			r.Time.Local().Format(time.TimeOnly), r.Result, dash(r.Service), r.Command, strings.Join(r.Changed, " "),
		})
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read restarts: %w", err)
	}
	cli.Table(w, rows)
	return nil
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
