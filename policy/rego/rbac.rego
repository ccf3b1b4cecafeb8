# What a person may do by a role in the organisation, and a service by its kind.
# No role here opens a conversation: content needs membership (channel.rego).
package chancery.rbac

import future.keywords.not

default account := false

account if has_role("member")

account if input.subject.kind in {"recorder", "signer"}

has_role(name) if {
	input.subject.kind == "user"
	name in input.subject.roles
}

default own := false

own if input.resource.owner == input.subject.id

allow contains "rbac.anyone_checks_health" if input.action == "system.health"

allow contains "rbac.account_reads_directory" if {
	input.action in {"org.read", "user.read", "user.list", "checkpoint.read"}
	account
}

allow contains "rbac.own_account" if {
	input.action in {
		"session.login", "session.refresh", "session.list", "session.revoke",
		"user.chain_publish", "device.enroll", "device.approve", "device.list",
		"team.list", "channel.list", "ws.connect", "checkpoint.prove",
	}
	account
	own
}

allow contains "rbac.admin_runs_organisation" if {
	input.action in {
		"org.publish", "team.create", "team.read", "team.member_add", "channel.restore",
		"capture.inspect", "capture.change",
		"admin.user_list", "system.metrics",
	}
	has_role("admin")
}

allow contains "rbac.admin_ends_session" if {
	input.action in {"session.list", "session.revoke", "device.list"}
	has_role("admin")
}

allow contains "rbac.isso_ends_session" if {
	input.action in {"session.list", "session.revoke", "device.list", "system.metrics"}
	has_role("isso")
}

allow contains "rbac.isso_reads_audit" if {
	input.action == "audit.read"
	has_role("isso")
}

allow contains "rbac.auditor_reads_audit" if {
	input.action == "audit.read"
	has_role("auditor")
}

allow contains "rbac.auditor_takes_archive" if {
	input.action == "archive.get"
	has_role("auditor")
	input.subject.id in input.resource.auditors
}

allow contains "rbac.officer_requests" if {
	input.action in {
		"hold.create", "hold.release_request",
		"retention.rule_set", "retention.plan", "retention.run",
		"export.schedule_set", "export.run",
	}
	has_role("officer")
}

# The officer is granted approval here so that dual.rego can say why it is refused.
allow contains "rbac.compliance_approves" if {
	input.action in {"hold.approve", "hold.release_approve", "retention.approve", "export.schedule_approve", "capture.handover"}
	compliance
}

allow contains "rbac.compliance_opens_matter" if {
	input.action in {"matter.create", "hold.expand"}
	compliance
}

# Two of them, who find the same, settle a dispute: devices count, not the server.
allow contains "rbac.compliance_rules" if {
	input.action == "capture.rule"
	compliance
}

allow contains "rbac.compliance_reads" if {
	input.action in {
		"hold.list", "hold.read", "matter.list",
		"retention.rule_list", "retention.plan_read", "retention.plan_list", "retention.certificate_read", "retention.why",
		"export.schedule_list", "export.read", "export.list", "archive.list", "capture.hear",
	}
	reviewer
}

# Who is to hand a channel over must see who records it; of messages they see none.
allow contains "rbac.compliance_inspects_capture" if {
	input.action == "capture.inspect"
	compliance
}

default reviewer := false

reviewer if compliance

reviewer if has_role("auditor")

default compliance := false

compliance if has_role("officer")

compliance if has_role("legal")

# A recorder compares the whole log with what it has followed before it vouches.
allow contains "rbac.recorder_cosigns" if {
	input.action in {"checkpoint.cosign", "checkpoint.follow"}
	input.subject.kind == "recorder"
}

# A stranger's cosignature is brought by somebody who can sign in.
allow contains "rbac.admin_brings_cosignature" if {
	input.action == "checkpoint.cosign"
	has_role("admin")
}

allow contains "rbac.signer_signs" if {
	input.action in {"export.sign", "export.read", "export.list", "checkpoint.sign"}
	input.subject.kind == "signer"
}

allow contains "rbac.job_runs" if {
	input.action in {"job.run", "export.run", "retention.run", "file.discard"}
	input.subject.kind == "job"
}

# A token's scopes mask every role of its owner. No scopes at all is a full session.
deny contains "rbac.out_of_scope" if {
	input.subject.scopes
	not input.action in input.subject.scopes
}
