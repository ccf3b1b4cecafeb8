package postgres

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is one running postgres.
type child struct {
	process *os.Process
	log     *serverLog
	exited  chan struct{} // closed when it is gone
}

// spawn starts cmd so that it dies with this process: Pdeathsig asks for a fast shutdown. The kernel sends that
// signal when the *thread* that forked ends, so the goroutine keeps its thread for as long as the child lives.
func spawn(cmd *exec.Cmd, log *slog.Logger) (*child, error) {
	c := &child{log: &serverLog{log: log}, exited: make(chan struct{})}
	cmd.Stderr = c.log
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	// Orphaned backends may hold the pipe for a moment after postgres itself was killed.
	cmd.WaitDelay = time.Second
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		c.process = cmd.Process
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is in its own log
		close(c.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting postgres: %w", err)
	}
	return c, nil
}

// halt asks for a fast shutdown, insists after the patience is used up, and waits for the end.
func (c *child) halt(patience time.Duration) {
	_ = c.process.Signal(syscall.SIGINT) // fails only when it is gone already
	select {
	case <-c.exited:
		return
	case <-time.After(patience):
	}
	_ = c.process.Signal(syscall.SIGQUIT)
	<-c.exited
}

// ready says whether postmaster.pid names this child and says that it takes connections: line 1 is the process
// id, line 8 the status, which is what pg_ctl goes by.
func (c *child) ready(data string) bool {
	text, err := os.ReadFile(data + "/postmaster.pid")
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(c.process.Pid) && strings.TrimSpace(lines[7]) == "ready"
}

// serverLog turns PostgreSQL's stderr into log records and remembers the last complaint.
type serverLog struct {
	log  *slog.Logger
	rest []byte

	mu        sync.Mutex
	complaint string
}

// Write implements io.Writer; exec calls it from one goroutine.
func (s *serverLog) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for {
		line, rest, found := bytes.Cut(s.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		s.rest = rest
		s.line(string(line))
	}
}

// line logs one line by its severity. An ERROR is a statement that failed, which the caller of that statement
// has to judge, so it is no louder than a LOG here.
func (s *serverLog) line(text string) {
	severity, message, _ := strings.Cut(text, ":")
	message = strings.TrimSpace(message)
	level := slog.LevelDebug
	switch severity {
	case "WARNING":
		level = slog.LevelWarn
	case "FATAL", "PANIC":
		level = slog.LevelWarn
		s.mu.Lock()
		s.complaint = message
		s.mu.Unlock()
	}
	s.log.Log(context.Background(), level, "postgres", "severity", severity, "message", message)
}

func (s *serverLog) lastComplaint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.complaint == "" {
		return "it gave no reason"
	}
	return s.complaint
}
