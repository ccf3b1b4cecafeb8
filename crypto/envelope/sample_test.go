package envelope

import (
	"bytes"
	"crypto/ed25519"
)

// format is one decoder with bytes that it takes.
type format struct {
	name  string
	good  []byte
	parse func([]byte) (any, error) // gives what re-encodes to the same bytes
}

func h(b byte) Hash { return Hash(bytes.Repeat([]byte{b}, 32)) }

func sampleSignature(b byte) Signature {
	return Signature{Key: KeyID(h(b)), Bytes: bytes.Repeat([]byte{b}, 64)}
}

func sampleEntry(k Kind) *Entry {
	e := &Entry{Kind: k, Header: []byte("header"), Signatures: []Signature{sampleSignature(1)}}
	switch k {
	case KindLink:
		e.Header = Marshal(sampleLink())
		e.Signatures = append(e.Signatures, sampleSignature(2))
	case KindMessage:
		e.Header, e.Payload = Marshal(sampleHeader()), bytes.Repeat([]byte{7}, minPayload)
	case KindAcknowledgement:
		e.Header = Marshal(sampleAcknowledgement())
	case KindCoverage:
		e.Header = Marshal(sampleCoverage())
	}
	return e
}

func samplePlaced(k Kind) *Placed {
	p := &Placed{Position: 300, Received: 1, Head: h(3), Entry: *sampleEntry(k)}
	p.Payload = SumBytes(p.Entry.Payload)
	if k == KindMessage {
		p.Salt = bytes.Repeat([]byte{5}, 32)
	}
	return p
}

func sampleLink() *Link {
	return &Link{Version: 1, Org: OrgID(h(1)), Chain: h(2), Seq: 1, Prev: h(3), Type: MemberRemove,
		Body: Marshal(&RemoveBody{User: UserID(h(4)), Reason: "left"}), User: UserID(h(5)), Key: KeyID(h(6)), Time: -1}
}

func sampleHeader() *Header {
	return &Header{Version: 1, SaltCommit: h(1), Org: OrgID(h(2)), Channel: ChannelID(h(3)), Epoch: 1, EpochLink: h(4),
		User: UserID(h(5)), Device: KeyID(h(6)), DeviceSeq: 4, DevicePrev: h(7), Void: []uint64{2, 3}, Seen: Ref{Position: 9, Hash: h(8)},
		Time: 1, ID: MessageID{1}, Kind: Edit, Target: Ref{Position: 5, Hash: h(9)},
		Attachments: []Attachment{{ID: BlobID{1}, Size: 93, Root: h(1)}, {ID: BlobID{2}, Size: 93, Root: h(1)}},
		Mentions:    []UserID{UserID(h(1)), UserID(h(2))}}
}

func sampleCoverage() *Coverage {
	return &Coverage{Version: 1, Org: OrgID(h(1)), Channel: ChannelID(h(2)), From: 2, To: 9, HeadTo: h(3), Root: h(4),
		Exceptions: []Exception{{Position: 2, Code: BadCommit}, {Position: 5, Code: MalformedBody}, {Position: 9, Code: Undecryptable}}, Recorder: KeyID(h(5)), Time: 1}
}

func sampleAcknowledgement() *Acknowledgement {
	return &Acknowledgement{Version: 1, Org: OrgID(h(1)), Channel: ChannelID(h(2)), N: 1, EpochLink: h(3), SeedCommit: h(4), Recorder: KeyID(h(5)), Time: 1}
}

func sampleSigned(label string, v any) []byte { return signBytes(label, Marshal(v)) }

func signBytes(label string, b []byte) []byte {
	k := testKey(1)
	return Marshal(&Signed{Label: label, Bytes: b, Signature: Signature{
		Key: KeyOf(k.Public().(ed25519.PublicKey)), Bytes: ed25519.Sign(k, StatementInput(label, b))}})
}

// inside parses header bytes as those of an entry of kind k.
func inside[T any](k Kind, parse func(*Entry) (*T, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) { return parse(&Entry{Kind: k, Header: b}) }
}

func whole[T any](parse func([]byte) (*T, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) { return parse(b) }
}

func inLink[T any](name string, v *T) format {
	return format{name, Marshal(v), func(b []byte) (any, error) { return ParseBody[T](&Link{Body: b}) }}
}

func sampleNotice(version uint, by UserID, body any) *Notice {
	return &Notice{Version: version, Org: OrgID(h(1)), Channel: ChannelID(h(4)), User: by,
		Key: KeyOf(testKey(1).Public().(ed25519.PublicKey)), Body: Marshal(body), Time: 1}
}

func sampleTail() *Tail { return &Tail{Seq: 4, Entry: h(5), Seen: Ref{Position: 9, Hash: h(6)}} }

func sampleAlarm() *Alarm {
	return &Alarm{Code: AlarmDropped, Device: KeyID(h(3)), Number: 4, Hash: h(5)}
}

func sampleDispute() *Dispute {
	return &Dispute{Coverage: Ref{Position: 9, Hash: h(6)}, Recorder: KeyID(h(3)), Position: 7, Evidence: h(8)}
}

func sampleRuling() *Ruling {
	return &Ruling{Coverage: Ref{Position: 9, Hash: h(6)}, Fault: FaultRecorder}
}

func formats() []format {
	org, ids := OrgID(h(1)), []ChannelID{ChannelID(h(1)), ChannelID(h(2))}
	device := DeviceBody{Name: "laptop", Key: []byte{1}, Recipient: []byte{2}, Wrap: h(1)}
	key := KeyBody{Generation: 2, Recipient: []byte{1}, Wraps: []Hash{h(1)}, Previous: []byte{3}}
	return []format{
		{"entry of a link", Marshal(sampleEntry(KindLink)), whole(ParseEntry)},
		{"entry of a message", Marshal(sampleEntry(KindMessage)), whole(ParseEntry)},
		{"entry of an acknowledgement", Marshal(sampleEntry(KindAcknowledgement)), whole(ParseEntry)},
		{"entry of coverage", Marshal(sampleEntry(KindCoverage)), whole(ParseEntry)},
		{"placed link", Marshal(samplePlaced(KindLink)), whole(ParsePlaced)},
		{"placed message", Marshal(samplePlaced(KindMessage)), whole(ParsePlaced)},
		{"link", Marshal(sampleLink()), inside(KindLink, ParseLink)},
		{"header", Marshal(sampleHeader()), inside(KindMessage, ParseHeader)},
		{"coverage", Marshal(sampleCoverage()), inside(KindCoverage, ParseCoverage)},
		{"acknowledgement", Marshal(sampleAcknowledgement()), inside(KindAcknowledgement, ParseAcknowledgement)},
		{"signed", sampleSigned(LabelReceipt, &Receipt{Version: 1}), whole(ParseSigned)},
		inLink("notice", sampleNotice(1, UserID(h(2)), sampleTail())),
		inLink("tail", sampleTail()),
		inLink("alarm", sampleAlarm()),
		inLink("dispute", sampleDispute()),
		inLink("ruling", sampleRuling()),
		{"hold", Marshal(&HoldOrder{Version: 1, Org: org, Matter: "m", Name: "n", Users: []UserID{UserID(h(1))}, Channels: ids, Nonce: []byte{1}}), whole(ParseOrder[HoldOrder])},
		{"release", Marshal(&ReleaseOrder{Version: 1, Org: org, Hold: h(1), Reason: "r"}), whole(ParseOrder[ReleaseOrder])},
		{"rule", Marshal(&RuleOrder{Version: 1, Org: org, ID: "i", Revision: 1, MinRetain: 2, MaxRetain: 3, Lock: true}), whole(ParseOrder[RuleOrder])},
		{"plan", Marshal(&DisposalPlan{Version: 1, Org: org, Rules: []Hash{h(1)}, Holds: 1, Size: 300, Horizon: 1, Ranges: []DisposalRange{{From: 1, To: 2}}}), whole(ParseOrder[DisposalPlan])},
		{"export", Marshal(&ExportOrder{Version: 1, Org: org, Schedule: "s", Channels: ids, Cron: "0 0 * * *", Zone: "UTC", Auditors: []KeyID{KeyID(h(1))}}), whole(ParseOrder[ExportOrder])},
		{"handover", Marshal(&HandoverOrder{Version: 1, Org: org, Channel: ids[0], Seen: Ref{Position: 1, Hash: h(1)}, From: KeyID(h(1)), To: KeyID(h(2)), Lost: true, Reason: "r", NotAfter: 1}), whole(ParseOrder[HandoverOrder])},
		inLink("org.genesis", &OrgGenesisBody{Name: "n", Suite: SuiteAge, Roots: [][]byte{{1}}, Threshold: 1, Capture: CaptureOff, Nonce: []byte{1}}),
		inLink("org.list", &Party{Role: RoleRecorder, Name: "n", Key: []byte{1}, Recipient: []byte{1}, Scope: ids}),
		inLink("org.delist", &DelistBody{Role: RoleRecorder, Party: KeyID(h(1))}),
		inLink("org.restore", &LogRestoreBody{OldSize: 2, NewSize: 1, Reason: "r"}),
		inLink("user.genesis", &UserGenesisBody{Suite: SuiteAge, Device: device, Recipient: []byte{1}, Nonce: []byte{1}, Replaces: []Replaced{{User: UserID(h(1)), Seq: 1, OrgSeq: 2}}}),
		inLink("user.device_add", &device),
		inLink("user.device_revoke", &DeviceEndBody{Device: KeyID(h(1)), Key: key}),
		inLink("user.key", &key),
		inLink("user.recovery", &RecoveryBody{Stand: []RecoveryKey{{Key: []byte{1}, Recipient: []byte{2}}}, Key: key}),
		inLink("user.recover", &RecoverBody{Add: []DeviceBody{device}, End: []KeyID{KeyID(h(1))}, Key: key}),
		inLink("user.reset", &ResetBody{Successor: UserID(h(1)), OrgSeq: 1, OrgHead: h(2)}),
		inLink("channel.genesis", &ChannelGenesisBody{Access: AccessPublic, Capture: CaptureOff, Recorders: []KeyID{KeyID(h(1))}, History: HistorySinceJoin, Lifetime: 60, Nonce: []byte{1}}),
		inLink("channel.add", &AddBody{User: UserID(h(1)), Rank: RankMember, HistoryFrom: 1}),
		inLink("channel.role", &RoleBody{User: UserID(h(1)), Rank: RankMember}),
		inLink("channel.sync", &SyncBody{Chain: h(1), Seq: 1, Head: h(2)}),
		inLink("channel.epoch", &EpochBody{N: 1, Cause: CauseAdd, History: HistorySinceJoin, NotAfter: 1}),
		inLink("channel.handover", &HandoverBody{Order: []byte{1}, Asked: []byte{2}, AskedSeq: 1, AskedHead: h(1), UserSeq: 2, UserHead: h(2)}),
		inLink("channel.restore", &RestoreBody{OldPosition: 2, NewPosition: 1, Reason: "r"}),
	}
}
