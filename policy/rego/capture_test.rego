package chancery.capture_test

import data.chancery.capture

post := {
	"action": "message.create",
	"subject": {"kind": "user"},
	"resource": {"crypto": {"capture": "required", "epoch": 3, "recorder_acked": true}},
}

unacked := {"capture.not_acknowledged"}

test_acknowledged if {
	capture.deny == set() with input as post
	capture.obligation == {{"type": "require_ack", "args": {"epoch": 3}, "phase": "with"}} with input as post
}

test_not_acknowledged if {
	capture.deny == unacked with input as object.union(post, {"resource": {"crypto": {"recorder_acked": false}}})
	every path in {"/resource", "/resource/crypto", "/resource/crypto/recorder_acked"} {
		capture.deny == unacked with input as json.remove(post, [path])
	}
}

test_unknown_capture_is_required if {
	every capture_mode in {"", "OFF", "none"} {
		question := object.union(post, {"resource": {"crypto": {"capture": capture_mode, "recorder_acked": false}}})
		capture.deny == unacked with input as question
	}
}

test_off if {
	off := {"action": "message.create", "resource": {"crypto": {"capture": "off"}}}
	capture.deny == set() with input as off
	capture.obligation == set() with input as off
	capture.deny == {"capture.off"} with input as object.union(off, {"action": "channel.create"})
}

test_new_channel_gets_its_recorder if {
	required := {{"type": "require_recorder", "args": {}, "phase": "with"}}
	capture.obligation == required with input as {"action": "channel.create"}
}

listed := {"subject": {"id": "r_1", "kind": "recorder"}, "resource": {"recorders": ["r_1"]}}

test_recorder if {
	capture.allow == {"capture.recorder_serves"} with input as object.union(listed, {"action": "capture.ack"})
	capture.allow == {"capture.recorder_reads"} with input as object.union(listed, {"action": "message.list"})
	capture.allow == {"capture.recorder_judges"} with input as object.union(listed, {"action": "hold.list"})
	capture.allow == set() with input as object.union(listed, {"action": "message.create"})
	capture.allow == set() with input as object.union(listed, {"action": "capture.ack", "subject": {"kind": "user"}})
}

test_listing if {
	every action in {"capture.ack", "message.list"} {
		question := object.union(listed, {"action": action})
		capture.deny == set() with input as question
		capture.deny == {"capture.not_listed"} with input as object.union(question, {"resource": {"recorders": ["r_2"]}})
		capture.deny == {"capture.not_listed"} with input as object.union(question, {"resource": {"recorders": []}})
		capture.deny == {"capture.not_listed"} with input as json.remove(question, ["/resource/recorders"])
		capture.deny == {"capture.not_listed"} with input as json.remove(question, ["/resource"])
	}
}
