package chancery.team_test

import data.chancery.team

by(action, role, privacy) := {
	"action": action,
	"subject": {"id": "u_1", "kind": "user", "roles": ["member"]},
	"resource": {"team_role": role, "privacy": privacy},
}

test_member if {
	team.allow == {"team.member_reads"} with input as by("team.read", "member", "")
	team.allow == set() with input as by("team.read", "none", "")
	team.allow == {"team.member_creates_channel"} with input as by("channel.create", "member", "private")
	team.allow == set() with input as by("channel.create", "member", "direct")
	team.allow == {"team.member_reads_public_channel"} with input as by("channel.read", "member", "public")
	team.allow == set() with input as by("channel.read", "member", "private")
	team.allow == {"team.member_joins_public_channel"} with input as by("channel.join", "owner", "public")
	team.allow == set() with input as by("channel.join", "owner", "private")
}

test_owner if {
	team.allow == {"team.owner_adds"} with input as by("team.member_add", "owner", "")
	team.allow == set() with input as by("team.member_add", "member", "")
}

test_missing if {
	every path in {"/subject/kind", "/subject/roles", "/resource/team_role"} {
		question := json.remove(by("team.read", "member", ""), [path])
		team.allow == set() with input as question
	}
}
