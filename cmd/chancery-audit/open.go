package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"chancery/compliance/archive"
	"chancery/compliance/convert"
)

// openFlags are what every command needs that opens an archive.
type openFlags struct {
	trustFlags
	slip, identity, passphrase, out string
}

func (o *openFlags) add(c *cobra.Command) {
	o.trustFlags.add(c)
	c.Flags().StringVar(&o.slip, "slip", "", "key slip of the archive")
	c.Flags().StringVar(&o.identity, "identity", "", "auditor's key: a file that only its owner may read, or a keyring directory")
	c.Flags().StringVar(&o.passphrase, "passphrase-file", "", "file with the keyring's passphrase")
}

func (o *openFlags) opener() (archive.Trust, *opener, error) {
	trust, err := o.trust()
	if err != nil {
		return trust, nil, err
	}
	if o.slip == "" || o.identity == "" {
		return trust, nil, usage{errors.New("--slip and --identity are needed")}
	}
	id, err := loadIdentity(o.identity, o.passphrase)
	if err != nil {
		return trust, nil, err
	}
	op, err := openSlip(o.slip, id, trust)
	return trust, op, err
}

func newOpen() *cobra.Command {
	var o openFlags
	c := &cobra.Command{
		Use:   "open DIR --out OUT",
		Short: "Verify an archive and write its messages and files in clear",
		Long: `Verify an archive on all nine rungs and write what it holds in clear: OUT/messages.jsonl
and OUT/files/<file id>. OUT must not exist, and appears only if everything verifies.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.out == "" {
				return usage{errors.New("--out is needed")}
			}
			r, err := o.open(args[0])
			if err != nil {
				return err
			}
			return tell(c.OutOrStdout(), []named{{Dir: args[0], Report: r}}, false)
		},
	}
	o.add(c)
	c.Flags().StringVar(&o.out, "out", "", "new directory for what is opened")
	return c
}

// open writes to a directory beside out, which gets its name at the end: what
// did not verify must not be taken for what did.
func (o *openFlags) open(dir string) (*archive.Report, error) {
	trust, op, err := o.opener()
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(o.out); err == nil {
		return nil, usage{fmt.Errorf("%s exists already", o.out)}
	}
	partial := filepath.Clean(o.out) + ".partial"
	if err := os.Mkdir(partial, 0o700); err != nil {
		return nil, usage{err}
	}
	if err := os.Mkdir(filepath.Join(partial, "files"), 0o700); err != nil {
		return nil, err
	}
	r, err := openInto(partial, dir, trust, op)
	if err != nil || r.Err != nil {
		return r, errors.Join(err, os.RemoveAll(partial))
	}
	return r, os.Rename(partial, o.out)
}

func openInto(partial, dir string, trust archive.Trust, op *opener) (*archive.Report, error) {
	f, err := os.OpenFile(filepath.Join(partial, "messages.jsonl"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	r, err := read(dir, trust, op, f, func(m *archive.Message, i int) (io.WriteCloser, error) {
		// The id is ours; the name that the sender chose could lead anywhere.
		name := m.Header.Attachments[i].ID.String()
		return os.OpenFile(filepath.Join(partial, "files", name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	})
	return r, errors.Join(err, f.Sync(), f.Close())
}

// read climbs all rungs and converts on the way.
func read(dir string, trust archive.Trust, op *opener, dst io.Writer, file func(*archive.Message, int) (io.WriteCloser, error)) (*archive.Report, error) {
	bag, done, err := openBag(dir)
	if err != nil {
		return nil, err
	}
	j := convert.NewJSONL(dst)
	r := archive.NewVerifier(trust).Verify(bag, &archive.Reading{Opener: op, Message: j.Message, File: file})
	return r, errors.Join(j.Close(), done())
}

func newConvert() *cobra.Command {
	var o openFlags
	var format string
	c := &cobra.Command{
		Use:   "convert DIR --out FILE",
		Short: "Verify an archive and write its messages in another format",
		Args:  exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "jsonl" || o.out == "" {
				return usage{fmt.Errorf("--out is needed, and the only format is jsonl, not %q", format)}
			}
			r, err := o.convert(args[0])
			if err != nil {
				return err
			}
			return tell(c.OutOrStdout(), []named{{Dir: args[0], Report: r}}, false)
		},
	}
	o.add(c)
	c.Flags().StringVar(&format, "format", "jsonl", "output format")
	c.Flags().StringVar(&o.out, "out", "", "new file for the messages")
	return c
}

func (o *openFlags) convert(dir string) (*archive.Report, error) {
	trust, op, err := o.opener()
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(o.out); err == nil {
		return nil, usage{fmt.Errorf("%s exists already", o.out)}
	}
	partial := o.out + ".partial"
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, usage{err}
	}
	r, err := read(dir, trust, op, f, nil)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil || r.Err != nil {
		return r, errors.Join(err, os.Remove(partial))
	}
	return r, os.Rename(partial, o.out)
}
