# A channel under required capture takes nothing that its recorder cannot open,
# and only a listed recorder acts as one.
package chancery.capture

import future.keywords.not

serves := {"capture.ack", "capture.cover", "capture.reseal", "capture.tell", "retention.confirm", "export.openings_put"}

reads := {
	"channel.read", "message.list", "message.read", "file.read", "receipt.read",
	"epoch.fetch_wrap", "salt.fetch", "ws.subscribe", "capture.hear",
}

allow contains "capture.recorder_serves" if {
	input.action in serves
	input.subject.kind == "recorder"
}

allow contains "capture.recorder_reads" if {
	input.action in reads
	input.subject.kind == "recorder"
}

# It judges a disposal by itself, so it must see what was planned and what is held.
allow contains "capture.recorder_judges" if {
	input.action in {"hold.list", "hold.read", "retention.rule_list", "retention.plan_read", "retention.plan_list", "retention.certificate_read", "export.read", "export.list"}
	input.subject.kind == "recorder"
}

deny contains "capture.not_listed" if {
	input.action in (serves | reads)
	input.subject.kind == "recorder"
	not input.subject.id in input.resource.recorders
}

default off := false

off if input.resource.crypto.capture == "off"

# Anything but a plain "off" is required.
deny contains "capture.not_acknowledged" if {
	input.action in {"message.create", "message.edit", "file.upload"}
	not off
	not input.resource.crypto.recorder_acked == true
}

deny contains "capture.off" if {
	input.action in {"channel.create", "dm.open", "group_dm.open"}
	off
}

# The acknowledgement is looked at again inside the transaction.
obligation contains {"type": "require_ack", "args": {"epoch": input.resource.crypto.epoch}, "phase": "with"} if {
	input.action in {"message.create", "message.edit", "file.upload"}
	not off
}

obligation contains {"type": "require_recorder", "args": {}, "phase": "with"} if {
	input.action in {"channel.create", "dm.open", "group_dm.open"}
	not off
}
