package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/key"
	"github.com/hostler-os/hostler/internal/memexec"
	"github.com/hostler-os/hostler/internal/refmigrate"
	"github.com/hostler-os/hostler/migration"
)

// runner sends one document through a chain.
type runner struct {
	sandbox memexec.Sandbox
	chain   *Chain
	report  *api.Migration
	log     *slog.Logger
	image   migration.OS

	generators map[key.Key]json.RawMessage // see foreign.go
}

// started is a migration that waits for its document.
type started struct {
	program *memexec.Program
	process *memexec.Process // nil for a foreign one, which needs the document to start
	foreign bool
	err     error
}

// run hands the document to one migration after the other. While one works, the
// next is put into memory and started, and the answer of the one before is
// checked: each of the three takes about as long. Nothing comes of an answer
// before it was found good.
func (r *runner) run(ctx context.Context, doc *migration.Document) (*migration.Document, error) {
	r.image = doc.OS
	doc.From, doc.To = r.chain.From.String(), r.chain.To.String()
	text, err := newMessage(doc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next, stop := r.prepare()
	defer stop()
	last := judged(doc)
	for _, step := range r.chain.Steps {
		s := <-next
		if s.foreign {
			if last, text, err = r.foreign(ctx, step, s, last); err != nil {
				return nil, err
			}
			continue
		}
		answer, failed := r.step(ctx, step, s, text)
		if _, err := last(); err != nil {
			r.report.Steps = r.report.Steps[:len(r.report.Steps)-1] // it was given what is no document
			return nil, err
		}
		if failed != nil {
			return nil, failed
		}
		last = r.judge(step, answer, cancel)
		if text.follow(answer) {
			continue
		}
		if last, text, err = r.rewritten(last); err != nil {
			return nil, err
		}
	}
	return last()
}

// rewritten is the message for whoever follows an answer that has another form than
// package migration gives it.
func (r *runner) rewritten(last verdict) (verdict, *message, error) {
	doc, err := last()
	if err != nil {
		return nil, nil, err
	}
	doc.OS = r.image
	text, err := newMessage(doc)
	return judged(doc), text, err
}

// verdict waits until an answer was checked, and returns what it says.
type verdict func() (*migration.Document, error)

func judged(doc *migration.Document) verdict {
	return func() (*migration.Document, error) { return doc, nil }
}

// judge checks an answer while the next migration works on it, and ends that one if it is bad.
func (r *runner) judge(step Step, answer []byte, cancel context.CancelCauseFunc) verdict {
	type result struct {
		doc *migration.Document
		err error
	}
	done := make(chan result, 1)
	go func() {
		doc, err := migration.Parse(answer)
		switch {
		case err != nil:
			err = fmt.Errorf("migration %s answered what is no document: %w", step.Name, err)
		case doc.From != r.chain.From.String() || doc.To != r.chain.To.String():
			err = fmt.Errorf("migration %s answered for the way from %s to %s", step.Name, doc.From, doc.To)
		}
		if err != nil {
			cancel(err)
		}
		done <- result{doc, err}
	}()
	at := len(r.report.Steps) - 1
	return func() (*migration.Document, error) {
		got := <-done
		if got.err != nil {
			r.report.Steps[at].Error = got.err.Error()
		}
		return got.doc, got.err
	}
}

// message is the text that the next migration is given, and memory for its
// answer. Two pieces of memory are enough: while a migration reads one and writes
// the other, there is no third.
type message struct {
	parts [][]byte
	os    []byte // what begins a text that is made of an answer
	usual []byte // what begins an answer that package migration has written: without os
	held  []byte // that parts are of
	spare []byte
}

func newMessage(doc *migration.Document) (*message, error) {
	os, err := json.Marshal(doc.OS)
	if err != nil {
		return nil, err
	}
	text, err := doc.Append(nil, true)
	if err != nil {
		return nil, err
	}
	begin := slices.Concat([]byte(`{"os":`), os, []byte(","))
	usual := fmt.Appendf(nil, `{"version":%d,"from":`, migration.FormatVersion)
	return &message{parts: [][]byte{text}, os: begin, usual: usual, spare: make([]byte, 0, len(text)+len(text)/8)}, nil
}

// follow makes a text of an answer to the one before, about which nobody cares
// any more; false: it may have a member os, so that putting one before it is not enough.
func (m *message) follow(answer []byte) bool {
	if !bytes.HasPrefix(answer, m.usual) {
		return false
	}
	m.spare, m.held = m.held, answer
	m.parts = [][]byte{m.os, answer[len("{"):]}
	return true
}

// prepare starts the migrations in order, one ahead. stop ends those that are not wanted any more.
func (r *runner) prepare() (next <-chan started, stop func()) {
	ready, done := make(chan started), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, step := range r.chain.Steps {
			s := r.start(step)
			select {
			case ready <- s:
			case <-done:
				s.discard()
				return
			}
		}
	})
	return ready, func() {
		close(done)
		wg.Wait()
	}
}

func (r *runner) start(step Step) (s started) {
	if s.program, s.err = step.load(); s.err != nil {
		return s
	}
	if s.foreign, s.err = refmigrate.Is(s.program); s.err == nil && !s.foreign {
		s.process, s.err = r.sandbox.Start(s.program, r.direction().Flag())
	}
	return s
}

func (r *runner) direction() migration.Direction {
	if r.chain.Backward() {
		return migration.Backward
	}
	return migration.Forward
}

func (s started) discard() {
	if s.process != nil {
		s.process.Kill()
	}
	if s.program != nil {
		_ = s.program.Close() // memory that was only read
	}
}

func (r *runner) step(ctx context.Context, step Step, s started, text *message) ([]byte, error) {
	report := api.MigrationStep{Name: step.Name, SHA256: step.SHA256}
	answer, err := r.answer(ctx, step, s, text, &report)
	if err != nil {
		report.Error = err.Error()
	}
	r.report.Steps = append(r.report.Steps, report)
	return answer, err
}

func (r *runner) answer(ctx context.Context, step Step, s started, text *message, report *api.MigrationStep) ([]byte, error) {
	if s.program != nil {
		defer s.program.Close()
	}
	if s.err != nil {
		return nil, fixed("Error loading migration '%s': %w", step.Name, s.err)
	}
	r.missing(s.process.Missing())
	s.process.Reuse(text.spare)
	result, err := s.process.Run(ctx, text.parts...)
	report.Took, report.CPU, report.Message = result.Took, result.CPU, result.Message
	r.tell(step, result.Message)
	return result.Output, failure(step, err)
}

// failure is the error of a migration that has not ended well.
func failure(step Step, err error) error {
	if exit, ok := errors.AsType[*memexec.ExitError](err); ok {
		return fixed("Migration returned '%s' - stderr: %s", exitCode(exit), strings.TrimSpace(exit.Message))
	}
	if err != nil {
		return fmt.Errorf("run migration %s: %w", step.Name, err)
	}
	return nil
}

func exitCode(e *memexec.ExitError) string {
	if e.Code < 0 {
		return "signal"
	}
	return strconv.Itoa(e.Code)
}

// tell puts what a migration said into the log, line by line.
func (r *runner) tell(step Step, message string) {
	for line := range strings.Lines(message) {
		r.log.Info("migration says", "migration", step.Name, "text", strings.TrimSpace(line))
	}
}

// missing notes restrictions that the kernel lacks, once.
func (r *runner) missing(what []string) {
	if len(what) == 0 || len(r.report.Missing) > 0 {
		return
	}
	r.report.Missing = what
	r.log.Warn("migrations run with fewer restrictions than there could be", "missing", strings.Join(what, ", "))
}
