// ECDSA P-384 with SHA-384, strictly (encoding.md): uncompressed points, low s.
import { p384 } from "@noble/curves/nist.js";
import { fromBigEndian, type Bytes } from "../encoding/bytes.js";

const order = p384.Point.Fn.ORDER;

/** Whether these 97 bytes are a point on the curve in its one form. */
export function isKey(key: Bytes): boolean {
  if (key.length !== 97 || key[0] !== 4) return false;
  try {
    p384.Point.fromBytes(key).assertValidity();
    return true;
  } catch {
    return false;
  }
}

export function verify(key: Bytes, message: Bytes, signature: Bytes): boolean {
  if (!isKey(key) || signature.length !== 96) return false;
  const r = fromBigEndian(signature.subarray(0, 48));
  const s = fromBigEndian(signature.subarray(48));
  if (r === 0n || r >= order || s === 0n || s > (order - 1n) / 2n) return false;
  return p384.verify(signature, message, key, { lowS: true, format: "compact", prehash: true });
}
