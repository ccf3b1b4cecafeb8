package main

import "testing"

// TestAttackNameOfAFile: the sender's name for a file never leads out of the
// folder, nor to a hidden file there.
func TestAttackNameOfAFile(t *testing.T) {
	t.Parallel()
	a := &app{cwd: "/here"}
	for name, want := range map[string]string{
		"plan.pdf":          "/here/plan.pdf",
		"../../plan.pdf":    "/here/plan.pdf",
		"/etc/passwd":       "/here/passwd",
		".profile":          "/here/file.profile",
		"a/.profile":        "/here/file.profile",
		"../.ssh/.profile/": "/here/file.profile",
		"":                  "/here/file",
		"/":                 "/here/file",
		"..":                "/here/file..",
		"a/..":              "/here/file..",
		"a/b/../.x":         "/here/file.x",
	} {
		if got := a.target("", name); got != want {
			t.Errorf("%q goes to %q, want %q", name, got, want)
		}
	}
}
