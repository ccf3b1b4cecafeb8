package main

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"time"

	"chancery/compliance"
	"chancery/compliance/deliver"
	"chancery/core/job"
	"chancery/core/store"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/policy"
	"chancery/retention"
)

// openRecords makes what keeps, disposes and exports.
func (s *server) openRecords(context.Context) (err error) {
	s.signer = signer.NewClient(dialSigner(s.config.Keys.Signer))
	s.onClose(s.signer.Close)
	if s.queue, err = job.New(job.Config{Pool: s.db.App(), Log: s.log}); err != nil {
		return err
	}
	packed, err := compliance.PackPolicy(policy.Default())
	if err != nil {
		return err
	}
	people := chains{s.db}
	s.holds = compliance.New(compliance.Config{
		Store: s.db, Gate: s.gate, Directory: people, Now: time.Now, Log: s.log,
		Exporting: compliance.Exporting{
			Work: s.config.Exports.Work, Archives: deliver.Directory{Path: s.config.Exports.Archives}, Slips: deliver.Directory{Path: s.config.Exports.Slips},
			Signer: s.signer, Blobs: s.files, Queue: s.queue, Policy: packed, Build: buildName(),
		},
	})
	s.holds.Register()
	s.rules = retention.New(retention.Config{
		Store: s.db, Gate: s.gate, Directory: people, Vault: salts{s.vault}, Blobs: s.files, Signer: s.signer, Now: time.Now, Log: s.log,
	})
	return nil
}

var errNoSigner = errors.New("no signer is configured: set keys.signer")

func dialSigner(path string) signer.DialFunc {
	if path == "" {
		return func(context.Context) (net.Conn, error) { return nil, errNoSigner }
	}
	return signer.Socket(path)
}

// buildName is what archives say they were written by.
func buildName() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return "chanceryd " + info.Main.Version
	}
	return "chanceryd devel"
}

// chains reads the organisation's and people's chains anew each time: holds and
// plans are rare, and must not be judged by what was true earlier.
type chains struct{ db *store.DB }

const lookup = 10 * time.Second

// Org implements chain.Directory; nil before the genesis.
func (c chains) Org() *chain.Org {
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	links, err := c.db.OrgLinks(ctx)
	if err != nil || len(links) == 0 {
		return nil
	}
	org, err := chain.Replay(links, chain.NewOrg)
	if err != nil {
		return nil
	}
	return org
}

// User implements chain.Directory.
func (c chains) User(id envelope.UserID) (*chain.User, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	links, err := c.db.UserLinks(ctx, id)
	org := c.Org()
	if err != nil || len(links) == 0 || org == nil {
		return nil, false
	}
	u, err := chain.Replay(links, func(e *envelope.Entry) (*chain.User, error) { return chain.NewUser(org, e) })
	return u, err == nil
}
