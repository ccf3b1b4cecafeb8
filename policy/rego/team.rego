# What membership of a team gives.
package chancery.team

default member := false

member if {
	input.subject.kind == "user"
	"member" in input.subject.roles
	input.resource.team_role in {"owner", "member"}
}

allow contains "team.member_reads" if {
	input.action == "team.read"
	member
}

allow contains "team.owner_adds" if {
	input.action == "team.member_add"
	member
	input.resource.team_role == "owner"
}

allow contains "team.member_creates_channel" if {
	input.action == "channel.create"
	member
	input.resource.privacy in {"public", "private"}
}

allow contains "team.member_reads_public_channel" if {
	input.action == "channel.read"
	member
	input.resource.privacy == "public"
}

allow contains "team.member_joins_public_channel" if {
	input.action == "channel.join"
	member
	input.resource.privacy == "public"
}
