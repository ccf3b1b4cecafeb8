// Canonical CBOR (encoding.md): decoded leniently, encoded again, and compared.
import { demand, Refusal } from "../refusal.js";
import { bigEndian, concat, equal, fromBigEndian, own, utf8, type Bytes } from "./bytes.js";

/** What the formats are made of. Integers are bigint, whatever their size. */
export type Value = bigint | boolean | string | Bytes | readonly Value[];

const maxDepth = 8;
const maxElements = 4096n;

const major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, simple: 7 } as const;

export function encode(v: Value): Bytes {
  const parts: Uint8Array[] = [];
  write(v, parts);
  return concat(...parts);
}

function write(v: Value, parts: Uint8Array[]): void {
  if (typeof v === "bigint") parts.push(v < 0n ? head(major.negative, -1n - v) : head(major.unsigned, v));
  else if (typeof v === "boolean") parts.push(Uint8Array.of(v ? 0xf5 : 0xf4));
  else if (typeof v === "string") writeString(major.text, utf8(v), parts);
  else if (v instanceof Uint8Array) writeString(major.bytes, v, parts);
  else {
    parts.push(head(major.array, BigInt(v.length)));
    for (const element of v) write(element, parts);
  }
}

function writeString(kind: number, b: Uint8Array, parts: Uint8Array[]): void {
  parts.push(head(kind, BigInt(b.length)), b);
}

/** First byte and argument, in the shortest form. */
function head(kind: number, n: bigint): Bytes {
  const first = kind << 5;
  if (n < 24n) return Uint8Array.of(first | Number(n));
  const size = n < 1n << 8n ? 0 : n < 1n << 16n ? 1 : n < 1n << 32n ? 2 : 3;
  return concat(Uint8Array.of(first | (24 + size)), bigEndian(n, 1 << size));
}

/** The value of exactly these bytes. Throws malformed for every encoding but the one. */
export function decode(b: Bytes): Value {
  const reader = new Reader(b);
  const v = reader.value(maxDepth);
  demand(equal(encode(v), b), "malformed", "decoding CBOR: not the one encoding");
  return v;
}

class Reader {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(b: Bytes) {
    this.#bytes = b;
  }

  value(depth: number): Value {
    const first = this.#take(1n)[0]!;
    const kind = first >> 5;
    if (kind === major.simple) return this.#flag(first);
    const n = this.#argument(first & 31);
    switch (kind) {
      case major.unsigned: return n;
      case major.negative: return -1n - n;
      case major.bytes: return this.#take(n);
      case major.text: return this.#text(n);
      case major.array: return this.#array(n, depth);
      default: throw new Refusal("malformed", "decoding CBOR: a map or a tag");
    }
  }

  #take(n: bigint): Bytes {
    demand(n <= BigInt(this.#bytes.length - this.#at), "malformed", "decoding CBOR: cut short");
    const from = this.#at;
    this.#at += Number(n);
    return this.#bytes.slice(from, this.#at);
  }

  #argument(info: number): bigint {
    if (info < 24) return BigInt(info);
    demand(info < 28, "malformed", "decoding CBOR: an indefinite or reserved length");
    return fromBigEndian(this.#take(1n << BigInt(info - 24)));
  }

  #flag(first: number): boolean {
    demand(first === 0xf4 || first === 0xf5, "malformed", "decoding CBOR: a float or a simple value");
    return first === 0xf5;
  }

  #text(n: bigint): string {
    const b = this.#take(n);
    try {
      // A byte order mark is text like any other here.
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(own(b));
    } catch {
      throw new Refusal("malformed", "decoding CBOR: text that is not UTF-8");
    }
  }

  #array(n: bigint, depth: number): Value[] {
    demand(n <= maxElements && depth > 0, "malformed", "decoding CBOR: too many elements or levels");
    return Array.from({ length: Number(n) }, () => this.value(depth - 1));
  }
}
