package session

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

// The largest file that the quick test moves, and what its process may have had
// resident: client and server together. chancery-dev bigfile takes the largest
// file that there is, by the real binaries.
const (
	largeFile   = 256 << 20
	largeMemory = 192 << 20
)

// A process of its own, so that other tests don't weigh.
func TestFileMemoryIsBounded(t *testing.T) {
	t.Parallel()
	if os.Getenv("CHANCERY_LARGE_FILE") != "" {
		moveLargeFile(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFileMemoryIsBounded$")
	cmd.Env = append(os.Environ(), "CHANCERY_LARGE_FILE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func moveLargeFile(t *testing.T) {
	h := newHonest(t)
	a := &attached{h: h, sender: h.join(), dir: t.TempDir()}
	a.channel = channel(t, a.sender)
	path := filepath.Join(a.dir, "large.bin")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, largeFile); err != nil {
		t.Fatal(err)
	}
	u, err := a.channel.Upload(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := a.channel.Post(context.Background(), Draft{Kind: envelope.Post, Files: []Upload{*u}})
	if err != nil {
		t.Fatal(err)
	}
	a.position = sent.Position
	got, err := a.download(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(got); err != nil || info.Size() != largeFile {
		t.Fatalf("%v, %v", info, err)
	}
	var part bytes.Buffer
	if _, err := a.channel.ReadRange(context.Background(), a.position, 0, largeFile-piece.Plain-3, 100, &part); err != nil || part.Len() != 100 {
		t.Fatalf("%d bytes of 100, %v", part.Len(), err)
	}
	if peak := peakMemory(t); peak > largeMemory {
		t.Errorf("%d MiB were resident, %d are allowed", peak>>20, largeMemory>>20)
	}
}

// peakMemory is the most that this process ever had resident, in bytes.
func peakMemory(t *testing.T) (n int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", os.Getpid()))
	if err != nil {
		t.Skip("this system does not tell what was resident")
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if n, err = strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n << 10
}
