# Combines what the other packages found into one decision. Nothing is allowed
# unless some package grants it and no blocking denial remains.
package chancery.main

import data.chancery.capture
import data.chancery.channel
import data.chancery.device
import data.chancery.dual
import data.chancery.hold
import data.chancery.lifecycle
import data.chancery.rbac
import data.chancery.session
import data.chancery.team
import data.chancery.user
import future.keywords.not

decision := {
	"allow": allow,
	"reasons": reasons,
	"obligations": obligations,
	"needs": dual.needs,
	"valid_until": valid_until,
}

default allow := false

allow if {
	grants != set()
	blocking == set()
}

# One rule a package, here and below: a union with a package that lost its last
# rule is undefined, and would take the denials of all the others with it.
grants contains code if some code in rbac.allow

grants contains code if some code in team.allow

grants contains code if some code in channel.allow

grants contains code if some code in capture.allow

grants contains code if some code in user.allow

denials contains code if some code in capture.deny

denials contains code if some code in channel.deny

denials contains code if some code in device.deny

denials contains code if some code in dual.deny

denials contains code if some code in hold.deny

denials contains code if some code in lifecycle.deny

denials contains code if some code in rbac.deny

denials contains code if some code in session.deny

denials contains code if some code in user.deny

# A denial blocks unless its level lifts it, so an unknown level blocks.
blocking contains code if {
	some code in denials
	not lifted(code)
}

lifted(code) if level(code) == "advisory"

lifted(code) if {
	level(code) == "soft"
	some override in input.context.overrides
	override.code == code
	override.until > input.context.time
}

level(code) := object.get(data.enforcement, [code, "level"], "hard")

weight(code) := "advisory" if lifted(code)

weight(code) := level(code) if not lifted(code)

user_text(code) := object.get(data.enforcement, [code, "user_text"], "")

reasons contains {"code": code, "level": "grant", "user_text": ""} if {
	allow
	some code in grants
}

reasons contains {"code": code, "level": weight(code), "user_text": user_text(code)} if some code in denials

reasons contains {"code": "main.no_rule", "level": "hard", "user_text": user_text("main.no_rule")} if grants == set()

obligations contains duty if {
	allow
	some duty in duties
}

duties contains duty if some duty in capture.obligation

duties contains duty if some duty in channel.obligation

duties contains duty if some duty in dual.obligation

duties contains duty if some duty in hold.obligation

duties contains duty if some duty in user.obligation

default valid_until := 0

valid_until := min(session.valid_until) if {
	allow
	session.valid_until != set()
}
