// Tiles of height 8 (log.md), as many as show a range of leaves under a root.
import { equal, type Bytes } from "../encoding/bytes.js";
import { demand, found } from "../refusal.js";
import { fold, nodeHash } from "./tree.js";

export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

const full = 256;
const hashSize = 32;

export function path({ level, index, width }: Tile): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.../g) ?? [];
  const n = groups.map((g, i) => (i < groups.length - 1 ? `x${g}` : g)).join("/");
  return `tile/${level}/${n}${width === full ? "" : `.p/${width}`}`;
}

/** Hashes of a level in a tree of this size. Sizes pass 2^31, so no shifts. */
const widthAt = (size: number, level: number): number => Math.floor(size / full ** level);

/** Tiles that show the leaves from..to-1 in a tree of this size. */
export function tilesOf(from: number, to: number, size: number): Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0; widthAt(size, level) > 0; level++) tiles.push(...tilesAt(level, from, to, widthAt(size, level)));
  return tiles;
}

function tilesAt(level: number, from: number, to: number, width: number): Tile[] {
  const tiles: Tile[] = [];
  if (from < to) {
    for (let n = widthAt(from, level + 1); n <= widthAt(to - 1, level + 1) && n * full < width; n++) {
      tiles.push({ level, index: n, width: Math.min(full, width - full * n) });
    }
  }
  const end = { level, index: Math.floor(width / full), width: width % full };
  if (end.width !== 0 && tiles.at(-1)?.index !== end.index) tiles.push(end);
  return tiles;
}

/** Verified tiles of a range. */
export class Tiles {
  readonly #hashes = new Map<string, Bytes[]>();
  readonly #size: number;

  /** Takes exactly the range's tiles, by path; refuses (bad_tile) those that don't give the root. */
  constructor(range: { from: number; to: number; size: number; root: Bytes }, content: ReadonlyMap<string, Bytes>) {
    this.#size = range.size;
    const tiles = tilesOf(range.from, range.to, range.size);
    demand(tiles.length === content.size, "bad_tile", "reading tiles: too many or too few");
    for (const tile of tiles) this.#take(tile, content.get(path(tile)));
    demand(equal(this.#root(tiles), range.root), "bad_tile", "reading tiles: another root");
    for (const tile of tiles) this.#checkAbove(tile);
  }

  /** Hash of leaf i, or undefined outside the range. */
  leaf(i: number): Bytes | undefined {
    return this.#hash(0, i);
  }

  #take(tile: Tile, content: Bytes | undefined): void {
    const b = found(content, "bad_tile", `reading ${path(tile)}`);
    demand(b.length === hashSize * tile.width, "bad_tile", `reading ${path(tile)}: its size`);
    const hashes = Array.from({ length: tile.width }, (_, i) => b.slice(hashSize * i, hashSize * (i + 1)));
    this.#hashes.set(path(tile), hashes);
  }

  #root(tiles: readonly Tile[]): Bytes {
    const ends = tiles.filter((t) => t.width < full).reverse();
    const peaks = ends.flatMap((t) => subtrees(this.#hashes.get(path(t))!));
    return peaks.length === 0 ? fold([]) : peaks.reduceRight((r, peak) => nodeHash(peak, r));
  }

  /** A full tile is one hash of the level above. */
  #checkAbove(tile: Tile): void {
    if (tile.width < full) return;
    const above = this.#hash(tile.level + 1, tile.index);
    const sound = above !== undefined && equal(fold(this.#hashes.get(path(tile))!), above);
    demand(sound, "bad_tile", `reading ${path(tile)}: another hash above it`);
  }

  #hash(level: number, i: number): Bytes | undefined {
    const index = Math.floor(i / full);
    const width = Math.min(full, widthAt(this.#size, level) - full * index);
    return this.#hashes.get(path({ level, index, width }))?.[i % full];
  }
}

/** Roots of the complete subtrees that hashes split into, largest first. */
function subtrees(hashes: readonly Bytes[]): Bytes[] {
  if (hashes.length === 0) return [];
  const size = 2 ** Math.floor(Math.log2(hashes.length));
  return [fold(hashes.slice(0, size)), ...subtrees(hashes.slice(size))];
}
