# Nothing under a legal hold is destroyed. SEC 17a-4(f), FRCP 37(e).
package chancery.hold

import future.keywords.not

default unheld := false

unheld if input.resource.holds == 0

deny contains "hold.active" if {
	input.action in {"retention.run", "retention.confirm"}
	not unheld
}

# People may still delete: the message is hidden and kept.
obligation contains {"type": "retain", "args": {"class": "hold"}, "phase": "with"} if {
	input.action == "message.delete"
	not unheld
}
