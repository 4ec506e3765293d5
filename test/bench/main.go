// Command bench measures the budgets of docs/ARCHITECTURE.md: what Hostler
// costs, as a ratio to the bare floor that the same machine gives in the same
// minute. Floor and subject take turns, and medians are compared, so that a
// busy machine slows both.
//
// It prints a table and exits 0 also when a budget is missed: how much a
// machine varies is for people to judge. It measures the programs in bin/ as
// they are installed, and needs no root. Start with budgets, the list of what is
// measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// A budget measures one or more rows of the table.
type budget struct {
	name    string
	measure func(context.Context, *bench) ([]row, error)
}

var budgets = []budget{
	{"throughput", throughput},
	{"commit", commit},
	{"set", set},
	{"memory", memory},
	{"size", size},
	{"render", render},
	{"validate", validate},
	{"boot", boot},
	{"slot", slot},
	{"migrations", chain},
	{"updates", updates},
}

// bench is what all measurements share.
type bench struct {
	bin   string // folder of the built programs
	dir   string // scratch, on a real disk
	short bool
}

// times is how often something is repeated: n, or few in the short form.
func (b *bench) times(n, few int) int {
	if b.short {
		return few
	}
	return n
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var (
		short = flag.Bool("short", false, "less than a minute in all")
		bin   = flag.String("bin", "bin", "folder of the built programs")
		dir   = flag.String("dir", os.TempDir(), "where to make the scratch folder: a disk, not a tmpfs")
		only  = flag.String("only", "", "measure only the budget of this name")
		serve = flag.String("serve-constant", "", "serve the file given as argument on this socket; what bench runs as the floor of throughput")
	)
	flag.Parse()
	if *serve != "" {
		return serveConstant(ctx, *serve, flag.Arg(0))
	}
	b, err := newBench(*bin, *dir, *short)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.install(*bin); err != nil {
		return err
	}
	return measure(ctx, b, *only)
}

func newBench(bin, dir string, short bool) (*bench, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(bin, "hostler")); err != nil {
		return nil, fmt.Errorf("%w: run make build first", err)
	}
	scratch, err := os.MkdirTemp(dir, "hostler-bench-")
	if err != nil {
		return nil, err
	}
	return &bench{bin: filepath.Join(scratch, "bin"), dir: scratch, short: short}, nil
}

// install copies the folder of programs, as installing does. What the linker
// writes is page by page in the kernel's cache, what is copied or read from a
// disk in larger pieces: mapping the former costs each start half a millisecond
// and more.
func (b *bench) install(from string) error {
	if out, err := exec.Command("cp", "-r", from, b.bin).CombinedOutput(); err != nil {
		return fmt.Errorf("copy programs: %w\n%s", err, out)
	}
	return nil
}

func measure(ctx context.Context, b *bench, only string) error {
	var rows []row
	for _, budget := range budgets {
		if only != "" && only != budget.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", budget.name)
		measured, err := budget.measure(ctx, b)
		if err != nil {
			return fmt.Errorf("measure %s: %w", budget.name, err)
		}
		rows = append(rows, measured...)
	}
	if len(rows) == 0 {
		return errors.New("no budget of that name")
	}
	return printTable(os.Stdout, rows)
}
