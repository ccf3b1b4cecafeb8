// Package policy is the decision point: a Question goes in, a Decision with
// obligations comes out, and with an allowing one a Grant that only this
// package can make.
//
// It owns the closed set of actions, the shape of what rules may read
// (chancery.input/v1) and answer (chancery.decision/v1), and the default bundle
// in rego/. It is the only importer of OPA.
//
// Its invariant: whatever goes wrong is a refusal. An undefined result, an
// evaluation error, a passed deadline, a panic, an answer of the wrong shape and
// an obligation nobody knows all deny with the reason policy.error; the zero
// Engine refuses everything and the zero Grant covers nothing.
//
// A decision is a function of its question and the bundle. Rules have no clock,
// no network and no randomness, so an auditor can ask again and must get the
// same answer. This package must not know where facts come from: it loads
// nothing, and it never sees content.
package policy
