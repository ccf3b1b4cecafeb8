// Full tiles, of which the vectors' ranges have none: each must be one hash of the level above.
import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { bigEndian, concat, hex, type Bytes } from "../src/encoding/bytes.js";
import { path, Tiles, tilesOf } from "../src/log/tile.js";
import { fold, leafHash } from "../src/log/tree.js";
import { Refusal } from "../src/refusal.js";

const size = 300;
const leaves = Array.from({ length: size }, (_, i) => leafHash(bigEndian(BigInt(i), 2)));
const levels = [leaves, [fold(leaves.slice(0, 256))]];
const range = { from: 5, to: 6, size, root: fold(leaves) };

function content(): Map<string, Bytes> {
  return new Map(tilesOf(range.from, range.to, size).map((tile) => {
    const from = 256 * tile.index;
    return [path(tile), concat(...levels[tile.level]!.slice(from, from + tile.width))];
  }));
}

test("a full tile shows its leaves", () => {
  equal(hex(new Tiles(range, content()).leaf(5)!), hex(leaves[5]!));
});

test("a full tile with a bit changed is refused, though the root is the same", () => {
  const changed = content();
  changed.get("tile/0/000")![0]! ^= 1;
  throws(() => new Tiles(range, changed), (err) => err instanceof Refusal && err.reason === "bad_tile");
});
