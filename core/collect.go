package core

import (
	"context"
	"time"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/policy"
)

// collectEvery is how often unclaimed uploads are looked for.
const collectEvery = 15 * time.Minute

// followUploads drops what nobody claims, at start and then by the clock.
func (s *Service) followUploads(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		s.collect(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Service) collect(ctx context.Context) {
	since := s.Now().Add(-s.Staging.orDefault().Keep)
	all, err := s.Store.Unclaimed(ctx, since)
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "looking for unclaimed uploads failed", "err", err)
	}
	for _, id := range all {
		if err := s.discard(ctx, id, since); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "dropping an unclaimed upload failed; trying again", "file", id, "err", err)
		}
	}
}

// discard closes an upload to its sender, removes its bytes, then its row: after
// a crash at any point it is found again.
func (s *Service) discard(ctx context.Context, id envelope.BlobID, since time.Time) error {
	_, grant, e, err := s.Gate.Permit(ctx, Job("uploads"), policy.FileDiscard, policy.Resource{Type: policy.FileResource, ID: id.String()})
	if err != nil {
		return err
	}
	dropped, err := s.Store.DropUpload(ctx, grant, id, since, s.Now())
	if err != nil || !dropped {
		return err
	}
	if err := s.Blobs.Remove(ctx, id); err != nil {
		return err
	}
	return s.Store.ForgetUpload(ctx, grant, e.of(record.FileDiscard), id)
}
