package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/api"
)

// act sends a request whose answer is printed as it is. A server that does not
// offer it says so with a code.
func (a *app) act(ctx context.Context, method, uri string, in any) error {
	var body []byte
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = text
	}
	answer, err := a.client().Request(ctx, method, uri, body)
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code == api.CodeNotImplemented {
		return hinted(wordf(err, "this server does not offer it yet"), "a newer version of the server may; this one is shown by 'apiclient status'")
	}
	if err != nil {
		return requestFailed(method, uri, err)
	}
	return a.printBody([]byte(strings.TrimSuffix(string(answer), "\n")))
}

func newReboot(a *app) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "reboot",
		Short: "reboot the host",
		Long: `Reboots the host, unless something holds that back, which is then named: a program
that has asked systemd to inhibit it, a change of settings that is being tried,
an update that is being written. A change that is being applied is waited for.`,
		Args: noArguments,
		RunE: runE(func(ctx context.Context, _ []string) error {
			mode := api.RebootCareful
			if force {
				mode = api.RebootForce
			}
			if err := a.reboot(ctx, mode); err != nil {
				return failed("Failed to reboot", err)
			}
			return nil
		}),
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "reboot whatever holds it back")
	return c
}

func newExec(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "exec [-t|-T] TARGET COMMAND [ARG…]",
		Short: "run a command in a host container",
		Long: `Runs a command in the host container TARGET. Options after TARGET's command
belong to the command; "--" may stand before it.`,
		Example: "  apiclient exec admin bash\n  apiclient exec -T control -- cat /etc/os-release",
		Args:    cobra.ArbitraryArgs,
		RunE: runE(func(ctx context.Context, args []string) error {
			if err := checkExec(args); err != nil {
				return err
			}
			if err := a.act(ctx, http.MethodGet, "/exec", nil); err != nil {
				return failed("Failed to exec", err)
			}
			return nil
		}),
	}
	c.Flags().SetInterspersed(false)
	c.Flags().BoolP("tty", "t", false, "give the command a terminal (default: when there is one here)")
	c.Flags().BoolP("no-tty", "T", false, "give the command no terminal")
	return c
}

// checkExec allows the options between the target and the command too.
func checkExec(args []string) error {
	if len(args) == 0 {
		return usagef("Missing required argument 'target'")
	}
	command := args[1:]
	for len(command) > 0 && slices.Contains([]string{"-t", "--tty", "-T", "--no-tty"}, command[0]) {
		command = command[1:]
	}
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return usagef("Must specify a command for 'exec' to run.")
	}
	return nil
}

func newReport(a *app) *cobra.Command {
	return family(&cobra.Command{Use: "report COMMAND", Short: "check the host against a benchmark"},
		reportCommand(a, "cis", "the CIS benchmark of the host", "/report/cis", "bottlerocket", true),
		reportCommand(a, "cis-k8s", "the CIS benchmark of Kubernetes", "/report/cis", "kubernetes", true),
		reportCommand(a, "fips", "the checks of FIPS 140", "/report/fips", "", false),
	)
}

func reportCommand(a *app, name, short, uri, kind string, levels bool) *cobra.Command {
	var format, level string
	c := &cobra.Command{Use: name, Short: short, Args: noArguments}
	c.Flags().StringVarP(&format, "format", "f", "", "`FORMAT` of the report: text or json")
	if levels {
		c.Flags().StringVarP(&level, "level", "l", "", "level `N` of the benchmark: 1 or 2")
	}
	c.RunE = runE(func(ctx context.Context, _ []string) error {
		if _, err := strconv.ParseInt(level, 10, 32); err != nil && level != "" {
			return usagef("Level must be a number, given '%s'", level)
		}
		if err := a.act(ctx, http.MethodGet, reportURI(uri, kind, format, level), nil); err != nil {
			return failed("Failed to get report", err)
		}
		return nil
	})
	return c
}

func reportURI(uri, kind, format, level string) string {
	v := url.Values{}
	for name, value := range map[string]string{"type": kind, "format": format, "level": level} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return strings.TrimSuffix(uri+"?"+v.Encode(), "?")
}

// storageFailed is what the reference says for every command of the family.
const storageFailed = "Failed to initialize ephemeral storage"

func newEphemeralStorage(a *app) *cobra.Command {
	return family(&cobra.Command{Use: "ephemeral-storage COMMAND", Short: "use the disks that come with an instance"},
		newStorageInit(a), newStorageBind(a),
		storageList(a, "list-disks", "list the disks"),
		storageList(a, "list-dirs", "list the folders that can be bound"),
	)
}

func newStorageInit(a *app) *cobra.Command {
	var filesystem string
	var disks []string
	c := &cobra.Command{Use: "init [-t FILESYSTEM] [--disks DISK…]", Short: "format the disks", Args: cobra.ArbitraryArgs}
	c.Flags().StringVarP(&filesystem, "filesystem", "t", "", "`FILESYSTEM`: ext4 or xfs (default xfs)")
	c.Flags().StringArrayVar(&disks, "disks", nil, "the `DISK…`, all words up to the next option (default all)")
	c.RunE = runE(func(ctx context.Context, args []string) error {
		body := map[string]any{"filesystem": nil, "disks": nil}
		if filesystem != "" {
			name, ok := map[string]string{"ext4": "Ext4", "xfs": "Xfs"}[filesystem]
			if !ok {
				return usagef("Unknown filesystem '%s'", filesystem)
			}
			body["filesystem"] = name
		}
		words, err := listed(disks, args)
		if err != nil {
			return err
		}
		if words != nil {
			body["disks"] = words
		}
		return a.storage(ctx, http.MethodPost, "init", body)
	})
	return c
}

func newStorageBind(a *app) *cobra.Command {
	var dirs []string
	c := &cobra.Command{Use: "bind --dirs DIR…", Short: "put folders of the host on the disks", Args: cobra.ArbitraryArgs}
	c.Flags().StringArrayVar(&dirs, "dirs", nil, "the folders `DIR…`, all words up to the next option")
	c.RunE = runE(func(ctx context.Context, args []string) error {
		words, err := listed(dirs, args)
		if err != nil {
			return err
		}
		if words == nil {
			return usagef("Did not specify directories with --dirs")
		}
		return a.storage(ctx, http.MethodPost, "bind", map[string]any{"targets": words})
	})
	return c
}

// listed joins the word after an option with those that follow it.
func listed(option, args []string) ([]string, error) {
	if len(option) == 0 && len(args) > 0 {
		return nil, usagef("Unknown arguments: %s", strings.Join(args, ", "))
	}
	return append(option, args...), nil
}

func storageList(a *app, name, short string) *cobra.Command {
	var format string
	c := &cobra.Command{Use: name, Short: short, Args: noArguments}
	c.Flags().StringVarP(&format, "format", "f", "", "`FORMAT` of the list: text or json")
	c.RunE = runE(func(ctx context.Context, _ []string) error {
		return a.storage(ctx, http.MethodGet, reportURI(name, "", format, ""), nil)
	})
	return c
}

func (a *app) storage(ctx context.Context, method, what string, body map[string]any) error {
	var in any
	if body != nil {
		in = body
	}
	if err := a.act(ctx, method, "/actions/ephemeral-storage/"+what, in); err != nil {
		return failed(storageFailed, err)
	}
	return nil
}
