package vault

import (
	"sync"

	"chancery/crypto/keytree"
)

// defaultTrees bounds the open trees in memory: a megabyte or a few.
const defaultTrees = 1024

// cache keeps open trees, each with its own lock, so that channels do not wait
// for each other.
type cache struct {
	limit int
	mu    sync.Mutex
	trees map[Channel]*cached
}

// cached is one place in the cache; its tree is nil until loaded and after
// eviction.
type cached struct {
	mu   sync.Mutex
	tree *keytree.Tree
}

func newCache(limit int) *cache {
	if limit <= 0 {
		limit = defaultTrees
	}
	return &cache{limit: limit, trees: make(map[Channel]*cached)}
}

// leaf returns a leaf of a channel's tree, loading the tree if it is not open.
func (c *cache) leaf(channel Channel, i uint64, load func() (*keytree.Tree, error)) (key [keytree.KeySize]byte, err error) {
	e := c.entry(channel)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tree == nil {
		if e.tree, err = load(); err != nil {
			return key, err
		}
	}
	return e.tree.Leaf(i)
}

// entry returns the place of a channel, evicting any other one if the cache is
// full. Someone who still holds the evicted place loads its tree once more.
func (c *cache) entry(channel Channel) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.trees[channel]; ok {
		return e
	}
	for victim, e := range c.trees {
		if len(c.trees) < c.limit {
			break
		}
		delete(c.trees, victim)
		e.wipe()
	}
	e := new(cached)
	c.trees[channel] = e
	return e
}

func (e *cached) wipe() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tree != nil {
		e.tree.Wipe()
		e.tree = nil
	}
}

// wipe drops everything. The caller sees to it that nobody is using the cache.
func (c *cache) wipe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.trees {
		e.wipe()
	}
	clear(c.trees)
}
