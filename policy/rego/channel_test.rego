package chancery.channel_test

import data.chancery.channel

by(action, role) := {
	"action": action,
	"subject": {"id": "u_1", "kind": "user", "roles": ["member"]},
	"resource": {"member_role": role, "owner": "u_2", "privacy": "private"},
}

test_roles if {
	every action, expected in {
		"message.list": {"member": "channel.member_reads", "moderator": "channel.member_reads", "owner": "channel.member_reads"},
		"message.create": {"member": "channel.member_posts", "moderator": "channel.member_posts", "owner": "channel.member_posts"},
		"epoch.rotate": {"member": "channel.member_rotates", "moderator": "channel.member_rotates", "owner": "channel.member_rotates"},
		"channel.leave": {"member": "channel.member_leaves", "moderator": "channel.member_leaves", "owner": "channel.member_leaves"},
		"message.delete": {"moderator": "channel.moderator_deletes_post", "owner": "channel.moderator_deletes_post"},
		"member.add": {"moderator": "channel.moderator_manages_members", "owner": "channel.moderator_manages_members"},
		"channel.archive": {"owner": "channel.owner_governs"},
	} {
		every role in {"owner", "moderator", "member", "none", "Owner", ""} {
			granted := channel.allow with input as by(action, role)
			granted == {expected[role] | expected[role]}
		}
	}
}

test_author if {
	mine := object.union(by("message.edit", "member"), {"resource": {"owner": "u_1"}})
	channel.allow == {"channel.author_changes_post"} with input as mine
	channel.allow == set() with input as by("message.edit", "owner")
	channel.allow == set() with input as object.union(mine, {"resource": {"member_role": "none"}})
}

test_direct if {
	channel.allow == {"channel.person_opens_direct"} with input as object.union(by("dm.open", "none"), {"resource": {"privacy": "direct"}})
	channel.allow == set() with input as by("dm.open", "none")
	channel.deny == {"channel.direct_is_fixed"} with input as object.union(by("member.add", "owner"), {"resource": {"privacy": "direct"}})
	channel.deny == {"channel.direct_is_fixed"} with input as json.remove(by("member.add", "owner"), ["/resource/privacy"])
	channel.deny == set() with input as by("member.add", "owner")
}

test_leaving_rotates if {
	rotation := {{"type": "rotate_epoch", "args": {"reason": "member_removed"}, "phase": "after"}}
	channel.obligation == rotation with input as by("member.remove", "owner")
	channel.obligation == rotation with input as by("channel.leave", "member")
	channel.obligation == set() with input as by("member.add", "owner")
}

test_missing if {
	every path in {"/subject/kind", "/subject/roles", "/resource/member_role"} {
		channel.allow == set() with input as json.remove(by("message.create", "member"), [path])
	}
}
