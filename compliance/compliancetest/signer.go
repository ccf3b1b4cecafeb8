package compliancetest

import (
	"context"
	"testing"

	"chancery/crypto/sign"
	"chancery/crypto/sign/signer"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
)

// Signer signs as the signer's process does: each ordinal of a chain of archives
// once, each after the one before. It is not safe for concurrent use.
type Signer struct {
	Key  *sign.Key
	Down error // when set, the answer to everything
	last map[string]signer.Last
}

// NewSigner makes a signer with a key of its own.
func NewSigner(t testing.TB) *Signer {
	t.Helper()
	return &Signer{Key: suitetest.SignerKey(t), last: map[string]signer.Last{}}
}

// SignCertificate signs a disposal certificate.
func (s *Signer) SignCertificate(_ context.Context, c signer.Certificate) ([]byte, error) {
	if s.Down != nil {
		return nil, s.Down
	}
	return c.Sign(s.Key)
}

// LastCheckpoint implements record.CheckpointSigner.
func (s *Signer) LastCheckpoint(_ context.Context, origin string) (int64, error) {
	return s.last[origin].Size, s.Down
}

// SignCheckpoint implements record.CheckpointSigner.
func (s *Signer) SignCheckpoint(_ context.Context, c tlog.Checkpoint, proof []tlog.Hash) ([]byte, error) {
	request := signer.Checkpoint{Origin: c.Origin, Size: c.Size, Root: signer.Digest(c.Root), Proof: proof}
	note, err := request.Sign(s.Key)
	if err == nil {
		s.last[c.Origin] = signer.Last{Size: c.Size, Root: request.Root}
	}
	return note, err
}

// SignArchive signs an archive, or the same one again.
func (s *Signer) SignArchive(_ context.Context, a signer.Archive) (*signer.SignedArchive, error) {
	if s.Down != nil {
		return nil, s.Down
	}
	last := s.last[a.Origin()]
	if again := a.Ordinal == last.Size && a.Manifest == last.Root; !again && (a.Ordinal != last.Size+1 || a.Previous != last.Root) {
		return nil, &signer.Refused{Code: signer.Forked, Text: "not the next archive"}
	}
	s.last[a.Origin()] = signer.Last{Size: a.Ordinal, Root: a.Manifest}
	return a.Sign(s.Key)
}
