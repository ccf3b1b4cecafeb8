# Everything but signing in happens inside a live session. Time comes from the
# input only, so that a decision can be replayed.
package chancery.session

import future.keywords.not

default free := false

free if input.action in {"session.login", "system.health"}

free if input.subject.kind == "job"

deny contains "session.missing" if {
	not free
	not input.context.session.id
}

deny contains "session.expired" if {
	not free
	not input.context.session.expires_at > input.context.time
}

# Services stay signed in; a person proves who they are again every twelve hours.
deny contains "session.too_old" if {
	not free
	not input.subject.kind in {"recorder", "signer"}
	not input.context.time - input.context.session.auth_at <= 43200
}

valid_until contains input.context.session.expires_at if not free
