package main

import (
	"context"
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
	cmd := &cobra.Command{
		Use: "get CHANNEL POSITION", Short: "Download, verify and open an attachment", Args: cobra.ExactArgs(2),
		RunE: a.withChannel(func(ctx context.Context, _ *session.Session, c *session.Channel, args []string) error {
			position, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return &usageError{err}
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
	cmd.Flags().IntVar(&index, "index", 0, "which attachment of the message, from 0")
	return cmd
}

// target is where a download goes. The sender's name for it is only a last
// part of a path, never a hidden file or a directory.
func (a *app) target(out, name string) string {
	if out != "" {
		return a.path(out)
	}
	if name == "" || name[0] == '.' || name == string(filepath.Separator) {
		name = "file" + name
	}
	return a.path(filepath.Base(name))
}
