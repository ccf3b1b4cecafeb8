package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use: "chancery-dev", Short: "A whole organisation on this machine", SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(demoCmd(), soakCmd(), bigfileCmd(), faultsCmd(), runCmd())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chancery-dev:", err)
		os.Exit(1)
	}
}
