package identitytest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

const orphanEnv = "CHANCERY_TEST_ORPHAN_DIR"

// A test or chancery-dev that is killed must leave no slapd behind.
func TestSlapdDiesWithItsParent(t *testing.T) {
	if dir := os.Getenv(orphanEnv); dir != "" {
		startAndWaitToBeKilled(dir)
	}
	t.Parallel()
	dir, err := os.MkdirTemp("", "chancery-orphan-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	parent := exec.Command(os.Args[0], "-test.run=^TestSlapdDiesWithItsParent$")
	parent.Env = append(os.Environ(), orphanEnv+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	if _, err := fmt.Fscanln(bufio.NewReader(out), &addr); err != nil {
		t.Error(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Error(err)
	}
	parent.Wait()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(end) {
			t.Fatal("slapd outlives its parent")
		}
	}
}

func startAndWaitToBeKilled(dir string) {
	d, err := StartDirectory(context.Background(), Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(d.Addr)
	select {}
}
