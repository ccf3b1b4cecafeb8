package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"chancery/core/store"
	"chancery/core/vault"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// salts is the vault in the shape that the service asks for.
type salts struct{ vault *vault.Vault }

func (s salts) Create(c envelope.ChannelID) error { return s.vault.Create(vault.Channel(c)) }

func (s salts) SealSalt(c envelope.ChannelID, i uint64, salt [32]byte) ([]byte, error) {
	return s.vault.SealSalt(vault.Channel(c), i, salt)
}

func (s salts) OpenSalt(c envelope.ChannelID, i uint64, sealed []byte) ([32]byte, bool, error) {
	salt, err := s.vault.OpenSalt(vault.Channel(c), i, sealed)
	if errors.Is(err, vault.ErrPunctured) {
		return salt, false, nil
	}
	return salt, err == nil, err
}

// Puncture destroys leaves for the disposals.
func (s salts) Puncture(ctx context.Context, leaves map[envelope.ChannelID][]uint64) error {
	byTree := make(map[vault.Channel][]uint64, len(leaves))
	for channel, positions := range leaves {
		byTree[vault.Channel(channel)] = positions
	}
	_, err := s.vault.Puncture(ctx, byTree)
	return err
}

// transparency is the log in the shape that the interface reads.
type transparency struct{ *store.Log }

// Tile makes a tile of the signed tree, so that readers see nothing that is not
// signed yet.
func (t transparency) Tile(ctx context.Context, path string) ([]byte, bool, error) {
	tile, err := tlog.ParseTilePath("tile/" + path)
	if err != nil {
		return nil, false, nil
	}
	size, err := t.signedSize(ctx)
	if err != nil {
		return nil, false, err
	}
	if width := size >> (8 * tile.L); tile.N<<8+int64(tile.W) > width {
		return nil, false, nil
	}
	data, err := tlog.TileData(tile, t.Log)
	return data, err == nil, err
}

func (t transparency) signedSize(ctx context.Context) (int64, error) {
	note, found, err := t.Checkpoint(ctx)
	if err != nil || !found {
		return 0, err
	}
	var size int64
	if _, err := fmt.Sscanf(note, "%s\n%d\n", new(string), &size); err != nil {
		return 0, fmt.Errorf("reading the stored checkpoint: %w", err)
	}
	return size, nil
}

// isFresh says whether there is no channel yet.
func isFresh(ctx context.Context, pool *pgxpool.Pool) (fresh bool, err error) {
	err = pool.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM channels)`).Scan(&fresh)
	if err != nil {
		return false, fmt.Errorf("looking for channels: %w", err)
	}
	return fresh, nil
}
