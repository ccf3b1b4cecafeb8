package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"chancery/cmd/internal/client"
)

// person is a party with an account in the directory and a command line.
type person struct {
	*party
	username string
	password string
	server   []string // flags that name the server
	agent    *process
}

// answer is what a command printed.
type answer struct {
	out, err string
	code     int
}

// problem is a command that failed. Code is the deciding rule or reason.
type problem struct {
	answer
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Next   string `json:"next"`
	args   []string
}

func (p *problem) Error() string {
	return fmt.Sprintf("chancery %s: exit %d: %s", strings.Join(p.args, " "), p.answer.code, strings.TrimSpace(p.err))
}

// do runs a command of the person's and gives what it printed.
func (p *person) do(args ...string) (string, error) {
	a, err := p.chancery(nil, args...)
	return a.out, err
}

// ask runs a command and decodes the one JSON document that it prints.
func (p *person) ask(into any, args ...string) error {
	out, err := p.do(args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("chancery %s printed %.200q: %w", strings.Join(args, " "), out, err)
	}
	return nil
}

func (p *person) chancery(in []byte, args ...string) (answer, error) {
	all := append([]string{"--home", p.home + "/chancery", "--passphrase-file", p.home + "/passphrase", "--json"}, p.server...)
	cmd := p.command(p.ground.binary("chancery"), append(all, args...)...)
	return run(cmd, in, args)
}

// run runs a command to its end. A failure is a *problem.
func run(cmd *exec.Cmd, in []byte, args []string) (answer, error) {
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	// The parent-death signal follows the thread that forked. Nobody else may have
	// it meanwhile: it would end with a process that was started on it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	a := answer{out: out.String(), err: errs.String()}
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err == nil || !failed {
		return a, err
	}
	a.code = exit.ExitCode()
	p := &problem{answer: a, args: args}
	for line := range strings.Lines(a.err) {
		_ = json.Unmarshal([]byte(line), p) // the last JSON line is the error; notes come before it
	}
	return a, p
}

// refusedBy expects an error whose deciding rule has the given code.
func refusedBy(err error, code string) error {
	if direct, ok := errors.AsType[*client.Problem](err); ok && direct.Code == code {
		return nil
	}
	p, ok := errors.AsType[*problem](err)
	switch {
	case err == nil:
		return fmt.Errorf("allowed, though %s should refuse", code)
	case !ok:
		return err
	case p.Code != code:
		return fmt.Errorf("refused by %q (%s), want %s", p.Code, strings.TrimSpace(p.err), code)
	}
	return nil
}

// signIn logs in and makes the home a device of the person, served by an agent
// that holds the unlocked keyring.
func (p *person) signIn() error {
	if _, err := p.do("login", p.username, "--password-file", p.home+"/password"); err != nil {
		return err
	}
	return nil
}

// enroll makes a first device and starts the agent.
func (p *person) enroll() error {
	if _, err := p.do("device", "enroll", "--name", p.username+"'s laptop"); err != nil {
		return err
	}
	return p.startAgent()
}

// ackWait is short here: the story shows what happens without a recorder.
const ackWait = "5s"

func (p *person) startAgent(flags ...string) (err error) {
	args := append([]string{"--home", p.home + "/chancery", "--passphrase-file", p.home + "/passphrase", "--ack-wait", ackWait}, p.server...)
	args = append(args, flags...)
	p.agent, err = p.start("agent-"+p.username, p.ground.binary("chancery"), append(args, "agent", "start")...)
	return err
}

func (p *person) restartAgent(flags ...string) error {
	if err := p.agent.stop(); err != nil {
		return err
	}
	if err := p.startAgent(flags...); err != nil {
		return err
	}
	_, err := logged(p.agent, fmt.Sprintf(`agent ready at .* \(process %d\)`, p.agent.cmd.Process.Pid))
	return err
}

// api is the server as this person's session, past what their own client would
// refuse to send: for showing what the server itself refuses.
func (p *person) api() (*client.Transport, error) {
	token, err := os.ReadFile(p.home + "/chancery/token")
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: p.server[1], CA: p.server[3], Token: string(token)})
}
