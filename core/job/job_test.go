package job_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"chancery/core/job"
	"chancery/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func newQueue(t *testing.T) (*job.Queue, *pgxpool.Pool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), postgrestest.URL(t)+"&role=chancery_app")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	q, err := job.New(job.Config{Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	return q, pool
}

// run works on the queue until the test's condition holds, then stops it.
func run(t *testing.T, q *job.Queue, done <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- q.Run(ctx) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("the task was not done")
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A task is there exactly when the change that asks for it commits.
func TestInsertSharesTheTransaction(t *testing.T) {
	t.Parallel()
	q, pool := newQueue(t)
	done := make(chan struct{})
	got := make(chan string, 2)
	q.Handle("greet", func(_ context.Context, object string) error {
		got <- object
		close(done)
		return nil
	})
	rollback := errors.New("rolled back")
	for object, fail := range map[string]error{"lost": rollback, "kept": nil} {
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if err := q.Insert(t.Context(), tx, "greet", object); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	run(t, q, done)
	if object := <-got; object != "kept" || len(got) != 0 {
		t.Errorf("got %q and %d more", object, len(got))
	}
}

func TestFailedTaskIsTriedAgain(t *testing.T) {
	t.Parallel()
	q, _ := newQueue(t)
	done := make(chan struct{})
	var tries atomic.Int32
	q.Every(time.Hour, "tick", func(context.Context, string) error {
		if tries.Add(1) == 1 {
			return errors.New("not yet")
		}
		close(done)
		return nil
	})
	run(t, q, done)
	if n := tries.Load(); n != 2 {
		t.Errorf("%d tries", n)
	}
}

func TestInsertRefusesUnknownTask(t *testing.T) {
	t.Parallel()
	q, pool := newQueue(t)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return q.Insert(t.Context(), tx, "nobody", "") })
	if err == nil {
		t.Error("a task that nobody does was queued")
	}
}
