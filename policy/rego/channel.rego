# What membership of a channel gives, and what a role in it adds.
package chancery.channel

import future.keywords.not

default member := false

member if {
	person
	input.resource.member_role in {"owner", "moderator", "member"}
}

default moderator := false

moderator if {
	person
	input.resource.member_role in {"owner", "moderator"}
}

default person := false

person if {
	input.subject.kind == "user"
	"member" in input.subject.roles
}

allow contains "channel.member_reads" if {
	input.action in {
		"channel.read", "message.list", "message.read", "file.read", "receipt.read",
		"epoch.fetch_wrap", "salt.fetch", "ws.subscribe", "retention.why", "capture.hear",
	}
	member
}

allow contains "channel.member_posts" if {
	input.action in {"message.create", "file.upload", "ws.publish_typing"}
	member
}

# Also where nothing may be posted: what goes wrong with capture must be told.
allow contains "channel.member_tells" if {
	input.action == "capture.tell"
	member
}

allow contains "channel.member_rotates" if {
	input.action in {"epoch.create", "epoch.rotate"}
	member
}

allow contains "channel.member_leaves" if {
	input.action == "channel.leave"
	member
}

allow contains "channel.author_changes_post" if {
	input.action in {"message.edit", "message.delete"}
	member
	input.resource.owner == input.subject.id
}

allow contains "channel.moderator_deletes_post" if {
	input.action == "message.delete"
	moderator
}

allow contains "channel.moderator_manages_members" if {
	input.action in {"member.add", "member.remove"}
	moderator
}

allow contains "channel.owner_governs" if {
	input.action in {"member.role_set", "channel.archive"}
	person
	input.resource.member_role == "owner"
}

allow contains "channel.person_opens_direct" if {
	input.action in {"dm.open", "group_dm.open"}
	person
	input.resource.privacy == "direct"
}

# The people of a direct conversation are fixed when it opens.
deny contains "channel.direct_is_fixed" if {
	input.action in {"member.add", "member.remove", "member.role_set"}
	not input.resource.privacy in {"public", "private"}
}

# Whoever has left must not read what is written next.
obligation contains {"type": "rotate_epoch", "args": {"reason": "member_removed"}, "phase": "after"} if {
	input.action in {"member.remove", "channel.leave"}
}
