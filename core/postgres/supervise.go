package postgres

import (
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

const (
	patience = 20 * time.Second      // how long a fast shutdown may take
	stable   = time.Minute           // after this long up, earlier failures no longer count
	poll     = 10 * time.Millisecond // how often a starting cluster is looked at
)

// backoffs are the pauses before each restart. The first is short, since a killed postgres leaves nothing to mend
// by waiting; there is none after the last.
var backoffs = []time.Duration{250 * time.Millisecond, time.Second, 4 * time.Second}

// supervise keeps the cluster up until ctx ends or restarting fails.
func (c *Cluster) supervise(ctx context.Context, current *child, failures int) {
	defer close(c.done)
	defer c.release()
	for {
		since := time.Now()
		select {
		case <-ctx.Done():
			c.healthy.Store(false)
			current.halt(patience)
			return
		case <-current.exited:
		}
		c.healthy.Store(false)
		if time.Since(since) > stable {
			failures = 0
		}
		died := fmt.Errorf("postgres died: %s", current.log.lastComplaint())
		next, err := c.relaunch(ctx, &failures, died)
		if ctx.Err() != nil {
			if err == nil {
				next.halt(patience)
			}
			return
		}
		if err != nil {
			c.err = err
			return
		}
		current = next
		c.healthy.Store(true)
	}
}

// relaunch tries again after each backoff that failures has left; cause is what made it necessary.
func (c *Cluster) relaunch(ctx context.Context, failures *int, cause error) (*child, error) {
	for ; *failures < len(backoffs); *failures++ {
		pause := backoffs[*failures]
		c.config.Log.Error("private database is down", "error", cause, "restart_in", pause)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		next, err := c.launch(ctx)
		if err == nil {
			*failures++
			c.config.Log.Info("private database restarted")
			return next, nil
		}
		cause = err
	}
	return nil, fmt.Errorf("giving up after %d restarts: %w", len(backoffs), cause)
}

// launch starts postgres and waits until it takes connections.
func (c *Cluster) launch(ctx context.Context) (*child, error) {
	cmd := exec.Command(c.install.path("postgres"), "-D", c.path("data"), "-c", "config_file="+c.path("conf/postgresql.conf"))
	cmd.Dir, cmd.Env = "/", environment()
	cmd.SysProcAttr = c.account.sysProcAttr()
	starting, err := spawn(cmd, c.config.Log)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !starting.ready(c.path("data")) {
		select {
		case <-tick.C:
		case <-starting.exited:
			return nil, fmt.Errorf("postgres ended while starting: %s", starting.log.lastComplaint())
		case <-ctx.Done():
			_ = starting.process.Signal(syscall.SIGQUIT)
			<-starting.exited
			return nil, ctx.Err()
		}
	}
	return starting, nil
}
