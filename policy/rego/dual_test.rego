package chancery.dual_test

import data.chancery.dual

approve := {
	"action": "hold.approve",
	"subject": {"id": "u_2", "roles": ["member", "legal"]},
	"resource": {"requested_by": "u_1", "approvals": []},
}

test_other_person_in_other_role if dual.deny == set() with input as approve

test_same_person if {
	dual.deny == {"dual.same_person"} with input as object.union(approve, {"resource": {"requested_by": "u_2"}})
	dual.deny == {"dual.same_person"} with input as json.remove(approve, ["/resource/requested_by"])
}

test_wrong_role if {
	dual.deny == {"dual.wrong_role"} with input as object.union(approve, {"subject": {"roles": ["member", "officer"]}})
	dual.deny == {"dual.wrong_role"} with input as json.remove(approve, ["/subject/roles"])
}

test_twice if {
	dual.deny == {"dual.approved_twice"} with input as object.union(approve, {"resource": {"approvals": [{"by": "u_2"}]}})
	dual.deny == {"dual.approved_twice"} with input as object.union(approve, {"resource": {"approvals": [{}]}})
	dual.deny == {"dual.approved_twice"} with input as json.remove(approve, ["/resource/approvals"])
	dual.deny == set() with input as object.union(approve, {"resource": {"approvals": [{"by": "u_3"}]}})
}

run := {"action": "retention.run", "resource": {"requested_by": "u_1", "approvals": [{"by": "u_2", "role": "legal"}]}}

test_approved_run if {
	dual.deny == set() with input as run
	dual.needs == {} with input as run
}

test_run_without_approval if {
	every approvals in {[], [{"by": "u_2"}], [{"by": "u_2", "role": "officer"}], [{"by": "u_1", "role": "legal"}]} {
		question := object.union(run, {"resource": {"approvals": approvals}})
		dual.deny == {"dual.not_approved"} with input as question
		dual.needs == {"approval": {"role": "legal", "quorum": 1}} with input as question
	}
	dual.deny == {"dual.not_approved"} with input as json.remove(run, ["/resource/requested_by"])
	dual.deny == {"dual.not_approved"} with input as json.remove(run, ["/resource"])
}

test_request_waits_for_approval if {
	every action in {"hold.create", "hold.release_request", "retention.plan", "export.schedule_set"} {
		dual.obligation == {{"type": "require_approval", "args": {"role": "legal", "quorum": 1}, "phase": "with"}} with input as {"action": action}
	}
	dual.obligation == set() with input as {"action": "hold.expand"}
}
