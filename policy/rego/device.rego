# Keys live on devices, so whatever touches content or is signed by a person
# needs an approved one. What is not listed as free needs it.
package chancery.device

import future.keywords.not

default free := false

free if input.subject.kind in {"recorder", "signer", "job"}

free if input.action in {
	"session.login", "session.refresh", "session.list", "session.revoke",
	"user.read", "user.list", "user.chain_publish", "device.enroll", "device.list",
	"org.read", "org.publish", "team.create", "team.read", "team.list", "team.member_add",
	"channel.read", "channel.list", "channel.restore", "capture.inspect", "capture.change", "ws.connect",
	"hold.list", "hold.read", "matter.list",
	"retention.rule_list", "retention.plan_read", "retention.plan_list", "retention.certificate_read", "retention.why",
	"export.schedule_list", "export.read", "export.list", "archive.list", "archive.get",
	"audit.read", "checkpoint.read", "system.health", "system.metrics",
	"admin.user_list", "user.disable", "user.enable", "member.depart", "member.departure_list",
}

# Nobody else can vouch for the first device of an account.
free if {
	input.action == "device.approve"
	input.resource.first_device == true
}

default approved := false

approved if {
	input.context.device.id
	input.context.device.state == "approved"
}

deny contains "device.not_approved" if {
	not free
	not approved
}
