// Command mutants changes a package in one small way at a time, runs the
// package's own tests, and tells which test saw it. A change that no test sees
// is a rule that nobody holds; it must be argued in a file, or the command fails.
//
// All changes of a package are compiled into one test binary, each behind a
// number that the environment gives, so that a change costs a run and no build.
//
// It must not write into the tree: the changed files are an overlay.
package main
