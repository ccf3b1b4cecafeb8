// Package keytree is a puncturable key tree: 2^40 leaf keys from one 32-byte
// root, any of which can be destroyed for ever without touching the others.
//
// It is the binary tree of Goldreich, Goldwasser and Micali. Each node derives
// its two children by HKDF-SHA-256, and a leaf is a node at depth 40. A tree is
// kept as its frontier, the seeds of the largest subtrees that hold no punctured
// leaf; a new tree's frontier is its root. Puncturing a leaf replaces the
// subtree that holds it by the siblings along the path to it, so what is left
// derives every other leaf and can't be run backwards to this one.
//
// Depth 40 outlasts a channel: 1,000 messages a second fill it in 34 years. Each
// level less would save one derivation of about a microsecond on a cold read and
// at most 38 bytes per scattered puncture, which is not worth a second limit.
//
// Invariant: every leaf is derivable from exactly one frontier node or was
// punctured, and a frontier has exactly one encoding.
//
// It must not know what a leaf protects, where trees are kept, or how copies of
// older frontiers are destroyed. Older copies undo a puncture: core/vault's
// business.
package keytree
