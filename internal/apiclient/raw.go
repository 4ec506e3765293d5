package apiclient

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
)

const rawHelp = `Sends one request to the API and prints the body of the answer.

The URI is sent as it is given, path and query: encode what needs encoding.`

type rawOptions struct{ uri, method, data string }

func newRaw(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "raw -u URI [-m METHOD] [-d DATA]",
		Short:   "send any request",
		Long:    rawHelp,
		Example: "  apiclient raw -u /settings?keys=settings.motd\n  apiclient raw -m PATCH -u /settings?tx=mine -d '{\"motd\": \"hi\"}'",
		Args:    cobra.ArbitraryArgs,
	}
	addRawFlags(a, c)
	return c
}

// addRawFlags makes c the command raw: its options and what it runs. The root
// command has it too, for command lines without a command.
func addRawFlags(a *app, c *cobra.Command) {
	var o rawOptions
	f := c.Flags()
	f.StringVarP(&o.uri, "uri", "u", "", "`URI` of the request: path and query, such as /os")
	f.StringVarP(&o.method, "method", "m", http.MethodGet, "`METHOD` of the request")
	f.StringVarP(&o.method, "request", "X", http.MethodGet, "the same as --method")
	f.StringVarP(&o.data, "data", "d", "", "body of the request: `JSON` for this API")
	f.Lookup("request").Hidden = true
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			e := usagef("Unknown argument '%s'", args[0])
			e.hint = suggestion(c, args)
			return e
		}
		return a.raw(c.Context(), o)
	}
}

func (a *app) raw(ctx context.Context, o rawOptions) error {
	if o.uri == "" {
		return usagef("Missing required argument '--uri'")
	}
	resp, err := a.client().Raw(ctx, o.method, o.uri, []byte(o.data))
	if err == nil {
		err = resp.Check(o.method, o.uri)
	}
	if err != nil {
		return requestFailed(o.method, o.uri, err)
	}
	if a.verbose {
		fmt.Fprintf(a.Err, "%d %s\n", resp.Status, http.StatusText(resp.Status))
	}
	return a.printBody(resp.Body)
}

func (a *app) printBody(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(cli.JSON(a.Out), "%s\n", body)
	return err
}
