package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const envPrefix = "CHANCERY_RECORDER_"

// settle fills in the flags that were not given: from the environment, then from
// the file that --config names. Every setting of the file must be a flag.
func settle(c *cobra.Command) error {
	flags := c.Flags()
	if err := fromEnvironment(flags); err != nil {
		return err
	}
	path, err := flags.GetString("config")
	if err != nil || path == "" {
		return err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return usage("reading configuration: %w", err)
	}
	if err := fromFile(c, b); err != nil {
		return usage("reading configuration %s: %w", path, err)
	}
	return nil
}

func fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value, ok := os.LookupEnv(name); ok && !f.Changed {
			if err := flags.Set(f.Name, value); err != nil {
				errs = append(errs, usage("%s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// fromFile takes a YAML mapping of settings to plain values. One file may serve
// all commands, so a setting of another command is passed over.
func fromFile(c *cobra.Command, b []byte) error {
	var file map[string]string
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for key, value := range file {
		name := strings.ReplaceAll(key, "_", "-")
		if !isSetting(c, name) {
			return fmt.Errorf("setting %q is not known", key)
		}
		if f := c.Flags().Lookup(name); f == nil || f.Changed {
			continue
		}
		if err := c.Flags().Set(name, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// isSetting tells whether any command has the flag.
func isSetting(c *cobra.Command, name string) bool {
	if name == "config" || name == "help" {
		return false
	}
	return slices.ContainsFunc(c.Parent().Commands(), func(c *cobra.Command) bool { return c.Flags().Lookup(name) != nil })
}

// require names the first setting that is missing.
func require(settings map[string]string) error {
	for name, value := range settings {
		if value == "" {
			return usage("--%s is missing (or %s%s, or %q in the configuration)", name,
				envPrefix, strings.ToUpper(strings.ReplaceAll(name, "-", "_")), strings.ReplaceAll(name, "-", "_"))
		}
	}
	return nil
}
