package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/crypto/approval"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

// usageError is about the command line itself.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// hint is an error with the command that helps.
type hint struct {
	err  error
	next string
}

func (h *hint) Error() string { return h.err.Error() }
func (h *hint) Unwrap() error { return h.err }

// exited is the end of a command that ran in the agent and has said all.
type exited struct{ code int }

func (e *exited) Error() string { return fmt.Sprintf("exit %d", e.code) }

// betweenDevices is what to do when two devices of one person don't agree.
const betweenDevices = "if you typed it right, somebody may stand between your devices: nothing was taken in; tell your administrator before you try again"

// exits maps errors that are not the server's to exit codes, the first that
// fits. Remedies go with them.
var exits = []struct {
	err  error
	code int
	next string
}{
	{client.ErrUnavailable, client.ExitUnavailable, ""},
	{client.ErrServer, client.ExitUsage, ""},
	{session.ErrQueued, client.ExitUnavailable, "run the command again later: the message goes first, unchanged"},
	{session.ErrNoAcknowledgement, client.ExitUnavailable, "chancery channel show CHANNEL"},
	{session.ErrUncovered, client.ExitUnavailable, "chancery channel show CHANNEL"},
	{session.ErrStale, client.ExitUnavailable, "chancery channel show CHANNEL"},
	{session.ErrForked, client.ExitVerify, "nothing more is sent or shown here: give both states to who holds the organisation's root; after a restore: chancery org restore"},
	{session.ErrNotCaptured, client.ExitUnavailable, "try again in a moment"},
	{session.ErrNotEnrolled, client.ExitDenied, "chancery device enroll"},
	{session.ErrAccount, client.ExitDenied, "chancery agent stop"},
	{session.ErrNotMember, client.ExitDenied, "chancery channel join CHANNEL"},
	{session.ErrNotAuthor, client.ExitDenied, ""},
	{session.ErrNoMessage, client.ExitNotFound, "chancery tail CHANNEL"},
	{session.ErrOrg, client.ExitVerify, ""},
	{session.ErrRollback, client.ExitVerify, "ask who holds the organisation's root: chancery channel restore"},
	{session.ErrCoverage, client.ExitVerify, "chancery channel show CHANNEL; compliance and legal rule on it: chancery dispute rule"},
	{session.ErrClock, client.ExitVerify, "compare this device's clock and the server's with a third; set the one that is wrong, then chancery agent stop and start"},
	{session.ErrAnswer, client.ExitVerify, ""},
	{envelope.ErrSignature, client.ExitVerify, ""},
	{envelope.ErrFormat, client.ExitVerify, ""},
	{seal.ErrFile, client.ExitVerify, ""},
	{seal.ErrWrap, client.ExitVerify, ""},
	{seal.ErrContext, client.ExitVerify, ""},
	{approval.ErrCode, client.ExitVerify, betweenDevices},
	{approval.ErrCommitment, client.ExitVerify, betweenDevices},
	{approval.ErrProof, client.ExitVerify, betweenDevices},
	{session.ErrOtherChain, client.ExitVerify, betweenDevices},
	{seal.ErrKit, client.ExitUsage, "type all fourteen groups, or --kit FILE"},
	{session.ErrNoKit, client.ExitNotFound, "chancery recovery create, from a device that you have"},
	{session.ErrOtherKit, client.ExitDenied, "look for the newest kit; from a device that you have: chancery recovery create"},
	{session.ErrNoSuchDevice, client.ExitNotFound, "chancery device list"},
	{session.ErrTried, client.ExitConflict, "chancery device enroll, on the new device, asks anew"},
	{session.ErrTurnedDown, client.ExitDenied, ""},
	{session.ErrChainGrew, client.ExitConflict, "chancery device enroll, on the new device, asks anew"},
	{session.ErrProposalOver, client.ExitUnavailable, "chancery device enroll, on the new device, asks anew"},
	{session.ErrNoProposal, client.ExitNotFound, "chancery device enroll, on the new device, asks anew"},
	{keyring.ErrPassphrase, client.ExitDenied, ""},
	{keyring.ErrMode, client.ExitDenied, "chmod go= on it"},
	{keyring.ErrLocked, client.ExitConflict, "chancery agent status"},
	{keyring.ErrExists, client.ExitConflict, ""},
	{errNotFound, client.ExitNotFound, ""},
	{errAmbiguous, client.ExitConflict, ""},
	{errSignedOut, client.ExitDenied, ""},
}

// What people get wrong or have not done yet.
var (
	errNotFound  = errors.New("not found")
	errAmbiguous = errors.New("more than one fits")
	errSignedOut = errors.New("you are not signed in")
)

// classify finds an error's exit code and the command that may help.
func classify(err error) (code int, next string) {
	if h, ok := errors.AsType[*hint](err); ok {
		next = h.next
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return client.ExitUsage, next
	}
	if p, ok := errors.AsType[*client.Problem](err); ok {
		if p.Status == 401 && p.Next == "" {
			p.Next = "chancery login"
		}
		return p.Exit(), p.Next
	}
	if _, ok := errors.AsType[*session.Refused](err); ok {
		return client.ExitConflict, next
	}
	if r, ok := errors.AsType[*session.Rollback](err); ok {
		return client.ExitVerify, fmt.Sprintf("give this to who holds the organisation's root, who asks every device: chancery channel restore %s --confirmed %d:%s",
			r.Channel, r.Confirmed.Position, r.Confirmed.Hash)
	}
	for _, x := range exits {
		if errors.Is(err, x.err) {
			if next == "" {
				next = x.next
			}
			return x.code, next
		}
	}
	if chain.ReasonOf(err) != "" {
		return client.ExitVerify, next
	}
	return client.ExitFailure, next
}

// report says what went wrong, on which object, and what to do next.
func (a *app) report(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exited](err); ok {
		return e.code
	}
	code, next := classify(err)
	if a.flags.json {
		fault := struct {
			Detail string `json:"detail"`
			Code   string `json:"code,omitempty"`
			Next   string `json:"next,omitempty"`
			Exit   int    `json:"exit"`
		}{err.Error(), codeOf(err), next, code}
		if b, err := json.Marshal(fault); err == nil {
			fmt.Fprintln(a.err, string(b))
		}
		return code
	}
	fmt.Fprintln(a.err, "chancery:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if next != "" {
		fmt.Fprintln(a.err, "next:", next)
	}
	return code
}

// codeOf is the stable code of a refusal: policy's rule or the chain's reason.
func codeOf(err error) string {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return p.Code
	}
	if r, ok := errors.AsType[*session.Refused](err); ok {
		return r.Code
	}
	if errors.Is(err, session.ErrRollback) {
		return "rolled_back"
	}
	return string(chain.ReasonOf(err))
}

// show prints v as one line of JSON, or as human writes it.
func (a *app) show(v any, human func(w io.Writer)) error {
	if a.flags.json {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	human(a.out)
	return nil
}

// table prints rows under a heading, in columns.
func (a *app) table(v any, heading string, rows func(row func(cells ...any))) error {
	return a.show(v, func(out io.Writer) {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, heading)
		rows(func(cells ...any) {
			for i, c := range cells {
				if i > 0 {
					fmt.Fprint(w, "\t")
				}
				fmt.Fprint(w, printable(fmt.Sprint(c)))
			}
			fmt.Fprintln(w)
		})
		w.Flush()
	})
}

// printable keeps what others wrote from steering the terminal: control
// characters but newline and tab become visible.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0):
			return '\uFFFD'
		}
		return r
	}, s)
}

// said prints one plain line, or v.
func (a *app) said(v any, format string, args ...any) error {
	return a.show(v, func(w io.Writer) { fmt.Fprintln(w, printable(fmt.Sprintf(format, args...))) })
}
