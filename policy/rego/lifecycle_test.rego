package chancery.lifecycle_test

import data.chancery.lifecycle

base := {"action": "message.create", "subject": {"kind": "user", "state": "active"}, "resource": {"state": "active"}}

test_active if lifecycle.deny == set() with input as base

test_disabled_or_unknown_user if {
	lifecycle.deny == {"lifecycle.user_disabled"} with input as object.union(base, {"subject": {"state": "disabled"}})
	lifecycle.deny == {"lifecycle.user_disabled"} with input as json.remove(base, ["/subject/state"])
}

test_archived_or_unknown_channel if {
	lifecycle.deny == {"lifecycle.channel_archived"} with input as object.union(base, {"resource": {"state": "archived"}})
	lifecycle.deny == {"lifecycle.channel_archived"} with input as json.remove(base, ["/resource"])
}

test_archived_channel_is_read if {
	lifecycle.deny == set() with input as object.union(base, {"action": "message.list", "resource": {"state": "archived"}})
}

test_stateless if {
	lifecycle.deny == set() with input as {"action": "job.run", "subject": {"kind": "job"}}
	lifecycle.deny == set() with input as {"action": "system.health"}
}
