package fuzztest

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"
)

// Seed gives a fuzz target, in a package directly under crypto, every string of
// some files of vectors, decoded where it is hexadecimal: what must be taken and
// what must be refused.
func Seed(f *testing.F, names ...string) {
	f.Helper()
	seen := map[string]bool{}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", name))
		if err != nil {
			f.Fatal(err)
		}
		var file any
		if err := json.Unmarshal(b, &file); err != nil {
			f.Fatal(err)
		}
		texts(file, func(s string) {
			if raw, err := hex.DecodeString(s); err == nil {
				s = string(raw)
			}
			if !seen[s] {
				seen[s] = true
				f.Add([]byte(s))
			}
		})
	}
}

// texts visits the strings in a JSON value.
func texts(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, x := range v {
			texts(x, visit)
		}
	case map[string]any:
		for _, x := range v {
			texts(x, visit)
		}
	}
}

// Bounded runs a decoder on n bytes and fails when it allocated far more than
// they could call for. Nothing else may run beside it: fuzz targets are so.
func Bounded(t testing.TB, n int, decode func()) {
	t.Helper()
	before := allocated()
	decode()
	if got, limit := allocated()-before, uint64(1<<20+256*n); got > limit {
		t.Errorf("%d bytes made the decoder allocate %d, limit %d", n, got, limit)
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
