package policy

import (
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// capabilities is what rules may call: pure functions of the input. No network,
// clock, randomness or process state, or a decision could not be replayed; no
// MD5 or SHA-1, which panic in FIPS mode; no tokens or keys, which are not for
// rules to judge.
var capabilities = sync.OnceValue(func() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	all.AllowNet = []string{}
	all.Builtins = slices.DeleteFunc(all.Builtins, func(b *ast.Builtin) bool {
		return b.Nondeterministic || forbidden(b.Name)
	})
	return all
})

func forbidden(builtin string) bool {
	prefixes := []string{"http.", "net.", "opa.", "rand.", "uuid.", "io.jwt.", "crypto.", "time.now_ns", "trace", "print"}
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(builtin, prefix) })
}
