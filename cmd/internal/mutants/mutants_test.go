package main

import (
	"maps"
	"testing"
)

// TestGate runs the mutants of a package whose tests look at no bound exactly.
func TestGate(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a package")
	}
	s, err := load("./testdata/gate", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, checks := map[string]string{}, map[string]string{}
	for n, m := range s.mutants {
		killers, err := s.killers(n+1, m.reason != "")
		if err != nil {
			t.Fatal(err)
		}
		seen := "nothing"
		if len(killers) > 0 {
			seen = killers[0]
		}
		got[m.key] = seen
		if m.reason != "" {
			checks[m.key] = m.reason
		}
	}
	want := map[string]string{
		"gate/gate.go Enter: never party < 1 || party > most":        "TestAttackEmptyParty",
		"gate/gate.go Enter: always party < 1 || party > most":       "TestEnter",
		"gate/gate.go Enter: && for || in party < 1 || party > most": "TestAttackEmptyParty",
		"gate/gate.go Enter: no clause party < 1":                    "TestAttackEmptyParty",
		"gate/gate.go Enter: no clause party > most":                 "TestEnter",
		"gate/gate.go Enter: other comparison in party < 1":          "nothing",
		"gate/gate.go Enter: one more than 1":                        "nothing",
		"gate/gate.go Enter: other comparison in party > most":       "nothing",
		"gate/gate.go Enter: one more than most":                     "nothing",
		"gate/gate.go Enter: no error from errClosed":                "TestAttackEmptyParty",
		"gate/gate.go Enter: no pass over party":                     "TestEnter",
		"gate/gate.go Enter: without entered++":                      "TestEnter",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if len(checks) != 2 || checks["gate/gate.go Enter: no clause party < 1"] == "" || checks["gate/gate.go Enter: no clause party > most"] == "" {
		t.Errorf("checks are %v", checks)
	}
}
