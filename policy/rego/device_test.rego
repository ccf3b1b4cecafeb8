package chancery.device_test

import data.chancery.device

base := {
	"action": "message.create",
	"subject": {"kind": "user"},
	"resource": {},
	"context": {"device": {"id": "d_1", "state": "approved"}},
}

refused := {"device.not_approved"}

test_approved if device.deny == set() with input as base

test_not_approved if {
	every state in {"pending", "revoked", ""} {
		device.deny == refused with input as object.union(base, {"context": {"device": {"state": state}}})
	}
}

test_missing if {
	every path in {"/context", "/context/device", "/context/device/id", "/context/device/state"} {
		device.deny == refused with input as json.remove(base, [path])
	}
	device.deny == refused with input as {}
}

test_free if {
	device.deny == set() with input as {"action": "session.login", "subject": {"kind": "user"}}
	device.deny == set() with input as {"action": "message.list", "subject": {"kind": "recorder"}}
}

test_first_device if {
	first := {"action": "device.approve", "subject": {"kind": "user"}, "resource": {"first_device": true}}
	device.deny == set() with input as first
	device.deny == refused with input as object.union(first, {"resource": {"first_device": false}})
	device.deny == refused with input as object.union(first, {"action": "message.create"})
}
