# Two persons: one asks, another in another role approves. Each rule names its
# actions itself: rules are indexed by that, so all other actions cost nothing here.
package chancery.dual

import future.keywords.not

default other_person := false

other_person if input.resource.requested_by != input.subject.id

deny contains "dual.same_person" if {
	input.action in {"hold.approve", "hold.release_approve", "retention.approve", "export.schedule_approve", "capture.handover"}
	not other_person
}

deny contains "dual.wrong_role" if {
	input.action in {"hold.approve", "hold.release_approve", "retention.approve", "export.schedule_approve", "capture.handover"}
	not "legal" in input.subject.roles
}

default fresh := false

fresh if {
	every approval in input.resource.approvals {
		approval.by != input.subject.id
	}
}

deny contains "dual.approved_twice" if {
	input.action in {"hold.approve", "hold.release_approve", "retention.approve", "export.schedule_approve", "capture.handover"}
	not fresh
}

# Counted by person, not by approval, and never the one who asked.
approvers contains approval.by if {
	some approval in input.resource.approvals
	approval.by != input.resource.requested_by
	approval.role == "legal"
}

deny contains "dual.not_approved" if {
	input.action in {"retention.run", "retention.confirm", "export.run"}
	count(approvers) == 0
}

needs["approval"] := {"role": "legal", "quorum": 1} if {
	input.action in {"retention.run", "retention.confirm", "export.run"}
	"dual.not_approved" in deny
}

obligation contains {"type": "require_approval", "args": {"role": "legal", "quorum": 1}, "phase": "with"} if {
	input.action in {"hold.create", "hold.release_request", "retention.plan", "export.schedule_set"}
}
