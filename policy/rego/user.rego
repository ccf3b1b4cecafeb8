# Who ends the use of an account, and what follows for the channels of whoever
# is behind it.
package chancery.user

import future.keywords.not

default admin := false

admin if {
	input.subject.kind == "user"
	"admin" in input.subject.roles
}

allow contains "user.admin_ends_account" if {
	input.action in {"user.disable", "user.enable"}
	admin
}

# What a directory says is found by a job. It ends accounts and restores none.
allow contains "user.directory_ends_account" if {
	input.action == "user.disable"
	input.subject.kind == "job"
}

allow contains "user.server_ends_membership" if {
	input.action == "member.depart"
	input.subject.kind == "job"
}

# The link itself is the proof; the server only carries it.
allow contains "user.server_tells_channel" if {
	input.action == "channel.sync"
	input.subject.kind == "job"
}

# The right to bring a second removal key: the key decides, this opens the door.
allow contains "user.admin_countersigns" if {
	input.action in {"member.depart", "member.departure_list"}
	admin
}

deny contains "user.not_disabled" if {
	input.action == "member.depart"
	not input.resource.member_state == "disabled"
}

deny contains "user.own_account" if {
	input.action == "user.disable"
	not others_account
}

default others_account := false

others_account if input.resource.owner != input.subject.id

# Whoever has left must not read what is written next.
obligation contains {"type": "rotate_epoch", "args": {"reason": "member_removed"}, "phase": "after"} if {
	input.action == "member.depart"
}
