package policy

import "sync"

const (
	answersKept = 8192 // of a bundle at most, in two halves
	longestKey  = 2048 // bytes; longer questions are always asked anew
)

// answers are what one bundle said before, by the whole question. A decision
// depends on nothing else, and the question's facts are read anew each time, so
// no change elsewhere has to be told to this: whatever changed makes another
// question.
type answers struct {
	mu         sync.Mutex
	young, old map[string]Decision
}

func newAnswers() *answers { return &answers{young: map[string]Decision{}} }

// get finds what was said to k. The slices of the Decision are shared.
func (a *answers) get(k key) (Decision, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d, ok := a.young[string(k)]; ok {
		return d, true
	}
	d, ok := a.old[string(k)]
	return d, ok
}

// put keeps an answer. When the young half is full it becomes the old one, and
// what nobody asked for since is gone.
func (a *answers) put(k key, d Decision) {
	if len(k) > longestKey {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.young) >= answersKept/2 {
		a.young, a.old = make(map[string]Decision, answersKept/2), a.young
	}
	a.young[string(k)] = d
}
