package pubsys

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hostler-os/hostler/internal/cli"
	"github.com/hostler-os/hostler/internal/cli/clihelp"
	"github.com/hostler-os/hostler/internal/tufrepo/signer"
)

const keysHelp = `Make keys, and show what there is to know of them.

Wherever a command takes a key, it is named by one of these:

  keys/release.pem    a private key in a PEM file: PKCS #8, PKCS #1 or SEC 1, not
                      encrypted. ed25519, ECDSA on P-256, or RSA from 2048 bits on
  keys/release.toml   a command that signs; the file says
                        command = ["kms-sign", "--key", "release"]
                        public-key = "release.pub"
                        time-limit = "1m"
                      It gets the bytes on standard input, answers the raw
                      signature on standard output, and is run in the file's folder
  pkcs11:token=T;object=L?module-path=/usr/lib/LIBRARY.so&pin-source=file:PIN
                      an ECDSA or RSA key in a token (RFC 7512), by way of
                      pkcs11-tool; without pin-source it asks for the PIN

Where only the public part is needed, a public key in PEM does as well.`

func (a *app) keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "keys COMMAND", Short: "make and show keys", Long: keysHelp, Args: cobra.ArbitraryArgs, RunE: clihelp.NoCommand,
	}
	c.AddCommand(a.keysNew(), a.keysShow())
	return c
}

func (a *app) keysNew() *cobra.Command {
	var kind string
	c := &cobra.Command{
		Use: "new FILE…", Short: "make keys: FILE.pem is private, FILE.pub public",
		Long: `Make keys. FILE.pem is readable by its owner alone, and FILE.pub can be given to
whoever puts the key into a root. Files that exist are never replaced.`,
		Example: "  pubsys keys new keys/root-1.pem keys/root-2.pem\n  pubsys keys new --type rsa keys/release.pem",
		Args:    arguments(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, path := range args {
				key, err := signer.Generate(a.fs, kind, path)
				if err != nil {
					return err
				}
				if err := a.printKey(path, key); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&kind, "type", "ed25519", fmt.Sprintf("`KIND` of key, one of %v", signer.Kinds()))
	c.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(signer.Kinds(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) printKey(source string, key signer.Key) error {
	id, err := key.ID()
	if err == nil {
		a.printf("%s  %-11s  %s\n", id, key.Kind(), source)
	}
	return err
}

// keyView is a key as -o json shows it.
type keyView struct {
	ID      string     `json:"id"`
	Source  string     `json:"source"`
	Key     signer.Key `json:"-"`
	Keytype string     `json:"keytype"`
	Scheme  string     `json:"scheme"`
	Public  string     `json:"public"`
}

func (a *app) keysShow() *cobra.Command {
	format := cli.FormatTable
	var inPEM bool
	c := &cobra.Command{
		Use: "show KEY…", Short: "show ids and kinds of keys",
		Long: `Show what metadata says of keys. The id is the one that root metadata has. --pem
prints the public keys for whoever makes a root, such as those of a token.`,
		Example: "  pubsys keys show keys/root-1.pub\n  pubsys keys show -o json 'pkcs11:token=release;object=root?module-path=/usr/lib/softhsm/libsofthsm2.so'",
		Args:    arguments(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			views := []keyView{}
			for _, source := range args {
				key, err := signer.Public(c.Context(), signer.Source(source))
				if err != nil {
					return err
				}
				id, err := key.ID()
				if err != nil {
					return err
				}
				if inPEM {
					text, err := key.PEM()
					if err != nil {
						return err
					}
					a.printf("%s", text)
					continue
				}
				views = append(views, keyView{id, source, key, key.Type, key.Scheme, key.Value.Public})
			}
			if format != cli.FormatTable && !inPEM {
				return format.Print(a.Out, views, nil)
			}
			for _, v := range views {
				if err := a.printKey(v.Source, v.Key); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&inPEM, "pem", false, "print the public keys in PEM")
	clihelp.Output(c, &format)
	return c
}
