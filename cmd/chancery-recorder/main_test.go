package main

import (
	"context"
	"os"
	"testing"

	"chancery/core/postgres/postgrestest"
)

// asRecorder makes this test binary the command itself, to be killed.
const asRecorder = "CHANCERY_TEST_AS_RECORDER"

func TestMain(m *testing.M) {
	if os.Getenv(asRecorder) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	postgrestest.Main(m)
}
