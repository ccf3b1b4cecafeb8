package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// process is one long-running program of the organisation.
type process struct {
	name string
	log  string // file of everything it printed
	cmd  *exec.Cmd
	done chan error
}

// start runs a program until stop or kill. What it prints goes to a log file
// beside the homes.
func (p *party) start(name string, program string, args ...string) (*process, error) {
	log := filepath.Join(p.ground.dir, "log", name+".log")
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	x := &process{name: name, log: log, cmd: p.command(program, args...), done: make(chan error, 1)}
	x.cmd.Stdout, x.cmd.Stderr = out, out
	started := make(chan error)
	// The parent-death signal follows the thread that forked, so that thread
	// stays for as long as the child does.
	go func() {
		runtime.LockOSThread()
		err := x.cmd.Start()
		started <- err
		if err == nil {
			x.done <- x.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return x, nil
}

// grace is how long a program may take to stop cleanly.
const grace = 30 * time.Second

// stop asks the program to end and expects it to end well.
func (x *process) stop() error {
	if x == nil {
		return nil
	}
	_ = x.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-x.done:
		x.done <- err
		if err != nil {
			return fmt.Errorf("stopping %s: %w (see %s)", x.name, err, x.log)
		}
		return nil
	case <-time.After(grace):
		x.kill()
		return fmt.Errorf("stopping %s: it still ran after %v (see %s)", x.name, grace, x.log)
	}
}

// kill ends the program as a power cut would.
func (x *process) kill() {
	_ = x.cmd.Process.Kill()
	err := <-x.done
	x.done <- err
}

// until waits for a condition of a program that has just been started.
func (x *process) until(ctx context.Context, limit time.Duration, ready func() bool) error {
	deadline := time.Now().Add(limit)
	for !ready() {
		select {
		case err := <-x.done:
			x.done <- err
			return fmt.Errorf("%s ended: %w (see %s)", x.name, errors.Join(err, errors.New("before it was ready")), x.log)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v (see %s)", x.name, limit, x.log)
		}
	}
	return nil
}
