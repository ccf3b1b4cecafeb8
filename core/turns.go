package core

import "sync"

// turns lets one at a time pass under each name. It keeps a name for as long as
// somebody waits for it.
type turns struct {
	mu    sync.Mutex
	names map[string]*turn
}

type turn struct {
	mu      sync.Mutex
	waiting int
}

func newTurns() *turns { return &turns{names: map[string]*turn{}} }

// lock waits for the name and gives what lets go of it.
func (t *turns) lock(name string) (unlock func()) {
	t.mu.Lock()
	x, ok := t.names[name]
	if !ok {
		x = &turn{}
		t.names[name] = x
	}
	x.waiting++
	t.mu.Unlock()
	x.mu.Lock()
	return func() {
		x.mu.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if x.waiting--; x.waiting == 0 {
			delete(t.names, name)
		}
	}
}
