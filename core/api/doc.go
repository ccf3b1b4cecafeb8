// Package api owns the public HTTP interface: routes, decoding, problem
// documents and the log line of each request. One screen for each noun; a
// handler decodes, calls an operation and encodes.
//
// Invariant: every route names the policy action that its operation asks for,
// or says in words why nobody is asked; one that does neither can't be
// registered. What leaves in a problem document is only what core.Error makes
// public. Tokens and bodies are never logged.
//
// It must not know rules, storage, or what entries mean.
package api
