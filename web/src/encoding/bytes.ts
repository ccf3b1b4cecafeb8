/** Bytes with a buffer of their own, which is what WebCrypto takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

export const own = (b: Uint8Array): Bytes => new Uint8Array(b);

export const zero = (n = 32): Bytes => new Uint8Array(n);

export const isZero = (b: Uint8Array): boolean => b.every((x) => x === 0);

export const utf8 = (text: string): Bytes => own(new TextEncoder().encode(text));

export function hex(b: Uint8Array): string {
  return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}

/** The bytes of lower-case hexadecimal text, the only text form of ids. Throws for any other. */
export function unhex(text: string): Bytes {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new RangeError("reading hexadecimal: not lower-case pairs");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Order of unsigned bytes, first byte first: below 0, 0 or above 0. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = a[i]! - b[i]!;
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean => compare(a, b) === 0;

export function concat(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/** Whether each is above the one before, so that none is there twice. */
export function rising(list: readonly Uint8Array[]): boolean {
  return list.every((b, i) => i === 0 || compare(list[i - 1]!, b) < 0);
}

/** n as so many bytes, big-endian. */
export function bigEndian(n: bigint, size: number): Bytes {
  return unhex(n.toString(16).padStart(2 * size, "0"));
}

export function fromBigEndian(b: Uint8Array): bigint {
  return b.reduce((n, x) => (n << 8n) | BigInt(x), 0n);
}
