package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(Main()) }

// Main runs one command and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "/"
	}
	a := &app{args: os.Args[1:], cwd: cwd, in: os.Stdin, out: os.Stdout, err: os.Stderr, now: time.Now}
	return a.execute(ctx)
}
