package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"

	"github.com/hostler-os/hostler/internal/api"
)

// A Rebooter starts the reboot of the host, in one of the modes of package api,
// and returns once that is accepted.
type Rebooter func(ctx context.Context, mode string) error

// rebootCommand is what reboots a host. systemd lets inhibitors hold it back,
// unless it is forced.
func rebootCommand(force bool) []string {
	check := map[bool]string{false: "yes", true: "no"}[force]
	return []string{"/usr/bin/systemctl", "reboot", "--check-inhibitors=" + check}
}

// RebootLine is the same as one line, for sandboxes that only record it.
func RebootLine(force bool) string { return strings.Join(rebootCommand(force), " ") }

// SystemReboot reboots the running host.
func SystemReboot(ctx context.Context, force bool) error {
	line := rebootCommand(force)
	c := exec.CommandContext(ctx, line[0], line[1:]...)
	var stderr strings.Builder
	c.Stderr = &stderr
	err := c.Run()
	exit := new(exec.ExitError)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return rebootFailed(exitCode(exit), strings.TrimSpace(stderr.String()))
	}
	return &api.Error{Code: api.CodeInternal, Message: fmt.Sprintf("Unable to start shutdown: %v", err)}
}

func rebootFailed(code int, stderr string) error {
	return &api.Error{
		Code:    api.CodeInternal,
		Message: fmt.Sprintf("Failed to reboot, exit code: %d, stderr: %s", code, stderr),
		Hint:    "an inhibitor may hold the reboot back: systemd-inhibit --list",
	}
}

// exitCode is the exit code, or the signal that ended the command, or 1.
func exitCode(e *exec.ExitError) int {
	status, ok := e.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Exited():
		return status.ExitStatus()
	case ok && status.Signaled():
		return int(status.Signal())
	}
	return 1
}

func (s *Server) reboot(w http.ResponseWriter, r *http.Request) error {
	mode := parseQuery(r.URL.RawQuery)["mode"]
	if err := s.Reboot(context.WithoutCancel(r.Context()), mode); err != nil {
		return err
	}
	s.Log.Info("rebooting", "uid", connOf(r).identity.UID, "mode", mode)
	return noContent(w)
}

// later answers the reference's routes that this version does not serve yet.
func (s *Server) later(_ http.ResponseWriter, r *http.Request) error {
	return &api.Error{
		Code:    api.CodeNotImplemented,
		Message: fmt.Sprintf("%s %s is not served by this version", r.Method, r.URL.Path),
		Hint:    "docs/compatibility.md lists what is served",
	}
}
