package chancery.hold_test

import data.chancery.hold

of(action, holds) := {"action": action, "resource": {"holds": holds}}

test_disposal if {
	every action in {"retention.run", "retention.confirm"} {
		hold.deny == set() with input as of(action, 0)
		hold.deny == {"hold.active"} with input as of(action, 1)
		hold.deny == {"hold.active"} with input as of(action, "0")
		hold.deny == {"hold.active"} with input as {"action": action, "resource": {}}
		hold.deny == {"hold.active"} with input as {"action": action}
	}
	hold.deny == set() with input as of("message.delete", 1)
}

test_delete_keeps_what_is_held if {
	kept := {{"type": "retain", "args": {"class": "hold"}, "phase": "with"}}
	hold.obligation == kept with input as of("message.delete", 1)
	hold.obligation == kept with input as {"action": "message.delete"}
	hold.obligation == set() with input as of("message.delete", 0)
}
