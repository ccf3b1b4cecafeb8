package tlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is fixed by C2SP tlog-tiles: 256 hashes, 8 KiB, in a full tile.
const tileHeight = 8

// tileWidth is the number of hashes in a full tile.
const tileWidth = 1 << tileHeight

// ErrTile reports tiles that are missing, of the wrong size, or do not hash to
// the root.
var ErrTile = errors.New("tile does not match root")

// Tile names one tile: the hashes [256·N, 256·N+W) of level L, where level L
// holds roots of 256^L leaves.
type Tile struct {
	L int
	N int64
	W int // 1 to 256; less than 256 is a partial tile
}

func (t Tile) lib() tlog.Tile { return tlog.Tile{H: tileHeight, L: t.L, N: t.N, W: t.W} }

// Path is the C2SP tlog-tiles path, "tile/<L>/<N>" or "tile/<L>/<N>.p/<W>", with
// N in groups of three digits: "tile/0/x001/234".
func (t Tile) Path() string {
	return "tile/" + strings.TrimPrefix(t.lib().Path(), fmt.Sprintf("tile/%d/", tileHeight))
}

// ParseTilePath reads a path that Path made; no other spelling is accepted.
func ParseTilePath(path string) (Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	// Level -1 is the library's data tile, which C2SP spells otherwise and we
	// don't have.
	if !ok || err != nil || t.L < 0 {
		return Tile{}, fmt.Errorf("parsing tile path %q: malformed", path)
	}
	return Tile{L: t.L, N: t.N, W: t.W}, nil
}

// Tiles lists the tiles that cover a tree of that size, level by level.
func Tiles(size int64) []Tile { return NewTiles(0, size) }

// NewTiles lists the tiles to write when a tree grows from oldSize to newSize.
// Partial tiles of the old tree are not listed again.
func NewTiles(oldSize, newSize int64) []Tile {
	var tiles []Tile
	for _, t := range tlog.NewTiles(tileHeight, oldSize, newSize) {
		tiles = append(tiles, Tile{L: t.L, N: t.N, W: t.W})
	}
	return tiles
}

// RangeTiles lists the tiles needed to check the leaves [from, to) against the
// root of a tree of that size: those that hold the leaves, their ancestors, and
// the partial tile at the right end of each level, from which the root is made.
// It is what an archive of one period carries.
func RangeTiles(size, from, to int64) []Tile {
	var tiles []Tile
	for level := 0; size>>(tileHeight*level) > 0; level++ {
		width := size >> (tileHeight * level)
		if from < to {
			first, last := from>>(tileHeight*(level+1)), (to-1)>>(tileHeight*(level+1))
			for n := first; n <= last && n<<tileHeight < width; n++ {
				tiles = append(tiles, Tile{L: level, N: n, W: int(min(tileWidth, width-n<<tileHeight))})
			}
		}
		if w := int(width % tileWidth); w > 0 {
			right := Tile{L: level, N: width >> tileHeight, W: w}
			if !slices.Contains(tiles, right) {
				tiles = append(tiles, right)
			}
		}
	}
	return tiles
}

// TileData returns the bytes of a tile, 32 for each of its W hashes.
func TileData(t Tile, r HashReader) ([]byte, error) {
	data, err := tlog.ReadTileData(t.lib(), r)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", t.Path(), err)
	}
	return data, nil
}

// OpenTiles returns a reader of the hashes of the tree that c names, from tiles
// in fsys. Each hash it returns was checked against c.Root.
func OpenTiles(fsys fs.FS, c Checkpoint) HashReader {
	return tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, tileFiles{fsys})
}

// VerifyTiles checks the leaves [from, to) in fsys against c.Root and gives each
// leaf hash to visit, in order. An error of visit ends it and is returned.
// Everything else is ErrTile, wrapped.
func VerifyTiles(fsys fs.FS, c Checkpoint, from, to int64, visit func(i int64, leaf Hash) error) error {
	if from < 0 || from > to || to > c.Size {
		return fmt.Errorf("verifying tiles: leaves [%d, %d) of %d: %w", from, to, c.Size, ErrTile)
	}
	if c.Size == 0 {
		if c.Root != Root(nil) {
			return fmt.Errorf("verifying tiles: empty tree: %w", ErrTile)
		}
		return nil
	}
	r := OpenTiles(fsys, c)
	// Without leaves to read, the root itself is still checked.
	if _, err := r.ReadHashes(nil); err != nil {
		return fmt.Errorf("verifying tiles: root: %w: %w", ErrTile, err)
	}
	for start := from; start < to; {
		// One tile at a time keeps memory flat however long the log is.
		end := min(to, (start/tileWidth+1)*tileWidth)
		leaves, err := r.ReadHashes(leafIndexes(start, end))
		if err != nil {
			return fmt.Errorf("verifying tiles: leaves [%d, %d): %w: %w", start, end, ErrTile, err)
		}
		for k, leaf := range leaves {
			if err := visit(start+int64(k), leaf); err != nil {
				return err
			}
		}
		start = end
	}
	return nil
}

func leafIndexes(from, to int64) []int64 {
	indexes := make([]int64, 0, to-from)
	for i := from; i < to; i++ {
		indexes = append(indexes, StoredIndex(0, i))
	}
	return indexes
}

// tileFiles reads tiles as files. It keeps nothing: the files are the cache.
type tileFiles struct{ fsys fs.FS }

func (tileFiles) Height() int { return tileHeight }

func (tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (f tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		b, err := readExactly(f.fsys, Tile{L: t.L, N: t.N, W: t.W}.Path(), t.W*tlog.HashSize)
		if err != nil {
			return nil, err
		}
		data[i] = b
	}
	return data, nil
}

// readExactly reads a file of a known size, so that a hostile archive can't
// make the reader take more than a tile.
func readExactly(fsys fs.FS, path string, size int) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(size)+1))
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		return nil, fmt.Errorf("reading %s: not %d bytes", path, size)
	}
	return b, nil
}
