package policy

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Questions keep being answered while the bundle is replaced under them: each
// answer is whole and of one generation, and none is an error.
func TestReloadWhileDeciding(t *testing.T) {
	t.Parallel()
	e := load(t)
	allow := ask(MessageCreate, person(), as("member"))
	refuse := ask(MessageCreate, person(), as("member"), unacked)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, _, errA := e.Decide(context.Background(), allow)
				r, _, errR := e.Decide(context.Background(), refuse)
				if errA != nil || errR != nil || !a.Allow || r.Allow || a.Generation > r.Generation {
					t.Errorf("allow %t %v, refuse %t %v, generations %d then %d", a.Allow, errA, r.Allow, errR, a.Generation, r.Generation)
					return
				}
			}
		})
	}
	for number := uint64(newer); number < newer+10; number++ {
		next := Default()
		next.Number = number
		if err := e.Reload(context.Background(), next); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	workers.Wait()
	if d, _, _ := e.Decide(context.Background(), allow); d.Generation != newer+9 {
		t.Errorf("generation %d decides after the last reload", d.Generation)
	}
}

func TestDigestIsOfContent(t *testing.T) {
	t.Parallel()
	_, first, err := Default().read()
	if err != nil {
		t.Fatal(err)
	}
	_, again, _ := Default().read()
	_, other, _ := bundleOf(1, "decision := "+granting).read()
	if first != again || first == other || len(first) != 64 {
		t.Errorf("digests %s, %s, %s", first, again, other)
	}
}

// BenchmarkDecide asks each question anew; BenchmarkDecideAgain asks one that was
// asked before.
func BenchmarkDecide(b *testing.B) {
	e := load(b)
	questions := map[string]Question{
		"message.create": ask(MessageCreate, person(), as("member")),
		"not acked":      ask(MessageCreate, person(), as("member"), unacked),
		"message.list":   ask(MessageList, person(), as("member")),
		"hold.approve":   ask(HoldApprove, person(RoleLegal)),
	}
	for name, q := range questions {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				q.Context.Session.ID = strconv.Itoa(n)
				if _, _, err := e.Decide(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecideAgain(b *testing.B) {
	e, q := load(b), ask(MessageCreate, person(), as("member"))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := e.Decide(context.Background(), q); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReload(b *testing.B) {
	e, err := Load(context.Background(), Default(), Config{Deadline: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	next := Default()
	for b.Loop() {
		next.Number++
		if err := e.Reload(context.Background(), next); err != nil {
			b.Fatal(err)
		}
	}
}
