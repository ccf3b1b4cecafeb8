// Package job runs durable tasks: what must happen after a change commits, and
// what must happen again and again. A task is put in the queue in the
// transaction of the change that asks for it, so neither is there without the
// other.
//
// Invariant: a task that fails is tried again, later each time, and one may be
// done twice, also at once; so what a task does must do no harm when done again.
//
// It must not know what any task does.
package job
