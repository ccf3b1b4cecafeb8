package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chancery/cmd/internal/client"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// ErrEmptyLog: nothing of the log is signed yet.
var ErrEmptyLog = errors.New("the log has no signed checkpoint yet")

// MirrorLog writes to dir what a witness follows the log by: the newest cosigned
// checkpoint, the organisation's chain and the tiles that are not there yet. The
// checkpoint comes last, so that what it needs is there. It gives the log's size.
func MirrorLog(ctx context.Context, api *client.Transport, org *chain.Org, dir string) (int64, error) {
	said, err := api.Witnessed(ctx, 0)
	if err != nil {
		return 0, fmt.Errorf("fetching the log's checkpoint: %w", err)
	}
	if len(said.Checkpoints) == 0 {
		return 0, ErrEmptyLog
	}
	note := []byte(said.Checkpoints[len(said.Checkpoints)-1].Note)
	n, err := witness.Read(org, note)
	if err != nil {
		return 0, fmt.Errorf("reading the log's checkpoint: %w", err)
	}
	for _, t := range tlog.Tiles(n.Size) {
		if err := mirrorTile(ctx, api, dir, t); err != nil {
			return 0, fmt.Errorf("fetching %s: %w", t.Path(), err)
		}
	}
	links, err := chainLines(ctx, api, org.ID())
	if err != nil {
		return 0, err
	}
	return n.Size, errors.Join(os.WriteFile(filepath.Join(dir, "org.jsonl"), links, 0o644),
		os.WriteFile(filepath.Join(dir, "checkpoint"), note, 0o644))
}

func mirrorTile(ctx context.Context, api *client.Transport, dir string, t tlog.Tile) error {
	path := filepath.Join(dir, filepath.FromSlash(t.Path()))
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := api.Tile(ctx, strings.TrimPrefix(t.Path(), "tile/"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// chainLines is the organisation's chain as an archive has it.
func chainLines(ctx context.Context, api *client.Transport, id envelope.OrgID) ([]byte, error) {
	answer, err := api.Org(ctx)
	if err != nil {
		return nil, fmt.Errorf("fetching the organisation's chain: %w", err)
	}
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	for _, e := range answer.Entries {
		if err := lines.Encode(map[string]any{"chain": envelope.Hash(id), "entry": e}); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
