package client_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hostler-os/hostler/internal/api"
	"github.com/hostler-os/hostler/internal/api/client"
)

// TestReboot: a server that dies of the reboot that it was asked for is no error.
func TestReboot(t *testing.T) {
	const ok, no = "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nheld"
	for name, test := range map[string]struct {
		answers []string // in turn; then there is no server any more
		want    string
	}{
		"answers":                          {[]string{ok}, ""},
		"dies":                             {[]string{""}, ""},
		"dies in the midst of its answer":  {[]string{"HTTP/1.1 204 N"}, ""},
		"dies of something else":           {[]string{"", ok}, ""},
		"holds it back when it is back":    {[]string{"", no}, "held"},
		"dies of the question, every time": {[]string{"", "", "", "", "", "", ""}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			c := &client.Client{}
			*c = *serveRaw(t, func(conn net.Conn) {
				n := int(asked.Add(1))
				if n == len(test.answers) {
					_ = os.Remove(c.Socket)
				}
				_, _ = conn.Write([]byte(test.answers[n-1]))
			})
			err := c.Reboot(t.Context(), api.RebootCareful)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	err := (&client.Client{Socket: t.TempDir() + "/none"}).Reboot(t.Context(), api.RebootCareful)
	if _, nobody := errors.AsType[*client.ConnectError](err); !nobody {
		t.Errorf("where there was no server: %v", err)
	}
}
