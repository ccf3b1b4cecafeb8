package policy

// ResourceType names the kind of thing a Grant is bound to. What is being made
// or listed is asked of the thing that will hold it: a message of its channel.
type ResourceType string

const (
	OrgResource         ResourceType = "org"
	UserResource        ResourceType = "user"
	SessionResource     ResourceType = "session"
	DeviceResource      ResourceType = "device"
	TeamResource        ResourceType = "team"
	ChannelResource     ResourceType = "channel"
	MessageResource     ResourceType = "message"
	FileResource        ResourceType = "file"
	MatterResource      ResourceType = "matter"
	HoldResource        ResourceType = "hold"
	RuleResource        ResourceType = "rule"
	PlanResource        ResourceType = "plan"
	CertificateResource ResourceType = "certificate"
	RecordResource      ResourceType = "record"
	ScheduleResource    ResourceType = "schedule"
	ExportResource      ResourceType = "export"
	ArchiveResource     ResourceType = "archive"
	CheckpointResource  ResourceType = "checkpoint"
	JobResource         ResourceType = "job"
	SystemResource      ResourceType = "system"
)
