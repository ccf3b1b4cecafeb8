package deliver

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	d := Directory{t.TempDir()}
	src := tree(t, map[string]string{"a.txt": "a", "data/b": "bb", "data/deep/c": ""})
	path, err := d.Deliver(t.Context(), src, "daily/1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(path, "data/b"))
	if err != nil || string(b) != "bb" {
		t.Errorf("got %q, %v", b, err)
	}
	for _, name := range []string{"a.txt", "data/deep/c"} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil || info.Mode().Perm()&0o222 != 0 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if again, err := d.Deliver(t.Context(), src, "daily/1"); err != nil || again != path {
		t.Errorf("again: %q, %v", again, err)
	}
}

// What a killed delivery left is replaced; what was delivered never is.
func TestAttackDeliverOverwrites(t *testing.T) {
	t.Parallel()
	d := Directory{t.TempDir()}
	src := tree(t, map[string]string{"a": "a", "x/b": "b"})
	if err := copyTree(t.Context(), src, filepath.Join(d.Path, "1"+partial)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Deliver(t.Context(), src, "1"); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"changed": {"a": "other", "x/b": "b"}, "missing": {"a": "a"}, "more": {"a": "a", "x/b": "b", "c": "c"},
	} {
		if _, err := d.Deliver(t.Context(), tree(t, files), "1"); !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Deliver(t.Context(), src, "../1"); err == nil {
		t.Error("delivered outside the directory")
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(src, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Deliver(t.Context(), src, "2"); err == nil {
		t.Error("delivered a symbolic link")
	}
}

func TestPutOnce(t *testing.T) {
	t.Parallel()
	d := Directory{t.TempDir()}
	for _, want := range []struct {
		text string
		err  error
	}{{"slip", nil}, {"slip", nil}, {"other", ErrExists}} {
		if _, err := d.Put("x.slip", []byte(want.text)); !errors.Is(err, want.err) {
			t.Errorf("%s: %v", want.text, err)
		}
	}
}
