package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
)

// sentView is what post prints for each message.
type sentView struct {
	Channel envelope.ChannelID `json:"channel"`
	session.Sent
}

// said is one message to post: a line of a --from file, or the command's own.
type utterance struct {
	Text  string   `json:"text"`
	Files []string `json:"files,omitempty"` // paths
}

// posting is what post is told.
type posting struct {
	from         string
	attach       []string
	edit, delete uint64
}

func postCmd(a *app) *cobra.Command {
	var in posting
	cmd := &cobra.Command{
		Use: "post CHANNEL [TEXT…]", Short: "Seal and send messages", Args: cobra.MinimumNArgs(1),
		Long: "Without TEXT the message is standard input. --from posts each line of a file; in a .jsonl file each line is {\"text\": …, \"files\": [paths]}.",
		Example: "  chancery post trading/fx-desk good morning\n  chancery post fx-desk --attach report.pdf 'the report'\n" +
			"  chancery post fx-desk --edit 42 'what I meant'\n  chancery post fx-desk --from talk.jsonl",
		RunE: a.withChannel(func(ctx context.Context, _ *session.Session, c *session.Channel, text []string) error {
			return a.post(ctx, c, in, text)
		}),
	}
	cmd.Flags().StringVar(&in.from, "from", "", "post each line of this file; - is standard input")
	cmd.Flags().StringArrayVar(&in.attach, "attach", nil, "attach a file; may be repeated")
	cmd.Flags().Uint64Var(&in.edit, "edit", 0, "replace the text of your message at this position")
	cmd.Flags().Uint64Var(&in.delete, "delete", 0, "take the message at this position out of view")
	cmd.MarkFlagsMutuallyExclusive("from", "edit", "delete")
	cmd.MarkFlagsMutuallyExclusive("from", "attach")
	return cmd
}

func (a *app) post(ctx context.Context, c *session.Channel, in posting, words []string) error {
	if in.from != "" {
		return a.postAll(ctx, c, in.from)
	}
	d := session.Draft{Kind: envelope.Post}
	var err error
	switch {
	case in.delete > 0:
		d.Kind = envelope.Delete
		d.Target, err = c.Target(ctx, in.delete, d.Kind)
	case in.edit > 0:
		d.Kind = envelope.Edit
		d.Target, err = c.Target(ctx, in.edit, d.Kind)
	}
	if err != nil {
		return err
	}
	u := utterance{Text: strings.Join(words, " ")}
	for _, f := range in.attach {
		u.Files = append(u.Files, a.path(f))
	}
	if len(words) == 0 && d.Kind != envelope.Delete && len(u.Files) == 0 {
		if u.Text, err = a.text(); err != nil {
			return err
		}
	}
	return a.utter(ctx, c, d, u)
}

// text reads a message from standard input; one newline at its end is the
// terminal's, not the writer's.
func (a *app) text() (string, error) {
	b, err := io.ReadAll(io.LimitReader(a.in, 1<<20))
	if err != nil {
		return "", fmt.Errorf("reading the message: %w", err)
	}
	return strings.TrimSuffix(string(b), "\n"), nil
}

func (a *app) utter(ctx context.Context, c *session.Channel, d session.Draft, u utterance) error {
	d.Text = u.Text
	for _, f := range u.Files {
		up, err := c.Upload(ctx, f)
		if err != nil {
			return err
		}
		d.Files = append(d.Files, *up)
	}
	sent, err := c.Post(ctx, d)
	if err != nil {
		return err
	}
	return a.said(sentView{c.ID(), *sent}, "%d", sent.Position)
}

// maxLine is the longest line of a --from file, in bytes.
const maxLine = 1 << 20

// postAll posts line after line, so that they stand in the file's order.
func (a *app) postAll(ctx context.Context, c *session.Channel, from string) error {
	src := a.in
	if from != "-" {
		f, err := os.Open(a.path(from))
		if err != nil {
			return fmt.Errorf("reading messages: %w", err)
		}
		defer f.Close()
		src = f
	}
	lines := bufio.NewScanner(src)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		u, err := a.line(lines.Bytes(), strings.HasSuffix(from, ".jsonl"))
		if err == nil {
			err = a.utter(ctx, c, session.Draft{Kind: envelope.Post}, u)
		}
		if err != nil {
			return fmt.Errorf("line %d of %s: %w", n, from, err)
		}
	}
	return lines.Err()
}

func (a *app) line(b []byte, structured bool) (u utterance, err error) {
	if !structured {
		return utterance{Text: string(b)}, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&u); err != nil {
		return u, &usageError{err}
	}
	if d.More() {
		return u, &usageError{errors.New("more than one JSON value")}
	}
	for i, f := range u.Files {
		u.Files[i] = a.path(f)
	}
	return u, nil
}
