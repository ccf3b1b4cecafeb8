import { equal } from "node:assert/strict";
import { bigEndian, hex, type Bytes } from "../../src/encoding/bytes.js";
import { openCheckpoint, openCosignature } from "../../src/log/checkpoint.js";
import { Tiles } from "../../src/log/tile.js";
import { checkConsistency, checkRange, leafHash, rootOf } from "../../src/log/tree.js";
import { KeyTree } from "../../src/vault/keytree.js";
import type { Case, Readers } from "./case.js";

const leavesTo = (n: number): Bytes[] => Array.from({ length: n }, (_, i) => bigEndian(BigInt(i), 2));

export const trees: Readers = {
  root: (c) => {
    equal(hex(rootOf(leavesTo(c.number("size")))), c.text("root"));
  },
  consistency: (c) => {
    const older = { size: c.number("old_size"), root: c.bytes("old_root") };
    checkConsistency(older, { size: c.number("size"), root: c.bytes("root") }, c.byteList("proof"));
  },
};

export const ranges: Readers = {
  range: (c) => {
    const run = { from: c.number("from"), to: c.number("to"), size: c.number("size"), root: c.bytes("root") };
    checkRange(run, leavesTo(run.to).slice(run.from).map(leafHash), c.byteList("proof"));
  },
};

const leafOf = (i: number): Bytes => leafHash(Uint8Array.of(i & 255, (i >> 8) & 255, (i >> 16) & 255));

export const tiles: Readers = {
  tiles: (c) => {
    const range = { from: c.number("from"), to: c.number("to"), size: c.number("size"), root: c.bytes("root") };
    const shown = new Tiles(range, c.map("tiles"));
    for (let i = range.from; i < range.to; i++) equal(hex(shown.leaf(i)!), hex(leafOf(i)));
  },
};

export const checkpoints: Readers = {
  checkpoint: (c) => {
    const { size, root } = openCheckpoint(c.text("note"), c.text("origin"), c.bytes("key"));
    equal(size, BigInt(c.number("size")));
    equal(hex(root), c.text("root"));
  },
};

export const cosignatures: Readers = {
  cosignature: (c) => {
    const cosigner = { name: c.text("cosigner"), key: c.bytes("key") };
    equal(openCosignature(c.text("text"), c.text("line"), cosigner), BigInt(c.number("time")));
  },
};

export const keytrees: Readers = {
  tree: async (c) => {
    const tree = KeyTree.parse(c.bytes("tree"));
    const made = KeyTree.of(c.bytes("root"));
    for (const leaf of c.list("punctured")) await made.puncture(BigInt(Number(leaf)));
    equal(hex(made.format()), c.text("tree"));
    for (const leaf of c.cases("leaves")) await checkLeaf(tree, leaf);
  },
};

async function checkLeaf(tree: KeyTree, leaf: Case): Promise<void> {
  const key = await tree.key(BigInt(leaf.number("leaf")));
  equal(key ? hex(key) : "", leaf.text("key"));
}
