package chancery.user_test

import data.chancery.user

by(action, kind, roles) := {
	"action": action,
	"subject": {"id": "u_1", "kind": kind, "roles": roles},
	"resource": {"owner": "u_2", "member_state": "disabled"},
}

test_who_ends_accounts if {
	user.allow == {"user.admin_ends_account"} with input as by("user.disable", "user", ["member", "admin"])
	user.allow == {"user.admin_ends_account"} with input as by("user.enable", "user", ["admin"])
	user.allow == {"user.directory_ends_account"} with input as by("user.disable", "job", [])
	user.allow == set() with input as by("user.enable", "job", [])
	user.allow == set() with input as by("user.disable", "user", ["member"])
}

test_who_ends_memberships if {
	user.allow == {"user.server_ends_membership"} with input as by("member.depart", "job", [])
	user.allow == {"user.admin_countersigns"} with input as by("member.depart", "user", ["admin"])
	user.allow == set() with input as by("member.depart", "recorder", ["admin"])
	user.deny == set() with input as by("member.depart", "job", [])
}

test_who_tells_channels if {
	user.allow == {"user.server_tells_channel"} with input as by("channel.sync", "job", [])
	user.allow == set() with input as by("channel.sync", "user", ["admin"])
	user.allow == set() with input as by("channel.sync", "recorder", [])
	user.deny == set() with input as by("channel.sync", "job", [])
}

test_only_of_the_disabled if {
	every path in {"/resource/member_state", "/resource"} {
		question := json.remove(by("member.depart", "job", []), [path])
		user.deny == {"user.not_disabled"} with input as question
	}
}

test_own_account if {
	question := by("user.disable", "user", ["admin"])
	user.deny == set() with input as question
	user.deny == {"user.own_account"} with input as json.patch(question, [{"op": "replace", "path": "/resource/owner", "value": "u_1"}])
	user.deny == {"user.own_account"} with input as json.remove(question, ["/resource/owner"])
}
