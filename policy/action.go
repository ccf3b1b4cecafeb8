package policy

// Action is one thing the server can do. The set is closed: an action that is not
// declared here cannot be asked about, and one without a rule is refused to all.
type Action string

const (
	SessionLogin   Action = "session.login"
	SessionRefresh Action = "session.refresh"
	SessionList    Action = "session.list"
	SessionRevoke  Action = "session.revoke"

	UserRead         Action = "user.read"
	UserList         Action = "user.list"
	UserChainPublish Action = "user.chain_publish"
	UserDisable      Action = "user.disable"
	UserEnable       Action = "user.enable"

	DeviceEnroll  Action = "device.enroll"
	DeviceApprove Action = "device.approve"
	DeviceList    Action = "device.list"

	OrgRead    Action = "org.read"
	OrgPublish Action = "org.publish"

	TeamCreate    Action = "team.create"
	TeamRead      Action = "team.read"
	TeamList      Action = "team.list"
	TeamMemberAdd Action = "team.member_add"

	ChannelCreate  Action = "channel.create"
	ChannelRead    Action = "channel.read"
	ChannelList    Action = "channel.list"
	ChannelJoin    Action = "channel.join"
	ChannelLeave   Action = "channel.leave"
	ChannelArchive Action = "channel.archive"
	ChannelRestore Action = "channel.restore"

	DMOpen Action = "dm.open"

	GroupDMOpen Action = "group_dm.open"

	MemberAdd     Action = "member.add"
	MemberRemove  Action = "member.remove"
	MemberRoleSet Action = "member.role_set"

	// The server tells a channel that a member's chain took something away.
	ChannelSync Action = "channel.sync"

	// What follows for the channels of somebody whose account was disabled.
	MemberDepart        Action = "member.depart"
	MemberDepartureList Action = "member.departure_list"

	MessageCreate Action = "message.create"
	MessageRead   Action = "message.read"
	MessageList   Action = "message.list"
	MessageEdit   Action = "message.edit"
	MessageDelete Action = "message.delete"

	FileUpload Action = "file.upload"
	FileRead   Action = "file.read"
	// FileDiscard drops an upload that nobody has claimed in time.
	FileDiscard Action = "file.discard"

	ReceiptRead Action = "receipt.read"

	EpochCreate    Action = "epoch.create"
	EpochFetchWrap Action = "epoch.fetch_wrap"
	EpochRotate    Action = "epoch.rotate"

	CaptureAck    Action = "capture.ack"
	CaptureCover  Action = "capture.cover"
	CaptureReseal Action = "capture.reseal"

	// Signed words beside a channel: statements, alarms, disputes and rulings on them.
	CaptureTell Action = "capture.tell"
	CaptureHear Action = "capture.hear"
	CaptureRule Action = "capture.rule"

	// Who records a channel: read by those who may change it, changed by two
	// people or by the root's signature.
	CaptureInspect  Action = "capture.inspect"
	CaptureHandover Action = "capture.handover"
	CaptureChange   Action = "capture.change"

	SaltFetch Action = "salt.fetch"

	WSConnect       Action = "ws.connect"
	WSSubscribe     Action = "ws.subscribe"
	WSPublishTyping Action = "ws.publish_typing"

	MatterCreate Action = "matter.create"
	MatterList   Action = "matter.list"

	HoldCreate         Action = "hold.create"
	HoldApprove        Action = "hold.approve"
	HoldList           Action = "hold.list"
	HoldRead           Action = "hold.read"
	HoldExpand         Action = "hold.expand"
	HoldReleaseRequest Action = "hold.release_request"
	HoldReleaseApprove Action = "hold.release_approve"

	RetentionRuleSet         Action = "retention.rule_set"
	RetentionRuleList        Action = "retention.rule_list"
	RetentionPlan            Action = "retention.plan"
	RetentionPlanRead        Action = "retention.plan_read"
	RetentionPlanList        Action = "retention.plan_list"
	RetentionApprove         Action = "retention.approve"
	RetentionRun             Action = "retention.run"
	RetentionConfirm         Action = "retention.confirm"
	RetentionCertificateRead Action = "retention.certificate_read"
	RetentionWhy             Action = "retention.why"

	ExportScheduleSet     Action = "export.schedule_set"
	ExportScheduleApprove Action = "export.schedule_approve"
	ExportScheduleList    Action = "export.schedule_list"
	ExportRun             Action = "export.run"
	ExportRead            Action = "export.read"
	ExportList            Action = "export.list"
	ExportOpeningsPut     Action = "export.openings_put"
	ExportSign            Action = "export.sign"

	ArchiveList Action = "archive.list"
	ArchiveGet  Action = "archive.get"

	AuditRead Action = "audit.read"

	CheckpointRead Action = "checkpoint.read"
	CheckpointSign Action = "checkpoint.sign"

	// CheckpointCosign brings a recorder's or witness's signature; CheckpointFollow
	// reads every record that the log commits to; CheckpointProve shows that one
	// record of one's own is in the log.
	CheckpointCosign Action = "checkpoint.cosign"
	CheckpointFollow Action = "checkpoint.follow"
	CheckpointProve  Action = "checkpoint.prove"

	JobRun Action = "job.run"

	AdminUserList Action = "admin.user_list"

	SystemHealth  Action = "system.health"
	SystemMetrics Action = "system.metrics"
)
