// Padding of bodies (messages.md), so that sizes say little.
import { concat, zero, type Bytes } from "../encoding/bytes.js";
import { demand } from "../refusal.js";

const mark = 0x80;
const least = 128;

/** Size of a body of n bytes when padded. */
export function paddedSize(n: number): number {
  const s = Math.max(n + 1, least);
  const e = Math.floor(Math.log2(s));
  const f = Math.floor(Math.log2(e)) + 1;
  const step = 2 ** (e - f);
  return Math.ceil(s / step) * step;
}

export function pad(body: Bytes): Bytes {
  return concat(body, Uint8Array.of(mark), zero(paddedSize(body.length) - body.length - 1));
}

export function unpad(padded: Bytes): Bytes {
  const end = padded.findLastIndex((x) => x !== 0);
  demand(end >= 0 && padded[end] === mark, "malformed", "unpadding: no mark");
  demand(padded.length === paddedSize(end), "malformed", "unpadding: another size");
  return padded.slice(0, end);
}
