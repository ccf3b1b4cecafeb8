package tlog

import (
	"errors"
	"testing"
	"testing/fstest"
)

// tileLog is a log of n leaves, its checkpoint and the given tiles as files.
func tileLog(t *testing.T, n int64, tiles []Tile) (Checkpoint, fstest.MapFS, []Hash) {
	t.Helper()
	var stored MemoryHashes
	var leaves []Hash
	for i := range n {
		leaf := LeafHash([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
		leaves = append(leaves, leaf)
		if err := stored.Append(i, leaf); err != nil {
			t.Fatal(err)
		}
	}
	if got := StoredCount(n); got != int64(len(stored)) {
		t.Fatalf("StoredCount(%d) = %d, want %d", n, got, len(stored))
	}
	root, err := TreeRoot(n, stored)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, tile := range tiles {
		data, err := TileData(tile, stored)
		if err != nil {
			t.Fatal(err)
		}
		files[tile.Path()] = &fstest.MapFile{Data: data}
	}
	return Checkpoint{Origin: "log.example/a", Size: n, Root: root}, files, leaves
}

func TestTilesCoverEveryRange(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, 2, 255, 256, 257, 511, 512, 65_536, 65_537, 66_100} {
		for _, r := range [][2]int64{{0, size}, {0, 0}, {size, size}, {size / 2, size}, {size / 3, size/3 + 1}, {size - 1, size}} {
			cp, files, leaves := tileLog(t, size, RangeTiles(size, r[0], r[1]))
			next := r[0]
			err := VerifyTiles(files, cp, r[0], r[1], func(i int64, leaf Hash) error {
				if i != next || leaf != leaves[i] {
					t.Fatalf("leaf %d of %d came as %d", next, size, i)
				}
				next++
				return nil
			})
			if err != nil || next != r[1] {
				t.Errorf("size %d range %v: read up to %d: %v", size, r, next, err)
			}
		}
	}
}

func TestRangeTilesOfAllIsTiles(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1, 256, 300, 65_536, 70_000} {
		all, ranged := Tiles(size), RangeTiles(size, 0, size)
		if len(all) != len(ranged) {
			t.Errorf("size %d: %d tiles, range lists %d", size, len(all), len(ranged))
		}
	}
}

func TestTilePath(t *testing.T) {
	t.Parallel()
	for path, tile := range map[string]Tile{
		"tile/0/000":               {L: 0, N: 0, W: 256},
		"tile/0/x001/x234/067.p/1": {L: 0, N: 1234067, W: 1},
		"tile/3/x001/234":          {L: 3, N: 1234, W: 256},
	} {
		if got := tile.Path(); got != path {
			t.Errorf("%+v: path %q, want %q", tile, got, path)
		}
		if got, err := ParseTilePath(path); err != nil || got != tile {
			t.Errorf("%q: %+v, %v", path, got, err)
		}
	}
	for _, path := range []string{"", "tile/0/0", "tile/00/000", "0/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/data/000", "tile/0/000/", "tile/0/../000", "tile/-1/000"} {
		if _, err := ParseTilePath(path); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
}

func TestAttack38ChangedTiles(t *testing.T) {
	t.Parallel()
	const size = 600
	cp, files, _ := tileLog(t, size, Tiles(size))
	ignore := func(int64, Hash) error { return nil }
	for path, file := range files {
		for _, at := range []int{0, len(file.Data) / 2, len(file.Data) - 1} {
			file.Data[at] ^= 1
			if err := VerifyTiles(files, cp, 0, size, ignore); !errors.Is(err, ErrTile) {
				t.Errorf("%s changed at %d: %v", path, at, err)
			}
			file.Data[at] ^= 1
		}
		for _, data := range [][]byte{nil, file.Data[:len(file.Data)-32], append(file.Data[:len(file.Data):len(file.Data)], 0)} {
			files[path] = &fstest.MapFile{Data: data}
			if err := VerifyTiles(files, cp, 0, size, ignore); !errors.Is(err, ErrTile) {
				t.Errorf("%s cut or grown to %d bytes: %v", path, len(data), err)
			}
		}
		delete(files, path)
		if err := VerifyTiles(files, cp, 0, size, ignore); !errors.Is(err, ErrTile) {
			t.Errorf("%s missing: %v", path, err)
		}
		files[path] = file
	}
	if err := VerifyTiles(files, cp, 0, size+1, ignore); !errors.Is(err, ErrTile) {
		t.Errorf("leaf past the end: %v", err)
	}
	if err := VerifyTiles(files, Checkpoint{Size: 0}, 0, 0, ignore); !errors.Is(err, ErrTile) {
		t.Errorf("empty tree with a root of zeros: %v", err)
	}
	stop := errors.New("stop")
	if err := VerifyTiles(files, cp, 0, size, func(int64, Hash) error { return stop }); err != stop {
		t.Errorf("visit's error: %v", err)
	}
}
