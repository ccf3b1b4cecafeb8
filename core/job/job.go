package job

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// Handler does the named task on an object, an id or empty. Its context ends
// when the queue stops.
type Handler func(ctx context.Context, object string) error

// Config is what a Queue needs.
type Config struct {
	Pool    *pgxpool.Pool // in the server's role
	Workers int           // tasks at once; 0 is 8
	Timeout time.Duration // of one task; 0 is an hour
	Log     *slog.Logger  // nil is slog.Default()
}

// Queue is a durable queue of tasks.
type Queue struct {
	config   Config
	handlers map[string]Handler
	periodic []*river.PeriodicJob
	insert   *river.Client[pgx.Tx] // only inserts
}

// New makes a queue. Tasks wait in the database until Run works on them.
func New(c Config) (*Queue, error) {
	if c.Workers <= 0 {
		c.Workers = 8
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	insert, err := river.NewClient(riverpgxv5.New(c.Pool), &river.Config{Logger: c.Log})
	if err != nil {
		return nil, fmt.Errorf("making the task queue: %w", err)
	}
	return &Queue{config: c, handlers: map[string]Handler{}, insert: insert}, nil
}

// Handle says who does the tasks of a name. All names are given before Run.
func (q *Queue) Handle(name string, h Handler) { q.handlers[name] = h }

// Every queues a task without an object once Run starts and then at intervals,
// by one of all servers.
func (q *Queue) Every(interval time.Duration, name string, h Handler) {
	q.Handle(name, h)
	make := func() (river.JobArgs, *river.InsertOpts) { return task{Name: name}, nil }
	q.periodic = append(q.periodic, river.NewPeriodicJob(river.PeriodicInterval(interval), make, &river.PeriodicJobOpts{RunOnStart: true}))
}

// task is the one kind of River job; its name leads to the handler.
type task struct {
	Name   string `json:"name"`
	Object string `json:"object"`
}

// Kind implements river.JobArgs.
func (task) Kind() string { return "task" }

// Insert queues a task in the transaction of the change that asks for it.
func (q *Queue) Insert(ctx context.Context, tx pgx.Tx, name, object string) error {
	if _, ok := q.handlers[name]; !ok {
		return fmt.Errorf("queueing task: nobody does %q", name)
	}
	if _, err := q.insert.InsertTx(ctx, tx, task{name, object}, nil); err != nil {
		return fmt.Errorf("queueing task %s: %w", name, err)
	}
	return nil
}

// Run works on tasks until ctx ends, and then waits for those at work, whose
// contexts end with it.
func (q *Queue) Run(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{queue: q})
	client, err := river.NewClient(riverpgxv5.New(q.config.Pool), &river.Config{
		Logger: q.config.Log, Workers: workers, PeriodicJobs: q.periodic, JobTimeout: q.config.Timeout,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: q.config.Workers}},
	})
	if err != nil {
		return fmt.Errorf("starting the task queue: %w", err)
	}
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("starting the task queue: %w", err)
	}
	<-client.Stopped()
	return nil
}

// worker hands River's jobs to the handlers.
type worker struct {
	river.WorkerDefaults[task]
	queue *Queue
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, j *river.Job[task]) error {
	h, ok := w.queue.handlers[j.Args.Name]
	if !ok {
		return fmt.Errorf("nobody does task %q", j.Args.Name)
	}
	return h(ctx, j.Args.Object)
}
