package gate

import "testing"

func TestAttackEmptyParty(t *testing.T) {
	if Enter(0) == nil {
		t.Error("an empty party came in")
	}
}

func TestEnter(t *testing.T) {
	if err := Enter(2); err != nil || entered != 2 {
		t.Error(err)
	}
	if Enter(5) == nil {
		t.Error("too large a party came in")
	}
}
