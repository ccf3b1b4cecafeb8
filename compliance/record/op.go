package record

import "strings"

// Class groups operations as records.md §1 does.
type Class string

// Op is what happened, as "class.verb". The catalogue below is closed: an
// operation that is not in it can't be recorded, so none happens unnamed.
type Op string

const (
	// Messages. Object is empty; the entry's hashes say which.
	MessageCreate Op = "msg.create"
	MessageEdit   Op = "msg.edit"
	MessageDelete Op = "msg.user_delete"

	// Members of channels.
	MemberAdd    Op = "mem.add"
	MemberRemove Op = "mem.remove"
	MemberRole   Op = "mem.role"

	// Channels and teams.
	ChannelCreate   Op = "chn.create"
	ChannelSync     Op = "chn.sync"
	ChannelRestore  Op = "chn.restore"
	ChannelHandover Op = "chn.handover"
	ChannelArchive  Op = "chn.archive"
	TeamCreate      Op = "chn.team_create"
	TeamMember      Op = "chn.team_member"

	// Sealed files. Object is the blob id.
	FileUpload  Op = "file.upload"
	FileRead    Op = "file.read"
	FileDiscard Op = "file.discard"

	// Keys.
	UserCreate       Op = "key.user_create"
	DevicePropose    Op = "key.device_propose"
	DeviceAnswer     Op = "key.device_answer"
	DeviceReveal     Op = "key.device_reveal"
	DeviceSign       Op = "key.device_sign"
	DeviceRefuse     Op = "key.device_refuse"
	DeviceAdd        Op = "key.device_add"
	DeviceRevoke     Op = "key.device_revoke"
	UserRenew        Op = "key.user_renew"
	RecoverySet      Op = "key.recovery_set"
	RecoveryUse      Op = "key.recovery_use"
	EpochStart       Op = "key.epoch_start"
	EpochAcknowledge Op = "key.acknowledge"
	Cover            Op = "key.cover"
	Notice           Op = "key.notice" // a statement, alarm, dispute or ruling

	// Policy.
	PolicyDeny     Op = "pol.deny"
	PolicyActivate Op = "pol.activate"

	// Sessions.
	SessionCreate Op = "ses.create"
	SessionBind   Op = "ses.bind"
	SessionEnd    Op = "ses.end"
	SessionRefuse Op = "ses.refuse"

	// Administration.
	OrgCreate      Op = "adm.org_create"
	OrgLink        Op = "adm.org_link"
	Cosign         Op = "adm.cosign"
	AccountCreate  Op = "adm.account_create"
	AccountUpdate  Op = "adm.account_update"
	AccountDisable Op = "adm.account_disable"
	AccountEnable  Op = "adm.account_enable"
	ServerStart    Op = "cfg.start"
	ServerStop     Op = "cfg.stop"

	// Holds. Object is the matter or the hold.
	MatterCreate       Op = "hold.matter_create"
	MatterClose        Op = "hold.matter_close"
	HoldCreate         Op = "hold.create"
	HoldApprove        Op = "hold.approve"
	HoldReleaseRequest Op = "hold.release_request"
	HoldReleaseApprove Op = "hold.release_approve"
	HoldClose          Op = "hold.close"

	// Retention. Object is the rule or the plan.
	RuleSet     Op = "ret.rule_set"
	PlanMake    Op = "ret.plan"
	PlanApprove Op = "ret.approve"
	PlanRun     Op = "ret.run"
	PlanStop    Op = "ret.stop"
	PlanConfirm Op = "ret.confirm"
	PlanCertify Op = "ret.certify"

	// Exports. Object is the schedule or the archive.
	ScheduleSet     Op = "exp.schedule_set"
	ScheduleApprove Op = "exp.schedule_approve"
	ExportCut       Op = "exp.cut"
	ExportWrite     Op = "exp.write"
	ExportSeal      Op = "exp.seal"
	ExportSign      Op = "exp.sign"
	ExportDeliver   Op = "exp.deliver"
	ExportFail      Op = "exp.fail"

	// Evidence that somebody asked for, and what could not be recorded.
	EvidenceRead Op = "acc.read"
	Unrecorded   Op = "exc.unrecorded"
)

// Ops is the whole catalogue, in the order above.
var Ops = []Op{
	MessageCreate, MessageEdit, MessageDelete,
	MemberAdd, MemberRemove, MemberRole,
	ChannelCreate, ChannelSync, ChannelRestore, ChannelHandover, ChannelArchive, TeamCreate, TeamMember,
	FileUpload, FileRead, FileDiscard,
	UserCreate, DevicePropose, DeviceAnswer, DeviceReveal, DeviceSign, DeviceRefuse, DeviceAdd, DeviceRevoke, UserRenew, RecoverySet, RecoveryUse, EpochStart, EpochAcknowledge, Cover, Notice,
	PolicyDeny, PolicyActivate,
	SessionCreate, SessionBind, SessionEnd, SessionRefuse,
	OrgCreate, OrgLink, Cosign, AccountCreate, AccountUpdate, AccountDisable, AccountEnable, ServerStart, ServerStop,
	MatterCreate, MatterClose, HoldCreate, HoldApprove, HoldReleaseRequest, HoldReleaseApprove, HoldClose,
	RuleSet, PlanMake, PlanApprove, PlanRun, PlanStop, PlanConfirm, PlanCertify,
	ScheduleSet, ScheduleApprove, ExportCut, ExportWrite, ExportSeal, ExportSign, ExportDeliver, ExportFail,
	EvidenceRead, Unrecorded,
}

var known = func() map[Op]bool {
	m := make(map[Op]bool, len(Ops))
	for _, op := range Ops {
		m[op] = true
	}
	return m
}()

// Known tells whether op is in the catalogue.
func (op Op) Known() bool { return known[op] }

// Class is the part of op before its dot.
func (op Op) Class() Class {
	class, _, _ := strings.Cut(string(op), ".")
	return Class(class)
}

// Outcome says how an operation ended. An effect that no transaction can hold
// has two records: intent before it, then done or failed.
type Outcome string

const (
	OK     Outcome = "ok"
	Denied Outcome = "denied"
	Intent Outcome = "intent"
	Done   Outcome = "done"
	Failed Outcome = "failed"
)

func (o Outcome) known() bool {
	switch o {
	case OK, Denied, Intent, Done, Failed:
		return true
	}
	return false
}
