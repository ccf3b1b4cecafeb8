# Two persons: one asks, another in another role approves.
package chancery.dual

import future.keywords.not

default approving := false

approving if input.action in {"hold.approve", "hold.release_approve", "retention.approve", "export.schedule_approve"}

default executing := false

executing if input.action in {"retention.run", "retention.confirm", "export.run"}

default other_person := false

other_person if input.resource.requested_by != input.subject.id

deny contains "dual.same_person" if {
	approving
	not other_person
}

deny contains "dual.wrong_role" if {
	approving
	not "legal" in input.subject.roles
}

default fresh := false

fresh if {
	every approval in input.resource.approvals {
		approval.by != input.subject.id
	}
}

deny contains "dual.approved_twice" if {
	approving
	not fresh
}

# Counted by person, not by approval, and never the one who asked.
approvers contains approval.by if {
	some approval in input.resource.approvals
	approval.by != input.resource.requested_by
	approval.role == "legal"
}

deny contains "dual.not_approved" if {
	executing
	count(approvers) == 0
}

needs["approval"] := {"role": "legal", "quorum": 1} if "dual.not_approved" in deny

obligation contains {"type": "require_approval", "args": {"role": "legal", "quorum": 1}, "phase": "with"} if {
	input.action in {"hold.create", "hold.release_request", "retention.plan", "export.schedule_set"}
}
