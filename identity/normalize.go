package identity

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Normalize returns the one spelling of a login name that lookup, lockout,
// second factors and audit share: NFKC, case folded, spaces trimmed and runs
// of them made one, invisible characters dropped.
//
// The last two follow RFC 4518: a directory matches "al\u00adice" to "alice",
// so a lockout that counted them apart could be walked around.
func Normalize(name string) string {
	name = norm.NFKC.String(strings.ToValidUTF8(name, "\uFFFD"))
	name = strings.Join(strings.Fields(strings.Map(fold, strings.Map(visible, name))), " ")
	// Folding and dropping can leave marks uncomposed.
	return norm.NFKC.String(name)
}

// fold goes through upper case, which joins letters of one capital (σ and ς).
// The full folding of golang.org/x/text is not used: it swaps the two cases of
// Cherokee, so that its result depends on how often it is applied.
func fold(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

func visible(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector):
		return -1
	}
	return r
}
