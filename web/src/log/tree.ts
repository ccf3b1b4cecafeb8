// Merkle trees of RFC 6962 with SHA-256 (encoding.md).
import { concat, equal, own, type Bytes } from "../encoding/bytes.js";
import { sha256 } from "../encoding/hash.js";
import { demand, Refusal } from "../refusal.js";

export const leafHash = (data: Bytes): Bytes => sha256(concat(Uint8Array.of(0), data));

export const nodeHash = (left: Bytes, right: Bytes): Bytes => sha256(concat(Uint8Array.of(1), left, right));

/** Root over leaf data, which is not hashed yet. */
export const rootOf = (leaves: readonly Bytes[]): Bytes => fold(leaves.map(leafHash));

/** Root over leaf hashes. */
export function fold(hashes: readonly Bytes[]): Bytes {
  if (hashes.length === 0) return sha256(own(new Uint8Array()));
  if (hashes.length === 1) return hashes[0]!;
  const half = split(hashes.length);
  return nodeHash(fold(hashes.slice(0, half)), fold(hashes.slice(half)));
}

/** The largest power of two below n, which is 2 or more. */
function split(n: number): number {
  let half = 1;
  while (half * 2 < n) half *= 2;
  return half;
}

export interface Head {
  readonly size: number;
  readonly root: Bytes;
}

/** Refuses (bad_proof) unless the proof shows that the newer tree begins with the older one, of one leaf or more. */
export function checkConsistency(older: Head, newer: Head, proof: readonly Bytes[]): void {
  demand(older.size >= 1 && older.size <= newer.size, "bad_proof", "proving consistency: sizes");
  const rest = [...proof];
  const [before, after] = older.size === newer.size ? [older.root, older.root] : climb(older, newer.size, true, rest);
  const shown = rest.length === 0 && equal(before, older.root) && equal(after, newer.root);
  demand(shown, "bad_proof", "proving consistency: roots");
}

/** A run of leaves, from and to - 1, in a tree of that head. */
export interface Run extends Head {
  readonly from: number;
  readonly to: number;
}

/** Refuses (bad_proof) unless the hashes are those of the run's leaves. The proof has the rest, left to right. */
export function checkRange(run: Run, leaves: readonly Bytes[], proof: readonly Bytes[]): void {
  const whole = 0 <= run.from && run.from < run.to && run.to <= run.size && leaves.length === run.to - run.from;
  demand(whole, "bad_proof", "proving a range: sizes");
  const rest = [...proof].reverse();
  const root = rebuild(0, run.size);
  demand(rest.length === 0 && equal(root, run.root), "bad_proof", "proving a range: root");

  function rebuild(lo: number, hi: number): Bytes {
    if (hi <= run.from || run.to <= lo) return last(rest);
    if (hi - lo === 1) return leaves[lo - run.from]!;
    const half = lo + split(hi - lo);
    const left = rebuild(lo, half);
    return nodeHash(left, rebuild(half, hi));
  }
}

/** Roots of the older tree and of the first `size` leaves, from the proof's hashes. `whole`: the older one is known. */
function climb(older: Head, size: number, whole: boolean, proof: Bytes[]): [Bytes, Bytes] {
  return walk(older.size, size, whole);

  function walk(old: number, n: number, known: boolean): [Bytes, Bytes] {
    if (old === n) return known ? [older.root, older.root] : twice(last(proof));
    const half = split(n);
    const right = last(proof);
    if (old <= half) {
      const [before, after] = walk(old, half, known);
      return [before, nodeHash(after, right)];
    }
    const [before, after] = walk(old - half, n - half, false);
    return [nodeHash(right, before), nodeHash(right, after)];
  }
}

const twice = (b: Bytes): [Bytes, Bytes] => [b, b];

function last(proof: Bytes[]): Bytes {
  const hash = proof.pop();
  if (!hash) throw new Refusal("bad_proof", "a hash of the proof is missing");
  return hash;
}
