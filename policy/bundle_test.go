package policy

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "add the bundle to the golden file")

const bundlesGolden = "testdata/bundles.golden"

// TestNumberMeansRules holds each number to its rules for good: whoever changes
// rego/ raises defaultNumber, and -update adds a line. It never changes one.
func TestNumberMeansRules(t *testing.T) {
	t.Parallel()
	_, digest, err := Default().read()
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(bundlesGolden)
	if err != nil {
		t.Fatal(err)
	}
	number, known := newestBundle(t, string(old))
	switch {
	case defaultNumber == number && digest == known:
	case defaultNumber <= number:
		t.Fatalf("the rules in rego/ are not those of number %d: raise defaultNumber above %d, then run go test ./policy -update", defaultNumber, number)
	case *update:
		if err := os.WriteFile(bundlesGolden, fmt.Appendf(old, "%d %s\n", defaultNumber, digest), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("number %d is not in %s: run go test ./policy -update", defaultNumber, bundlesGolden)
	}
}

// newestBundle is the last line; the numbers in the file rise.
func newestBundle(t *testing.T, text string) (number int, digest string) {
	t.Helper()
	for line := range strings.Lines(text) {
		before := number
		if _, err := fmt.Sscan(line, &number, &digest); err != nil || number <= before || len(digest) != 64 {
			t.Fatalf("%s: %q after number %d", bundlesGolden, line, before)
		}
	}
	return number, digest
}
