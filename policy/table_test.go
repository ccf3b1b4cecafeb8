package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// verdict is one row: a question, the exact codes that must take part, with +
// when it is allowed and - when it is refused, and the obligations it carries.
type verdict struct {
	q    Question
	want string
	owes string
}

func (v verdict) name() string {
	return fmt.Sprintf("%s by %s: %s", v.q.Action, v.q.Subject.Kind, v.want)
}

// said renders a decision the way a row expects it.
func said(d Decision) (codes, owes string) {
	sign := "-"
	if d.Allow {
		sign = "+"
	}
	var all, duties []string
	for _, reason := range d.Reasons {
		all = append(all, reason.Code)
	}
	for _, duty := range d.Obligations {
		duties = append(duties, duty.Type+"/"+string(duty.Phase))
	}
	slices.Sort(all)
	slices.Sort(duties)
	return sign + strings.Join(all, " "), strings.Join(duties, " ")
}

const (
	owesAck      = "require_ack/with"
	owesRecorder = "require_recorder/with"
	owesApproval = "require_approval/with"
	owesRotation = "rotate_epoch/after"
	owesRetain   = "retain/with"
)

// allowed has at least one row for every action, and one for every rule that grants.
func allowed() []verdict {
	rows := []verdict{
		{q: ask(SystemHealth, Subject{Kind: KindAnonymous}), want: "+rbac.anyone_checks_health"},
		{q: ask(SystemMetrics, person(RoleAdmin)), want: "+rbac.admin_runs_organisation"},
		{q: ask(SystemMetrics, person(RoleISSO)), want: "+rbac.isso_ends_session"},

		{q: ask(ArchiveGet, person(RoleAuditor), addressed), want: "+rbac.auditor_takes_archive"},
		{q: ask(AuditRead, person(RoleAuditor)), want: "+rbac.auditor_reads_audit"},
		{q: ask(AuditRead, person(RoleISSO)), want: "+rbac.isso_reads_audit"},

		{q: ask(HoldCreate, person(RoleOfficer)), want: "+rbac.officer_requests", owes: owesApproval},
		{q: ask(HoldReleaseRequest, person(RoleOfficer)), want: "+rbac.officer_requests", owes: owesApproval},
		{q: ask(RetentionPlan, person(RoleOfficer)), want: "+rbac.officer_requests", owes: owesApproval},
		{q: ask(ExportScheduleSet, person(RoleOfficer)), want: "+rbac.officer_requests", owes: owesApproval},
		{q: ask(RetentionWhy, person(), as("member")), want: "+channel.member_reads"},

		{q: ask(CaptureTell, person(), as("member")), want: "+channel.member_tells"},
		{q: ask(CaptureTell, service(KindRecorder)), want: "+capture.recorder_serves"},
		{q: ask(CaptureHear, person(), as("member")), want: "+channel.member_reads"},
		{q: ask(CaptureHear, service(KindRecorder)), want: "+capture.recorder_reads"},
		{q: ask(CaptureHear, person(RoleAuditor)), want: "+rbac.compliance_reads"},
		{q: ask(CaptureRule, person(RoleOfficer)), want: "+rbac.compliance_rules"},
		{q: ask(CaptureRule, person(RoleLegal)), want: "+rbac.compliance_rules"},

		{q: ask(TeamRead, person(), inTeam("member")), want: "+team.member_reads"},
		{q: ask(TeamMemberAdd, person(), inTeam("owner")), want: "+team.owner_adds"},
		{q: ask(ChannelCreate, person(), inTeam("member")), want: "+team.member_creates_channel", owes: owesRecorder},
		{q: ask(ChannelCreate, person(), inTeam("owner"), captureOff), want: "+capture.off team.member_creates_channel"},
		{q: ask(ChannelRead, person(), inTeam("member"), privacy("public")), want: "+team.member_reads_public_channel"},
		{q: ask(ChannelJoin, person(), inTeam("member"), privacy("public")), want: "+team.member_joins_public_channel"},
		{q: ask(DMOpen, person(), privacy("direct")), want: "+channel.person_opens_direct", owes: owesRecorder},
		{q: ask(GroupDMOpen, person(), privacy("direct")), want: "+channel.person_opens_direct", owes: owesRecorder},
		{q: ask(DMOpen, person(), privacy("direct"), captureOff), want: "+capture.off channel.person_opens_direct"},

		{q: ask(MessageCreate, person(), as("moderator"), captureOff), want: "+channel.member_posts"},
		{q: ask(MessageEdit, person(), as("member"), owned), want: "+channel.author_changes_post", owes: owesAck},
		{q: ask(MessageDelete, person(), as("member"), owned), want: "+channel.author_changes_post"},
		{q: ask(MessageDelete, person(), as("moderator")), want: "+channel.moderator_deletes_post"},
		{q: ask(MessageDelete, person(), as("member"), owned, held), want: "+channel.author_changes_post", owes: owesRetain},
		{q: ask(MessageDelete, person(), as("member"), owned, archived), want: "+channel.author_changes_post"},
		{q: ask(ChannelLeave, person(), as("member")), want: "+channel.member_leaves", owes: owesRotation},
		{q: ask(MemberAdd, person(), as("moderator")), want: "+channel.moderator_manages_members"},
		{q: ask(MemberAdd, person(), as("owner"), privacy("public")), want: "+channel.moderator_manages_members"},
		{q: ask(MemberRemove, person(), as("moderator")), want: "+channel.moderator_manages_members", owes: owesRotation},
		{q: ask(MemberRoleSet, person(), as("owner")), want: "+channel.owner_governs"},
		{q: ask(ChannelArchive, person(), as("owner")), want: "+channel.owner_governs"},

		{q: ask(UserDisable, person(RoleAdmin), ofBob), want: "+user.admin_ends_account"},
		{q: ask(UserEnable, person(RoleAdmin), ofBob), want: "+user.admin_ends_account"},
		{q: ask(UserDisable, service(KindJob), ofBob), want: "+user.directory_ends_account"},
		{q: ask(MemberDepart, service(KindJob), departing), want: "+user.server_ends_membership", owes: owesRotation},
		{q: ask(MemberDepart, service(KindJob), departing, privacy("direct"), archived), want: "+user.server_ends_membership", owes: owesRotation},
		{q: ask(ChannelSync, service(KindJob)), want: "+user.server_tells_channel"},
		{q: ask(ChannelSync, service(KindJob), privacy("direct"), archived), want: "+user.server_tells_channel"},
		{q: ask(MemberDepart, person(RoleAdmin), departing), want: "+user.admin_countersigns", owes: owesRotation},
		{q: ask(MemberDepartureList, person(RoleAdmin)), want: "+user.admin_countersigns"},

		{q: ask(DeviceApprove, person(), owned, pending, func(q *Question) { q.Resource.FirstDevice = ptr(true) }), want: "+rbac.own_account"},
		{q: ask(ChannelList, person(), owned, func(q *Question) { q.Subject.Scopes = []string{"channel.list"} }), want: "+rbac.own_account"},
		{q: ask(WSConnect, person(), owned, tired, excused("session.too_old", now+1)), want: "+rbac.own_account session.too_old"},
		{q: ask(ChannelList, service(KindRecorder), owned, tired), want: "+rbac.own_account"},
		{q: ask(CaptureAck, service(KindRecorder), deviceGone), want: "+capture.recorder_serves"},
		{q: ask(UserChainPublish, person(), owned, deviceGone), want: "+rbac.own_account"},
		{q: ask(HoldRead, person(RoleLegal), approvedBy()), want: "+rbac.compliance_reads"},
		{q: ask(JobRun, service(KindJob), nameless), want: "+rbac.job_runs"},
	}
	rows = append(rows, each("+rbac.account_reads_directory", person(), nil, OrgRead, UserRead, UserList, CheckpointRead)...)
	rows = append(rows, each("+rbac.account_reads_directory", service(KindRecorder), nil, OrgRead, UserRead, CheckpointRead)...)
	rows = append(rows, each("+rbac.account_reads_directory", service(KindSigner), nil, OrgRead, CheckpointRead)...)
	rows = append(rows, each("+rbac.own_account", person(), owned, SessionLogin, SessionRefresh, SessionList, SessionRevoke,
		UserChainPublish, DeviceEnroll, DeviceApprove, DeviceList, TeamList, ChannelList, WSConnect)...)
	rows = append(rows, each("+rbac.own_account", service(KindRecorder), owned, SessionLogin, SessionRefresh, DeviceEnroll, ChannelList, WSConnect)...)
	rows = append(rows, each("+rbac.admin_runs_organisation", person(RoleAdmin), nil,
		OrgPublish, TeamCreate, TeamRead, TeamMemberAdd, ChannelRestore, CaptureInspect, CaptureChange, AdminUserList)...)
	rows = append(rows, each("+rbac.admin_ends_session", person(RoleAdmin), nil, SessionList, SessionRevoke, DeviceList)...)
	rows = append(rows, each("+rbac.isso_ends_session", person(RoleISSO), nil, SessionList, SessionRevoke, DeviceList)...)
	rows = append(rows, each("+rbac.officer_requests", person(RoleOfficer), nil, RetentionRuleSet, RetentionRun, ExportRun)...)
	rows = append(rows, each("+rbac.compliance_approves", person(RoleLegal), nil,
		HoldApprove, HoldReleaseApprove, RetentionApprove, ExportScheduleApprove, CaptureHandover)...)
	rows = append(rows, each("+rbac.compliance_inspects_capture", person(RoleOfficer), nil, CaptureInspect)...)
	for _, role := range []string{RoleOfficer, RoleLegal} {
		rows = append(rows, each("+rbac.compliance_opens_matter", person(role), nil, MatterCreate, HoldExpand)...)
	}
	for _, role := range []string{RoleOfficer, RoleLegal, RoleAuditor} {
		rows = append(rows, each("+rbac.compliance_reads", person(role), nil, complianceReads...)...)
	}
	rows = append(rows, each("+rbac.recorder_cosigns", service(KindRecorder), nil, CheckpointCosign, CheckpointFollow)...)
	rows = append(rows, each("+rbac.admin_brings_cosignature", person(RoleAdmin), nil, CheckpointCosign)...)
	rows = append(rows, each("+rbac.own_account", person(), owned, CheckpointProve)...)
	rows = append(rows, each("-main.no_rule", person(), nil, CheckpointCosign, CheckpointFollow, CheckpointProve)...)
	rows = append(rows, each("+rbac.signer_signs", service(KindSigner), nil, ExportSign, ExportRead, ExportList, CheckpointSign)...)
	rows = append(rows, each("+rbac.job_runs", service(KindJob), func(q *Question) { q.Context = Context{Time: ptr(now)} },
		JobRun, ExportRun, RetentionRun, FileDiscard)...)
	rows = append(rows, each("+channel.member_reads", person(), as("member"), contentReads...)...)
	rows = append(rows, each("+channel.member_rotates", person(), as("member"), EpochCreate, EpochRotate)...)
	rows = append(rows, each("+capture.recorder_reads", service(KindRecorder), nil, contentReads...)...)
	rows = append(rows, each("+capture.recorder_serves", service(KindRecorder), nil,
		CaptureAck, CaptureCover, CaptureReseal, RetentionConfirm, ExportOpeningsPut)...)
	rows = append(rows, each("+capture.recorder_judges", service(KindRecorder), nil,
		HoldList, HoldRead, RetentionRuleList, RetentionPlanRead, RetentionPlanList, RetentionCertificateRead, ExportRead, ExportList)...)
	for _, role := range []string{"owner", "moderator", "member"} {
		rows = append(rows,
			verdict{q: ask(MessageCreate, person(), as(role)), want: "+channel.member_posts", owes: owesAck},
			verdict{q: ask(FileUpload, person(), as(role)), want: "+channel.member_posts", owes: owesAck},
			verdict{q: ask(WSPublishTyping, person(), as(role)), want: "+channel.member_posts"})
	}
	return rows
}

var (
	contentReads    = []Action{ChannelRead, MessageList, MessageRead, FileRead, ReceiptRead, EpochFetchWrap, SaltFetch, WSSubscribe}
	complianceReads = []Action{HoldList, HoldRead, MatterList, RetentionRuleList, RetentionPlanRead, RetentionPlanList,
		RetentionCertificateRead, RetentionWhy, ExportScheduleList, ExportRead, ExportList, ArchiveList}
	approvals = []Action{HoldApprove, HoldReleaseApprove, RetentionApprove, ExportScheduleApprove, CaptureHandover}
)

func each(want string, who Subject, edit func(*Question), actions ...Action) []verdict {
	rows := make([]verdict, len(actions))
	for i, action := range actions {
		rows[i] = verdict{q: ask(action, who), want: want}
		if edit != nil {
			edit(&rows[i].q)
		}
	}
	return rows
}

func nameless(q *Question) { q.Subject.State, q.Context = "", Context{} }

func deviceGone(q *Question) { q.Context.Device = nil }

func tired(q *Question) { q.Context.Session.AuthAt = ptr(now - 12*3600 - 1) }

func excused(code string, until int64) func(*Question) {
	return func(q *Question) { q.Context.Overrides = []Override{{Code: code, Until: ptr(until)}} }
}

// refused has the rows where one rule says no to what would else be allowed.
func refused() []verdict {
	rows := []verdict{
		{q: ask(MessageCreate, person(), as("none")), want: "-main.no_rule"},
		{q: ask(MessageCreate, service(KindRecorder)), want: "-main.no_rule"},
		{q: ask(MessageEdit, person(), as("owner")), want: "-main.no_rule"},
		{q: ask(OrgRead, Subject{ID: "u_ann", Kind: KindUser, State: "active"}), want: "-main.no_rule"},
		{q: ask(DMOpen, Subject{ID: "u_ann", Kind: KindUser, State: "active"}, privacy("direct")), want: "-main.no_rule"},
		{q: ask(MessageDelete, person(), as("member")), want: "-main.no_rule"},
		{q: ask(MemberAdd, person(), as("member")), want: "-main.no_rule"},
		{q: ask(MemberRoleSet, person(), as("moderator")), want: "-main.no_rule"},
		{q: ask(ChannelJoin, person(), inTeam("member")), want: "-main.no_rule"},
		{q: ask(ChannelJoin, person(), privacy("public")), want: "-main.no_rule"},
		{q: ask(ChannelCreate, person(), inTeam("none")), want: "-main.no_rule"},
		{q: ask(DMOpen, person()), want: "-main.no_rule"},
		{q: ask(SessionRevoke, person(), func(q *Question) { q.Resource.Owner = "u_bob" }), want: "-main.no_rule"},
		{q: ask(ArchiveGet, person(RoleAuditor), func(q *Question) { q.Resource.Auditors = []string{"u_bob"} }), want: "-main.no_rule"},

		{q: ask(CaptureTell, person(RoleOfficer)), want: "-main.no_rule"},
		{q: ask(CaptureHear, person()), want: "-main.no_rule"},
		{q: ask(CaptureRule, person(RoleAuditor), as("owner")), want: "-main.no_rule"},
		{q: ask(CaptureRule, service(KindRecorder)), want: "-main.no_rule"},

		{q: ask(UserDisable, person(), ofBob), want: "-main.no_rule"},
		{q: ask(UserEnable, service(KindJob), ofBob), want: "-main.no_rule"},
		{q: ask(MemberDepart, person(), as("owner"), departing), want: "-main.no_rule"},
		{q: ask(ChannelSync, person(RoleAdmin), as("owner")), want: "-main.no_rule"},
		{q: ask(UserDisable, person(RoleAdmin), owned), want: "-user.own_account"},
		{q: ask(UserDisable, person(RoleAdmin)), want: "-user.own_account"}, // of nobody knows whom
		{q: ask(MemberDepart, service(KindJob), func(q *Question) { q.Resource.MemberState = "active" }), want: "-user.not_disabled"},
		{q: ask(MemberDepart, person(RoleAdmin)), want: "-user.not_disabled"},

		{q: ask(MessageCreate, person(), as("member"), archived), want: "-lifecycle.channel_archived"},
		{q: ask(MessageCreate, person(), as("member"), disabled), want: "-lifecycle.user_disabled"},
		{q: ask(MessageCreate, person(), as("member"), unacked), want: "-capture.not_acknowledged"},
		{q: ask(MessageEdit, person(), as("member"), owned, unacked), want: "-capture.not_acknowledged"},
		{q: ask(FileUpload, person(), as("member"), unacked), want: "-capture.not_acknowledged"},
		{q: ask(MessageCreate, person(), as("member"), unacked, func(q *Question) { q.Resource.Crypto.Capture = "Off" }), want: "-capture.not_acknowledged"},
		{q: ask(MemberAdd, person(), as("owner"), privacy("direct")), want: "-channel.direct_is_fixed"},
		{q: ask(RetentionRun, person(RoleOfficer), held), want: "-hold.active"},
		{q: ask(RetentionConfirm, service(KindRecorder), held), want: "-hold.active"},
		{q: ask(RetentionRun, service(KindJob), held), want: "-hold.active"},
		{q: ask(ChannelList, person(), owned, func(q *Question) { q.Subject.Scopes = []string{} }), want: "-rbac.out_of_scope"},
		{q: ask(ChannelList, person(), owned, func(q *Question) { q.Context.Session.ID = "" }), want: "-session.missing"},
		{q: ask(ChannelList, person(), owned, func(q *Question) { q.Context.Session.ExpiresAt = ptr(now) }), want: "-session.expired"},
		{q: ask(ChannelList, person(), owned, tired), want: "-session.too_old"},
		{q: ask(ChannelList, person(), owned, tired, excused("session.too_old", now)), want: "-session.too_old"},
		{q: ask(ChannelList, person(), owned, tired, excused("session.missing", now+1)), want: "-session.too_old"},
		{q: ask(MessageCreate, person(), as("member"), unacked, excused("capture.not_acknowledged", now+1)), want: "-capture.not_acknowledged"},
		{q: ask(DeviceApprove, person(), owned, pending), want: "-device.not_approved"},
	}
	rows = append(rows, refusedApprovals()...)
	for _, action := range []Action{RetentionRun, ExportRun, RetentionConfirm} {
		who := service(KindJob)
		if action == RetentionConfirm {
			who = service(KindRecorder)
		}
		rows = append(rows,
			verdict{q: ask(action, who, approvedBy()), want: "-dual.not_approved"},
			verdict{q: ask(action, who, approvedBy(Approval{By: "u_bob", Role: RoleOfficer})), want: "-dual.not_approved"},
			verdict{q: ask(action, who, approvedBy(Approval{By: "u_cy", Role: RoleLegal})), want: "-dual.not_approved"})
	}
	unlisted := func(q *Question) { q.Resource.Recorders = []string{"s_other"} }
	rows = append(rows, each("-capture.not_listed", service(KindRecorder), unlisted, contentReads...)...)
	rows = append(rows, each("-capture.not_listed", service(KindRecorder), unlisted,
		CaptureAck, CaptureCover, CaptureReseal, CaptureTell, CaptureHear, RetentionConfirm, ExportOpeningsPut)...)
	return append(rows, refusedAdmin()...)
}

func refusedApprovals() []verdict {
	var rows []verdict
	both := person(RoleOfficer, RoleLegal)
	for _, action := range approvals {
		rows = append(rows,
			verdict{q: ask(action, person()), want: "-dual.wrong_role main.no_rule"},
			verdict{q: ask(action, person(RoleOfficer)), want: "-dual.wrong_role"},
			verdict{q: ask(action, person(RoleLegal), requested), want: "-dual.same_person"},
			verdict{q: ask(action, both, requested), want: "-dual.same_person"},
			verdict{q: ask(action, person(RoleLegal), approvedBy(Approval{By: "u_ann", Role: RoleLegal})), want: "-dual.approved_twice"})
	}
	return rows
}

// refusedAdmin: who runs the system reads no conversation and rules no record.
func refusedAdmin() []verdict {
	actions := append(slices.Clone(contentReads), MessageCreate, RetentionRuleSet, HoldCreate, MatterCreate,
		ExportScheduleSet, AuditRead, ArchiveGet, EpochCreate, CaptureAck, CheckpointSign, ExportSign, JobRun)
	return each("-main.no_rule", person(RoleAdmin), nil, actions...)
}

func table() []verdict { return append(allowed(), refused()...) }

func TestDecisions(t *testing.T) {
	t.Parallel()
	e := load(t)
	for _, row := range table() {
		t.Run(row.name(), func(t *testing.T) {
			d, grant, err := e.Decide(context.Background(), row.q)
			if err != nil {
				t.Fatal(err)
			}
			codes, owes := said(d)
			if codes != row.want || owes != row.owes {
				t.Errorf("got %s owing %q, want %s owing %q", codes, owes, row.want, row.owes)
			}
			if covers := grant.Covers(row.q.Action, row.q.Resource.Type, row.q.Resource.ID) == nil; covers != d.Allow {
				t.Errorf("allow is %t but the grant covers: %t", d.Allow, covers)
			}
		})
	}
}
