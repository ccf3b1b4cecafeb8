// Ed25519, strictly (encoding.md): prime-order keys, canonical everything, no cofactor.
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, equal, fromBigEndian, hex, own, type Bytes } from "../encoding/bytes.js";

type Point = InstanceType<typeof ed25519.Point>;

const order = ed25519.Point.Fn.ORDER;

// Finding that a point has prime order costs as much as verifying. People have few devices.
const known = new Map<string, Point>();
const maxKnown = 4096;

/** Whether this may be anybody's public key. */
export const isKey = (key: Bytes): boolean => point(key) !== undefined;

function point(key: Bytes): Point | undefined {
  const name = hex(key);
  const p = known.get(name) ?? decode(key);
  if (p && known.size < maxKnown) known.set(name, p);
  return p;
}

function decode(key: Bytes): Point | undefined {
  try {
    const p = ed25519.Point.fromBytes(key, false);
    const sound = equal(p.toBytes(), key) && !p.is0() && p.isTorsionFree();
    return sound ? p : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an acceptable key made this signature: [S]B − [k]A must be the signature's first half, byte for byte. */
export function verify(key: Bytes, message: Bytes, signature: Bytes): boolean {
  const a = point(key);
  if (!a || signature.length !== 64) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= order) return false;
  const k = littleEndian(sha512(concat(r, key, message))) % order;
  const expected = ed25519.Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k));
  return equal(expected.toBytes(), r);
}

/** For those whose private key is bytes; a browser signs with a key that it can't read. */
export function sign(seed: Bytes, message: Bytes): Bytes {
  return own(ed25519.sign(message, seed));
}

export const publicOf = (seed: Bytes): Bytes => own(ed25519.getPublicKey(seed));

const littleEndian = (b: Uint8Array): bigint => fromBigEndian(b.slice().reverse());
