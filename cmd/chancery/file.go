package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client/session"
)

func fileCmd(a *app) *cobra.Command {
	return noun("file", "Sealed files", fileGetCmd(a))
}

func fileGetCmd(a *app) *cobra.Command {
	var out string
	var index int
	var part byteRange
	cmd := &cobra.Command{
		Use: "get CHANNEL POSITION", Short: "Download, verify and open an attachment", Args: cobra.ExactArgs(2),
		Long: "A download that broke off goes on where it was. --offset and --length fetch and verify only that part, to standard output or to --out.",
		RunE: a.withChannel(func(ctx context.Context, _ *session.Session, c *session.Channel, args []string) error {
			position, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return &usageError{err}
			}
			if part.asked() {
				return a.filePart(ctx, c, position, index, part, out)
			}
			var path string
			f, err := c.Download(ctx, position, index, func(name string) string {
				path = a.target(out, name)
				return path
			})
			if err != nil {
				return err
			}
			return a.said(map[string]any{"file": f, "path": path}, "%s, %d bytes", path, f.Size)
		}),
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "where to write it (default: its own name, here)")
	cmd.Flags().Uint64Var(&part.offset, "offset", 0, "from this byte on")
	cmd.Flags().Uint64Var(&part.length, "length", 0, "at most this many bytes")
	cmd.Flags().IntVar(&index, "index", 0, "which attachment of the message, from 0")
	return cmd
}

// byteRange is a part of a file; a length of 0 goes to its end.
type byteRange struct{ offset, length uint64 }

func (r byteRange) asked() bool { return r != byteRange{} }

func (a *app) filePart(ctx context.Context, c *session.Channel, position uint64, index int, r byteRange, out string) error {
	if r.length == 0 {
		r.length = math.MaxUint64
	}
	if out == "" {
		_, err := c.ReadRange(ctx, position, index, r.offset, r.length, a.out)
		return err
	}
	f, err := os.OpenFile(a.path(out), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("writing a part of a file: %w", err)
	}
	_, err = c.ReadRange(ctx, position, index, r.offset, r.length, f)
	return errors.Join(err, f.Close())
}

// target is where a download goes. The sender's name for it is only a last
// part of a path, never a hidden file or a directory.
func (a *app) target(out, name string) string {
	if out != "" {
		return a.path(out)
	}
	last := filepath.Base(string(filepath.Separator) + name)
	if last[0] == '.' || last[0] == filepath.Separator {
		last = filepath.Base("file" + last)
	}
	return a.path(last)
}
