package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/config"
)

// key serves quadrate key: it makes API keys, of which the configuration keeps only hashes.
func key(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("quadrate key new", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.Usage = func() {
		fmt.Fprint(stdout, `Usage: quadrate key new [-name NAME] [-models PATTERN,...] [-limits CLASS] [-expires DATE] [-admin]

Prints a new API key, once, and its entry for the keys of auth.yaml, which has only its hash.

`)
		flags.PrintDefaults()
	}
	name := flags.String("name", "", "the key's `NAME` in logs and metrics")
	models := flags.String("models", "*", "names of the models it may use, separated by commas; * stands for any characters")
	limits := flags.String("limits", "", "its `CLASS` in rate_limits.yaml")
	expires := flags.String("expires", "", "when it ends, as 2027-01-31 or 2027-01-31T12:00:00Z")
	admin := flags.Bool("admin", false, "it may use the /admin routes")
	if len(args) == 0 || args[0] != "new" {
		flags.Usage()
		return errUsage
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stdout, "unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return errUsage
	}
	secret, hash, err := auth.Generate()
	if err != nil {
		return err
	}
	if *name == "" {
		*name = "key-" + strings.TrimPrefix(hash, "sha256:")[:8]
	}
	if err := checkKey(*name, hash, *models, *expires); err != nil {
		fmt.Fprintln(stdout, err)
		return errUsage
	}
	fmt.Fprintf(stdout, "%s\n\nThe key is above; it is not shown again. This goes below keys: in auth.yaml, where anonymous.enabled: false refuses callers without a key:\n\n", secret)
	fmt.Fprintf(stdout, "  - name: %s\n    hash: %s\n", strconv.Quote(*name), hash)
	fmt.Fprintf(stdout, "    models: [%s]\n", quoted(*models))
	for _, line := range []struct{ key, value string }{{"limits", *limits}, {"expires", *expires}} {
		if line.value != "" {
			fmt.Fprintf(stdout, "    %s: %s\n", line.key, strconv.Quote(line.value))
		}
	}
	if *admin {
		fmt.Fprint(stdout, "    admin: true\n")
	}
	return nil
}

// checkKey refuses what auth.yaml would be refused for.
func checkKey(name, hash, models, expires string) error {
	if len(words(models)) == 0 {
		return errors.New(`-models is empty: name models, or * for all`)
	}
	if (config.Key{Expires: expires}).ExpiresAt().IsZero() && expires != "" {
		return fmt.Errorf("-expires: %q is not a day, such as 2027-01-31, or a time, such as 2027-01-31T12:00:00Z", expires)
	}
	_, err := auth.New([]auth.Key{{Name: name, Hash: hash}}, auth.Anonymous{})
	return err
}

func words(list string) []string {
	var found []string
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			found = append(found, word)
		}
	}
	return found
}

func quoted(list string) string {
	found := words(list)
	for i, word := range found {
		found[i] = strconv.Quote(word)
	}
	return strings.Join(found, ", ")
}
