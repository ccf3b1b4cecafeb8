package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// found brings the organisation into being as far as two channels of a desk:
// the directory, the server, the root's genesis, the lists, everybody's first
// device, a team. The recorder does not run yet.
func (o *organisation) found(ctx context.Context, say func(string, ...any)) error {
	receipt, err := o.configure()
	if err != nil {
		return err
	}
	cards, err := o.makeKeys()
	if err != nil {
		return err
	}
	cards["receipt"] = receipt
	if cards["removal"], err = o.removalCard(); err != nil {
		return err
	}
	if err := o.startSigner(ctx); err != nil {
		return err
	}
	if err := o.serve(ctx); err != nil {
		return err
	}
	say("directory, server, signer run, each as a user of its own")
	if err := o.initOrg(); err != nil {
		return err
	}
	for _, role := range []string{"receipt", "removal", "recorder", "signer", "auditor"} {
		if err := o.list(role, "--card", cards[role]); err != nil {
			return err
		}
	}
	say("the root made the organisation and listed its keys")
	return nil
}

func (o *organisation) initOrg() error {
	if err := o.root.signIn(); err != nil {
		return err
	}
	var made struct {
		Org string `json:"org"`
	}
	args := append([]string{"org", "init", "--suite", o.suite, "--name", "Example Bank", "--capture", "off"}, o.rootFlags()...)
	if err := o.root.ask(&made, args...); err != nil {
		return err
	}
	o.id = made.Org
	for _, p := range o.people {
		p.server = append(p.server, "--org", o.id)
	}
	return nil
}

// join signs everybody in and makes their first devices.
func (o *organisation) join() error {
	var g errgroup.Group
	g.SetLimit(3) // passphrase work is bound by the processor
	for _, s := range staff {
		g.Go(func() error {
			p := o.people[s.username]
			if err := p.arrive(p != o.root); err != nil {
				return fmt.Errorf("%s: %w", s.username, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for role, username := range map[string]string{"compliance": "rita", "legal": "leo"} {
		if err := o.list(role, "--user", username); err != nil {
			return err
		}
	}
	return nil
}

// team makes the desk's team.
func (o *organisation) team() error {
	if _, err := o.root.do("team", "create", "trading", "--title", "Trading floor"); err != nil {
		return err
	}
	for _, username := range []string{"fay", "ben", "dev", "hal", "rita", "leo"} {
		if _, err := o.root.do("team", "add", "trading", username); err != nil {
			return err
		}
	}
	return nil
}

// arrive signs a person in, unless that has been done, and makes a first device.
func (p *person) arrive(signIn bool) error {
	if signIn {
		if err := p.signIn(); err != nil {
			return err
		}
	}
	return p.enroll()
}
