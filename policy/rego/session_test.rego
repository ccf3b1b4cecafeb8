package chancery.session_test

import data.chancery.session

base := {
	"action": "message.create",
	"subject": {"kind": "user"},
	"context": {"time": 50000, "session": {"id": "s_1", "auth_at": 49000, "expires_at": 60000}},
}

test_live if {
	session.deny == set() with input as base
	session.valid_until == {60000} with input as base
}

test_edges if {
	session.deny == {"session.expired"} with input as object.union(base, {"context": {"session": {"expires_at": 50000}}})
	session.deny == set() with input as object.union(base, {"context": {"session": {"auth_at": 6800}}})
	session.deny == {"session.too_old"} with input as object.union(base, {"context": {"session": {"auth_at": 6799}}})
}

test_missing if {
	session.deny == {"session.missing"} with input as json.remove(base, ["/context/session/id"])
	session.deny == {"session.expired"} with input as json.remove(base, ["/context/session/expires_at"])
	session.deny == {"session.too_old"} with input as json.remove(base, ["/context/session/auth_at"])
	session.deny == {"session.expired", "session.too_old"} with input as json.remove(base, ["/context/time"])
	session.deny == {"session.missing", "session.expired", "session.too_old"} with input as {}
}

test_service_stays if {
	old := object.union(base, {"subject": {"kind": "recorder"}, "context": {"session": {"auth_at": 0}}})
	session.deny == set() with input as old
}

test_free if {
	session.deny == set() with input as {"action": "session.login"}
	session.deny == set() with input as {"action": "job.run", "subject": {"kind": "job"}}
	session.valid_until == set() with input as {"action": "session.login"}
}
