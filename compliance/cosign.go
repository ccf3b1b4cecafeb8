package compliance

import (
	"context"
	"errors"
	"strconv"
	"time"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
	"chancery/identity"
	"chancery/policy"
)

// Log is what the store knows of the organisation's log.
type Log interface {
	// Note is the note of a size as the log's signer signed it.
	Note(ctx context.Context, size int64) (note string, found bool, err error)
	// Witnessed are the notes of the newest sizes that these keys cosigned, with
	// every cosignature, the smallest first; without any, the newest note.
	Witnessed(ctx context.Context, cosigners []envelope.KeyID) (notes []string, err error)
	// Cosign keeps a cosignature; one that is older than what is kept changes
	// nothing.
	Cosign(ctx context.Context, g policy.Grant, e core.Event, size int64, by envelope.KeyID, at time.Time, line string) error
	// Leaves are the records from a place on, at most limit of them.
	Leaves(ctx context.Context, from int64, limit int) ([]record.Record, error)
	// Logged is the first record about an entry, and its place.
	Logged(ctx context.Context, channel envelope.ChannelID, position uint64) (r record.Record, index int64, found bool, err error)
	// Hashes are the stored hashes of the tree.
	Hashes() tlog.HashReader
}

// logResource is what questions about the log are asked of.
func logResource() policy.Resource { return resource(policy.CheckpointResource, "log") }

// Witnessed gives followers what they hold the log to, and how it extends the
// state of the size that they know, 0 for none.
func (s *Service) Witnessed(ctx context.Context, p identity.Principal, known int64) (wire.Witnessed, error) {
	const op = "checkpoint.read"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.CheckpointRead, logResource()); err != nil {
		return wire.Witnessed{}, err
	}
	if err := s.founded(op); err != nil {
		return wire.Witnessed{}, err
	}
	notes, err := s.Store.Witnessed(ctx, cosigners(s.Directory.Org()))
	if err != nil {
		return wire.Witnessed{}, Explain(op, err)
	}
	out := wire.Witnessed{Checkpoints: make([]wire.LogPoint, len(notes))}
	for i, note := range notes {
		out.Checkpoints[i].Note = note
		if out.Checkpoints[i].Proof, err = s.consistency(known, note); err != nil {
			return wire.Witnessed{}, Explain(op, err)
		}
	}
	return out, nil
}

func cosigners(org *chain.Org) (out []envelope.KeyID) {
	for _, role := range []envelope.Role{envelope.RoleRecorder, envelope.RoleWitness} {
		for _, p := range org.Parties(role) {
			out = append(out, p.ID())
		}
	}
	return out
}

// consistency leads from the smaller of two states to the larger.
func (s *Service) consistency(known int64, note string) ([]envelope.Hash, error) {
	point, err := readCheckpoint([]byte(note))
	if err != nil {
		return nil, err
	}
	from, to := min(known, point.Size), max(known, point.Size)
	if from < 1 {
		return []envelope.Hash{}, nil
	}
	proof, err := tlog.ProveConsistency(from, to, s.Store.Hashes())
	if err != nil { // the caller has seen more than there is: that is for the caller to say
		return []envelope.Hash{}, nil
	}
	return hashes(proof), nil
}

func hashes(in []tlog.Hash) []envelope.Hash {
	out := make([]envelope.Hash, len(in))
	for i, h := range in {
		out[i] = envelope.Hash(h)
	}
	return out
}

// maxLeaves is how many records one answer has, of at most 18 KiB each.
const maxLeaves = 500

// Leaves gives a recorder what the log commits to, from a place on.
func (s *Service) Leaves(ctx context.Context, p identity.Principal, from int64) (wire.Leaves, error) {
	const op = "checkpoint.follow"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.CheckpointFollow, logResource()); err != nil {
		return wire.Leaves{}, err
	}
	list, err := s.Store.Leaves(ctx, from, maxLeaves)
	out := wire.Leaves{Leaves: make([][]byte, len(list))}
	for i := range list {
		out.Leaves[i] = list[i].Leaf()
	}
	return out, Explain(op, err)
}

// Logged shows somebody that an entry of their own is in the log of a size. It
// is "not found" until the log has it, and for everybody else.
func (s *Service) Logged(ctx context.Context, p identity.Principal, channel envelope.ChannelID, position uint64, size int64) (wire.Logged, error) {
	const op = "checkpoint.prove"
	r, index, found, err := s.Store.Logged(ctx, channel, position)
	if err != nil {
		return wire.Logged{}, Explain(op, err)
	}
	about := resource(policy.RecordResource, channel.String()+":"+strconv.FormatUint(position, 10))
	about.Owner = core.SubjectID(p.User)
	if found {
		about.Owner = core.SubjectID(identity.UserID(r.Actor))
	}
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.CheckpointProve, about); err != nil {
		return wire.Logged{}, core.Hide(err, op, "that record")
	}
	if !found || index >= size {
		return wire.Logged{}, Missing(op, "that record")
	}
	proof, err := tlog.ProveInclusion(size, index, s.Store.Hashes())
	if err != nil {
		return wire.Logged{}, Malformed(op, "size", errors.New("the log is not that long"))
	}
	return wire.Logged{Index: index, Leaf: r.Leaf(), Proof: hashes(proof)}, nil
}

// Cosign takes the word of a listed recorder or witness that a checkpoint extends
// every one that it cosigned before. It vouches for itself, so who brings it does
// not matter to anybody but policy.
func (s *Service) Cosign(ctx context.Context, p identity.Principal, in wire.Cosignature) error {
	const op = "checkpoint.cosign"
	_, g, e, err := s.Gate.Permit(ctx, p, policy.CheckpointCosign, logResource())
	if err != nil {
		return err
	}
	if err := s.founded(op); err != nil {
		return err
	}
	note, found, err := s.Store.Note(ctx, in.Size)
	if err != nil {
		return Explain(op, err)
	}
	if !found {
		return Missing(op, "a checkpoint of this size")
	}
	by, at, err := witness.ReadCosignature(s.Directory.Org(), []byte(note), in.Line)
	if err != nil {
		return Malformed(op, "line", err)
	}
	e.Op, e.Detail = record.Cosign, `{"by":"`+by.String()+`","size":`+strconv.FormatInt(in.Size, 10)+`}`
	return Explain(op, s.Store.Cosign(ctx, g, e, in.Size, by, at, in.Line))
}
