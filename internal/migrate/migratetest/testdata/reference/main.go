// Reference is every migration of the reference's contract that the tests run:
// the name that it was published as says what it does. It works with files as
// those do that are built with the reference's helpers: the same arguments, the
// same operations in the same order.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	source, target, forward := arguments()
	// migrate_v1.1.0_ref-KIND-ANYTHING.lz4
	_, kind, _ := strings.Cut(os.Args[0], "_ref-")
	kind, _, _ = strings.Cut(strings.TrimSuffix(kind, ".lz4"), "-")
	if misdeed := misdeeds[kind]; misdeed != nil {
		check(misdeed(source, target))
	}
	act, known := kinds[kind]
	if !known {
		act = kinds["noop"]
	}
	for _, tx := range append([]string{""}, transactions(source)...) {
		d := read(source, tx)
		if forward {
			act.up(d)
		} else {
			act.down(d)
		}
		d.write(target, tx)
	}
	if after := afterthoughts[kind]; after != nil {
		check(after(source, target))
	}
}

func arguments() (source, target string, forward bool) {
	direction := ""
	for i := 1; i < len(os.Args); i++ {
		into := map[string]*string{"--source-datastore": &source, "--target-datastore": &target}[os.Args[i]]
		switch {
		case into != nil && i+1 < len(os.Args):
			i++
			*into = os.Args[i]
		case os.Args[i] == "--forward" || os.Args[i] == "--backward":
			direction = os.Args[i]
		default:
			usage()
		}
	}
	if source == target || source == "" || target == "" || direction == "" {
		usage()
	}
	return source, target, direction == "--forward"
}

func usage() {
	fmt.Fprintf(os.Stderr, "Usage: %s --source-datastore PATH --target-datastore PATH ( --forward | --backward )\n", os.Args[0])
	os.Exit(2)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
