package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// big is the story of one large file.
type big struct {
	size     int64 // plain bytes, at most 10 GiB
	kills    int   // of the server and of the sender's agent, while it is uploaded
	limit    int64 // bytes that any of the programs may have resident
	path     string
	position uint64
}

func bigfileCmd() *cobra.Command {
	var bin string
	x := &big{}
	c := &cobra.Command{
		Use: "bigfile", Short: "Upload, read in part and download one large file in bounded memory, with kills", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return staged(c.Context(), stage{name: "bigfile", bin: bin, suite: "age"}, func(s *story) error { return s.tell(c.Context(), x.chapters()) })
		},
	}
	c.Flags().StringVar(&bin, "bin", "bin", "directory of the built binaries")
	c.Flags().Int64Var(&x.size, "size", 10<<30, "bytes of the file; three times as many are needed on disk")
	c.Flags().IntVar(&x.kills, "kills", 6, "how often the server and the sender's agent are killed")
	c.Flags().Int64Var(&x.limit, "memory", 320<<20, "bytes that server and agents may have resident")
	return c
}

// trunk is the channel of the file. It has no recorder: one has a minute to
// cover a message, with all its files.
const trunk = "trading/trunk"

func (x *big) chapters() []step {
	return []step{
		{"an organisation with a channel", x.settle},
		{fmt.Sprintf("fay uploads %d bytes; server and agent are killed %d times", x.size, x.kills), x.upload},
		{"ben reads parts of it", x.parts},
		{"ben downloads it", x.download},
		{"nobody held it in memory", x.weigh},
	}
}

func (x *big) settle(ctx context.Context, s *story) error {
	err := s.found(ctx, func(string, ...any) {})
	for _, next := range []func() error{s.join, s.team} {
		if err != nil {
			return err
		}
		err = next()
	}
	if err != nil {
		return err
	}
	fay := s.people["fay"]
	if _, err := fay.do("channel", "create", "trunk", "--team", "trading", "--private", "--capture", "off"); err != nil {
		return err
	}
	if _, err := fay.do("channel", "add", trunk, "ben"); err != nil {
		return err
	}
	if x.path, err = fay.file("big.bin", nil); err != nil {
		return err
	}
	return os.Truncate(x.path, x.size)
}

// upload posts the file until a post succeeds, and kills meanwhile.
func (x *big) upload(ctx context.Context, s *story) error {
	fay := s.people["fay"]
	sent := make(chan error, 1)
	done, stop := context.WithCancel(ctx)
	defer stop()
	tries := 0
	go func() { sent <- x.post(done, fay, &tries) }()
	for i := range x.kills {
		select {
		case err := <-sent:
			return errors.Join(err, fmt.Errorf("the upload ended after %d of %d kills: take a larger --size or fewer --kills", i, x.kills))
		case <-time.After(500*time.Millisecond + rand.N(2*time.Second)):
		}
		if err := x.kill(ctx, s, i); err != nil {
			stop()
			return errors.Join(err, <-sent)
		}
	}
	if err := <-sent; err != nil {
		return err
	}
	s.note("posted at the command's try number %d", tries)
	return nil
}

func (x *big) kill(ctx context.Context, s *story, i int) error {
	if i%2 == 0 {
		return s.crash(ctx)
	}
	fay := s.people["fay"]
	fay.agent.kill()
	if err := fay.startAgent(); err != nil {
		return err
	}
	_, err := logged(fay.agent, fmt.Sprintf(`agent ready at .* \(process %d\)`, fay.agent.cmd.Process.Pid))
	return err
}

func (x *big) post(ctx context.Context, fay *person, tries *int) error {
	for ctx.Err() == nil {
		var at struct {
			Position uint64 `json:"position"`
		}
		*tries++
		err := fay.ask(&at, "post", trunk, "--attach", x.path, "the whole trunk")
		if err == nil {
			x.position = at.Position
			return nil
		}
		if p, ok := errors.AsType[*problem](err); !ok || p.answer.code != unavailable && !strings.Contains(p.answer.err, "keyring") {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return ctx.Err()
}

// parts reads at the ends, and across chunks and pieces.
func (x *big) parts(_ context.Context, s *story) error {
	ben := s.people["ben"]
	for _, from := range []int64{0, 64<<10 - 5, x.size/2 - 1, x.size - 100} {
		args := []string{"file", "get", trunk, strconv.FormatUint(x.position, 10), "--offset", strconv.FormatInt(from, 10), "--length", "100"}
		got, err := ben.do(args...)
		if err != nil {
			return err
		}
		if got != string(make([]byte, min(100, x.size-from))) {
			return fmt.Errorf("from byte %d on: %d other bytes came back", from, len(got))
		}
	}
	return nil
}

func (x *big) download(_ context.Context, s *story) error {
	ben, from := s.people["ben"], time.Now()
	to := filepath.Join(ben.home, "got.bin")
	if _, err := ben.do("file", "get", trunk, strconv.FormatUint(x.position, 10), "--out", to); err != nil {
		return err
	}
	f, err := os.Open(to)
	if err != nil {
		return err
	}
	defer f.Close()
	got, want := sha256.New(), sha256.New()
	n, err := io.Copy(got, f)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(want, zeros{}, x.size); err != nil {
		return err
	}
	if n != x.size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		return fmt.Errorf("%d bytes came back, and they are not those that were sent", n)
	}
	s.note("%d bytes equal by SHA-256, after %.0f s", n, time.Since(from).Seconds())
	return nil
}

// zeros is what a sparse file reads as.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// weigh looks at the most that each program ever had resident.
func (x *big) weigh(_ context.Context, s *story) error {
	var all error
	for _, p := range []*process{s.server, s.people["fay"].agent, s.people["ben"].agent} {
		peak, err := peak(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		s.note("%s: %d MiB at most", p.name, peak>>20)
		if peak > x.limit {
			all = errors.Join(all, fmt.Errorf("%s had %d MiB resident, %d are allowed", p.name, peak>>20, x.limit>>20))
		}
	}
	return all
}

// peak is the most memory that a process ever had resident, in bytes.
func peak(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status does not tell the peak", pid)
}
