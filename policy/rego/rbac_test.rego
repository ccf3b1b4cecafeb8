package chancery.rbac_test

import data.chancery.rbac

by(action, role) := {"action": action, "subject": {"id": "u_1", "kind": "user", "roles": ["member", role]}, "resource": {"owner": "u_2"}}

service(action, kind) := {"action": action, "subject": {"id": "s_1", "kind": kind}, "resource": {"owner": "s_1"}}

test_roles if {
	every action, expected in {
		"org.publish": {"admin": "rbac.admin_runs_organisation"},
		"session.revoke": {"admin": "rbac.admin_ends_session", "isso": "rbac.isso_ends_session"},
		"audit.read": {"isso": "rbac.isso_reads_audit", "auditor": "rbac.auditor_reads_audit"},
		"hold.create": {"officer": "rbac.officer_requests"},
		"hold.approve": {"officer": "rbac.compliance_approves", "legal": "rbac.compliance_approves"},
		"matter.create": {"officer": "rbac.compliance_opens_matter", "legal": "rbac.compliance_opens_matter"},
		"hold.read": {
			"officer": "rbac.compliance_reads", "legal": "rbac.compliance_reads",
			"auditor": "rbac.compliance_reads",
		},
	} {
		every role in {"admin", "officer", "legal", "auditor", "isso"} {
			granted := rbac.allow with input as by(action, role)
			granted == {expected[role] | expected[role]}
		}
	}
}

test_roles_are_for_people if {
	every kind in {"recorder", "signer", "job", "anonymous"} {
		question := object.union(by("org.publish", "admin"), {"subject": {"kind": kind}})
		rbac.allow == set() with input as question
	}
}

test_services if {
	rbac.allow == {"rbac.signer_signs"} with input as service("export.sign", "signer")
	rbac.allow == set() with input as service("export.sign", "recorder")
	rbac.allow == {"rbac.job_runs"} with input as service("job.run", "job")
	rbac.allow == {"rbac.job_runs"} with input as service("file.discard", "job")
	rbac.allow == {"rbac.own_account"} with input as service("session.login", "recorder")
	rbac.allow == {"rbac.account_reads_directory"} with input as service("org.read", "signer")
}

test_health_is_for_anyone if {
	rbac.allow == {"rbac.anyone_checks_health"} with input as {"action": "system.health"}
}

test_own_account if {
	mine := object.union(by("session.revoke", "member"), {"resource": {"owner": "u_1"}})
	rbac.allow == {"rbac.own_account"} with input as mine
	rbac.allow == set() with input as by("session.revoke", "member")
	rbac.allow == set() with input as object.remove(mine, ["resource"])
}

test_archive_is_for_whom_it_is_addressed_to if {
	mine := object.union(by("archive.get", "auditor"), {"resource": {"auditors": ["u_1"]}})
	rbac.allow == {"rbac.auditor_takes_archive"} with input as mine
	rbac.allow == set() with input as object.union(mine, {"resource": {"auditors": ["u_2"]}})
	rbac.allow == set() with input as by("archive.get", "auditor")
	rbac.allow == set() with input as object.union(mine, {"subject": {"roles": ["officer"]}})
}

test_scopes_mask if {
	base := by("org.read", "member")
	rbac.deny == set() with input as base
	rbac.deny == set() with input as object.union(base, {"subject": {"scopes": ["org.read"]}})
	rbac.deny == {"rbac.out_of_scope"} with input as object.union(base, {"subject": {"scopes": ["user.read"]}})
	rbac.deny == {"rbac.out_of_scope"} with input as object.union(base, {"subject": {"scopes": []}})
}
