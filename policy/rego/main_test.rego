package chancery.main_test

import data.chancery.main

member_posts := {
	"action": "message.create",
	"subject": {"id": "u_1", "kind": "user", "state": "active", "roles": ["member"]},
	"resource": {
		"type": "channel", "id": "c_1", "state": "active", "privacy": "private", "member_role": "member",
		"crypto": {"capture": "required", "epoch": 3, "recorder_acked": true},
	},
	"context": {
		"time": 1000,
		"device": {"id": "d_1", "state": "approved"},
		"session": {"id": "s_1", "auth_at": 900, "expires_at": 2000},
	},
}

test_grant_without_denial_allows if {
	decision := main.decision with input as member_posts
	decision.allow
	decision.valid_until == 2000
	decision.needs == {}
	decision.reasons == {{"code": "channel.member_posts", "level": "grant", "user_text": ""}}
	decision.obligations == {{"type": "require_ack", "args": {"epoch": 3}, "phase": "with"}}
}

test_no_grant_refuses if {
	decision := main.decision with input as {}
	decision.allow == false
	decision.valid_until == 0
	"main.no_rule" in {reason.code | some reason in decision.reasons}
}

test_denial_beats_grant if {
	decision := main.decision with input as object.union(member_posts, {"resource": {"state": "archived"}})
	decision.allow == false
	decision.obligations == set()
	{reason.code | some reason in decision.reasons} == {"lifecycle.channel_archived"}
}

tired := object.union(member_posts, {"context": {"time": 50000, "session": {"expires_at": 60000}}})

test_soft_denial_refuses if {
	main.decision.allow == false with input as tired
}

test_soft_denial_yields_to_override if {
	excused := object.union(tired, {"context": {"overrides": [{"code": "session.too_old", "until": 50001}]}})
	main.decision.allow with input as excused
}

test_ended_override_refuses if {
	excused := object.union(tired, {"context": {"overrides": [{"code": "session.too_old", "until": 50000}]}})
	main.decision.allow == false with input as excused
}

test_unknown_level_refuses if {
	decision := main.decision with input as object.union(member_posts, {"resource": {"state": "archived"}})
		with data.enforcement as {"lifecycle.channel_archived": {"level": "hrad"}}
	decision.allow == false
}

test_advisory_only_records if {
	decision := main.decision with input as object.union(member_posts, {"resource": {"state": "archived"}})
		with data.enforcement as {"lifecycle.channel_archived": {"level": "advisory"}}
	decision.allow
	some reason in decision.reasons
	reason == {"code": "lifecycle.channel_archived", "level": "advisory", "user_text": ""}
}
