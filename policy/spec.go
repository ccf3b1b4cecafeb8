package policy

import "slices"

// LogClass says which decisions about an action are kept.
type LogClass string

const (
	LogAlways  LogClass = "always"  // every decision
	LogSampled LogClass = "sampled" // denials, and a sample of what was allowed
	LogDenials LogClass = "denials" // denials only
)

// Spec is what the server must know about an action before asking.
type Spec struct {
	Resource    ResourceType // what a question and its Grant are bound to
	Mutating    bool         // changes state, so its record shares the transaction
	Log         LogClass
	Uncached    bool // always asked anew: administration, holds, retention, export, policy
	SelfService bool // people may do it to what they own
}

// Spec reports the metadata of a, and false when a is not in the closed set.
func (a Action) Spec() (Spec, bool) {
	spec, ok := specs[a]
	return spec, ok
}

// Actions lists the closed set in alphabetical order.
func Actions() []Action {
	all := make([]Action, 0, len(specs))
	for action := range specs {
		all = append(all, action)
	}
	slices.Sort(all)
	return all
}

var specs = map[Action]Spec{
	SessionLogin:   {Resource: UserResource, Mutating: true, Log: LogAlways, SelfService: true},
	SessionRefresh: {Resource: SessionResource, Mutating: true, Log: LogAlways, SelfService: true},
	SessionList:    {Resource: UserResource, Log: LogDenials, SelfService: true},
	SessionRevoke:  {Resource: SessionResource, Mutating: true, Log: LogAlways, SelfService: true},

	UserRead:         {Resource: UserResource, Log: LogSampled},
	UserList:         {Resource: OrgResource, Log: LogSampled},
	UserChainPublish: {Resource: UserResource, Mutating: true, Log: LogAlways, SelfService: true},
	UserDisable:      {Resource: UserResource, Mutating: true, Log: LogAlways, Uncached: true},
	UserEnable:       {Resource: UserResource, Mutating: true, Log: LogAlways, Uncached: true},

	DeviceEnroll:  {Resource: UserResource, Mutating: true, Log: LogAlways, SelfService: true},
	DeviceApprove: {Resource: DeviceResource, Mutating: true, Log: LogAlways, SelfService: true},
	DeviceList:    {Resource: UserResource, Log: LogDenials, SelfService: true},

	OrgRead:    {Resource: OrgResource, Log: LogSampled},
	OrgPublish: {Resource: OrgResource, Mutating: true, Log: LogAlways, Uncached: true},

	TeamCreate:    {Resource: TeamResource, Mutating: true, Log: LogAlways},
	TeamRead:      {Resource: TeamResource, Log: LogSampled},
	TeamList:      {Resource: UserResource, Log: LogDenials, SelfService: true},
	TeamMemberAdd: {Resource: TeamResource, Mutating: true, Log: LogAlways},

	ChannelCreate:  {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	ChannelRead:    {Resource: ChannelResource, Log: LogSampled},
	ChannelList:    {Resource: UserResource, Log: LogDenials, SelfService: true},
	ChannelJoin:    {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	ChannelLeave:   {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	ChannelArchive: {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	ChannelRestore: {Resource: ChannelResource, Mutating: true, Log: LogAlways, Uncached: true},

	DMOpen: {Resource: ChannelResource, Mutating: true, Log: LogAlways},

	GroupDMOpen: {Resource: ChannelResource, Mutating: true, Log: LogAlways},

	MemberAdd:     {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	MemberRemove:  {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	MemberRoleSet: {Resource: ChannelResource, Mutating: true, Log: LogAlways},

	ChannelSync: {Resource: ChannelResource, Mutating: true, Log: LogAlways, Uncached: true},

	MemberDepart:        {Resource: ChannelResource, Mutating: true, Log: LogAlways, Uncached: true},
	MemberDepartureList: {Resource: OrgResource, Log: LogAlways, Uncached: true},

	MessageCreate: {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	MessageRead:   {Resource: MessageResource, Log: LogSampled},
	MessageList:   {Resource: ChannelResource, Log: LogSampled},
	MessageEdit:   {Resource: MessageResource, Mutating: true, Log: LogAlways},
	MessageDelete: {Resource: MessageResource, Mutating: true, Log: LogAlways},

	FileUpload:  {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	FileRead:    {Resource: FileResource, Log: LogSampled},
	FileDiscard: {Resource: FileResource, Mutating: true, Log: LogAlways},

	ReceiptRead: {Resource: ChannelResource, Log: LogSampled},

	EpochCreate:    {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	EpochFetchWrap: {Resource: ChannelResource, Log: LogSampled},
	EpochRotate:    {Resource: ChannelResource, Mutating: true, Log: LogAlways},

	CaptureAck:    {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	CaptureCover:  {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	CaptureReseal: {Resource: ChannelResource, Log: LogAlways},

	CaptureTell: {Resource: ChannelResource, Mutating: true, Log: LogAlways},
	CaptureHear: {Resource: ChannelResource, Log: LogSampled},
	CaptureRule: {Resource: ChannelResource, Mutating: true, Log: LogAlways, Uncached: true},

	CaptureInspect:  {Resource: ChannelResource, Log: LogAlways, Uncached: true},
	CaptureHandover: {Resource: ChannelResource, Mutating: true, Log: LogAlways, Uncached: true},
	CaptureChange:   {Resource: ChannelResource, Mutating: true, Log: LogAlways, Uncached: true},

	SaltFetch: {Resource: ChannelResource, Log: LogSampled},

	WSConnect:       {Resource: SessionResource, Log: LogDenials, SelfService: true},
	WSSubscribe:     {Resource: ChannelResource, Log: LogDenials},
	WSPublishTyping: {Resource: ChannelResource, Log: LogDenials},

	MatterCreate: {Resource: MatterResource, Mutating: true, Log: LogAlways, Uncached: true},
	MatterList:   {Resource: OrgResource, Log: LogAlways, Uncached: true},

	HoldCreate:         {Resource: HoldResource, Mutating: true, Log: LogAlways, Uncached: true},
	HoldApprove:        {Resource: HoldResource, Mutating: true, Log: LogAlways, Uncached: true},
	HoldList:           {Resource: OrgResource, Log: LogAlways, Uncached: true},
	HoldRead:           {Resource: HoldResource, Log: LogAlways, Uncached: true},
	HoldExpand:         {Resource: HoldResource, Mutating: true, Log: LogAlways, Uncached: true},
	HoldReleaseRequest: {Resource: HoldResource, Mutating: true, Log: LogAlways, Uncached: true},
	HoldReleaseApprove: {Resource: HoldResource, Mutating: true, Log: LogAlways, Uncached: true},

	RetentionRuleSet:         {Resource: RuleResource, Mutating: true, Log: LogAlways, Uncached: true},
	RetentionRuleList:        {Resource: OrgResource, Log: LogAlways, Uncached: true},
	RetentionPlan:            {Resource: PlanResource, Mutating: true, Log: LogAlways, Uncached: true},
	RetentionPlanRead:        {Resource: PlanResource, Log: LogAlways, Uncached: true},
	RetentionPlanList:        {Resource: OrgResource, Log: LogAlways, Uncached: true},
	RetentionApprove:         {Resource: PlanResource, Mutating: true, Log: LogAlways, Uncached: true},
	RetentionRun:             {Resource: PlanResource, Mutating: true, Log: LogAlways, Uncached: true},
	RetentionConfirm:         {Resource: PlanResource, Mutating: true, Log: LogAlways, Uncached: true},
	RetentionCertificateRead: {Resource: CertificateResource, Log: LogAlways, Uncached: true},
	RetentionWhy:             {Resource: RecordResource, Log: LogAlways, Uncached: true},

	ExportScheduleSet:     {Resource: ScheduleResource, Mutating: true, Log: LogAlways, Uncached: true},
	ExportScheduleApprove: {Resource: ScheduleResource, Mutating: true, Log: LogAlways, Uncached: true},
	ExportScheduleList:    {Resource: OrgResource, Log: LogAlways, Uncached: true},
	ExportRun:             {Resource: ScheduleResource, Mutating: true, Log: LogAlways, Uncached: true},
	ExportRead:            {Resource: ExportResource, Log: LogAlways, Uncached: true},
	ExportList:            {Resource: OrgResource, Log: LogAlways, Uncached: true},
	ExportOpeningsPut:     {Resource: ExportResource, Mutating: true, Log: LogAlways, Uncached: true},
	ExportSign:            {Resource: ExportResource, Mutating: true, Log: LogAlways, Uncached: true},

	ArchiveList: {Resource: OrgResource, Log: LogAlways, Uncached: true},
	ArchiveGet:  {Resource: ArchiveResource, Log: LogAlways, Uncached: true},

	AuditRead: {Resource: OrgResource, Log: LogAlways, Uncached: true},

	CheckpointRead: {Resource: CheckpointResource, Log: LogSampled},
	CheckpointSign: {Resource: CheckpointResource, Mutating: true, Log: LogAlways, Uncached: true},

	CheckpointCosign: {Resource: CheckpointResource, Mutating: true, Log: LogAlways, Uncached: true},
	CheckpointFollow: {Resource: CheckpointResource, Log: LogSampled, Uncached: true},
	CheckpointProve:  {Resource: RecordResource, Log: LogDenials, Uncached: true, SelfService: true},

	JobRun: {Resource: JobResource, Mutating: true, Log: LogAlways},

	AdminUserList: {Resource: OrgResource, Log: LogAlways, Uncached: true},

	SystemHealth:  {Resource: SystemResource, Log: LogDenials},
	SystemMetrics: {Resource: SystemResource, Log: LogDenials},
}
