//go:build integration

// Package kill_test kills a program with SIGKILL while it changes settings,
// thousands of times, and looks at what the next start makes of it: settings
// and files agree, what was acknowledged is there, nothing is mixed.
//
// Start with TestKill. HOSTLER_KILLS is how often it kills (default 300). It
// is about crashes of the program; what a loss of power does to unsynced files
// is proved in internal/apply and internal/datastore.
package kill_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	defaultKills = 300

	// longestLife is the longest time that the program lives, so that some
	// lives end while it starts and others after dozens of changes.
	longestLife = 120 * time.Millisecond
)

func TestMain(m *testing.M) {
	if root := os.Getenv("HOSTLER_KILL_ROOT"); root != "" {
		if err := victim(root, os.Stdin, os.Stdout); err != nil {
			fmt.Println("broken", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func kills(t *testing.T) int {
	text := os.Getenv("HOSTLER_KILLS")
	if text == "" {
		return defaultKills
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("HOSTLER_KILLS: %v", err)
	}
	return n
}

// ledger is what the victim said, over all its lives.
type ledger struct {
	done  int // the generation that was acknowledged last
	tried int // the newest generation that was begun
	acks  int
	looks int // starts that got as far as looking at everything
}

func TestKill(t *testing.T) {
	root, total, began := t.TempDir(), kills(t), time.Now()
	var l ledger
	for i := range total {
		life := time.Duration(rand.Int64N(int64(longestLife)))
		if err := l.live(root, life); err != nil {
			t.Fatalf("life %d of %v: %v (%+v)", i, life, err, l)
		}
	}
	if err := l.live(root, time.Second); err != nil { // to look at what the last one left
		t.Fatalf("last life: %v (%+v)", err, l)
	}
	took := time.Since(began)
	t.Logf("%d kills in %v: %.1f a second; %d starts looked at everything, %d changes acknowledged, %d begun",
		total, took.Round(time.Millisecond), float64(total)/took.Seconds(), l.looks, l.acks, l.tried)
	if l.acks == 0 || l.looks == 0 {
		t.Errorf("nothing was tested: %+v", l)
	}
}

// live lets the victim live for a while, kills it and checks what it said.
func (l *ledger) live(root string, life time.Duration) error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HOSTLER_KILL_ROOT="+root)
	cmd.Stdin = strings.NewReader(strconv.Itoa(l.tried + 1))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	death := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
	defer death.Stop()
	err = l.listen(out)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed, of course
	return err
}

// listen reads the victim's lines until it is dead. The last one may be cut off.
func (l *ledger) listen(out io.Reader) error {
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.note(strings.TrimSpace(line)); err != nil {
			return err
		}
	}
}

func (l *ledger) note(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	n, _ := strconv.Atoi(rest)
	switch word {
	case "trying":
		l.tried = n
	case "done":
		l.done = n
		l.acks++
	case "found":
		l.looks++
		if n < l.done || n > l.tried {
			return fmt.Errorf("found generation %d, but %d was acknowledged and %d the last begun", n, l.done, l.tried)
		}
		l.done = n
	default:
		return errors.New(line)
	}
	return nil
}
