# What the state of an account or a channel forbids.
package chancery.lifecycle

import future.keywords.not

deny contains "lifecycle.user_disabled" if {
	not input.subject.kind == "job"
	not input.action == "system.health"
	not input.subject.state == "active"
}

deny contains "lifecycle.channel_archived" if {
	input.action in {
		"message.create", "message.edit", "file.upload", "ws.publish_typing",
		"epoch.create", "epoch.rotate", "member.add", "member.role_set",
		"channel.join", "channel.archive",
	}
	not input.resource.state == "active"
}
