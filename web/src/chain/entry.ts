// Entries (chains.md): the signed thing that everything is made of.
import { equal, own, rising, type Bytes } from "../encoding/bytes.js";
import { frame, sha256, sum } from "../encoding/hash.js";
import { bytes, fixed, format, id, int, list, parse, record, uint, type Shape } from "../encoding/shape.js";
import { keyID, verify } from "../key/key.js";
import { demand } from "../refusal.js";

export const kinds = { link: 1n, message: 2n, acknowledgement: 3n, coverage: 4n } as const;

export interface Signature {
  readonly key: Bytes;
  readonly bytes: Bytes;
}

export interface Entry {
  readonly kind: bigint;
  readonly header: Bytes;
  readonly payload: Bytes;
  readonly signatures: readonly Signature[];
}

/** An entry at its position in a channel. Received is in µs since 1970 UTC. */
export interface Placed {
  readonly position: bigint;
  readonly received: bigint;
  readonly head: Bytes;
  readonly entry: Entry;
  /** SHA-256 of the payload, which stays when the payload goes. */
  readonly payload: Bytes;
  /** Beside a live message, for those who may open it; else empty. */
  readonly salt: Bytes;
}

const signatures: Shape<readonly Signature[]> = list(record<Signature>({ key: id, bytes: fixed(64) }));
const entryShape = record<Entry>({ kind: uint, header: bytes, payload: bytes, signatures });
const placedShape = record<Placed>({ position: uint, received: int, head: id, entry: entryShape, payload: id, salt: bytes });

const maxEntry = 140_288;
const maxHeader = 8192;
const minPayload = 188;
const maxPayload = 131072;
const maxSignatures = 16;
const saltSize = 32;
const ofNothing = sha256(own(new Uint8Array()));

export const formatEntry = (e: Entry): Bytes => format(entryShape, e);

/** The fields of an entry, whose sizes and signatures are not judged. */
export const readEntry = (b: Bytes): Entry => parse(entryShape, b);

/** An entry as it travels: a message has its payload. */
export function parseEntry(b: Bytes): Entry {
  demand(b.length <= maxEntry, "malformed", "reading an entry: too long");
  const e = readEntry(b);
  checkEntry(e);
  demand(e.kind !== kinds.message || e.payload.length > 0, "malformed", "reading an entry: a message without payload");
  return e;
}

export function parsePlaced(b: Bytes): Placed {
  const p = parse(placedShape, b);
  checkEntry(p.entry);
  const live = p.entry.kind === kinds.message && p.entry.payload.length > 0;
  const bare = p.salt.length === 0;
  demand(bare || (live && p.salt.length === saltSize), "malformed", "reading a placed entry: its salt");
  const sound = disposed(p) ? !equal(p.payload, ofNothing) : equal(p.payload, sha256(p.entry.payload));
  demand(sound, "malformed", "reading a placed entry: its payload hash");
  return p;
}

const disposed = (p: Placed): boolean => p.entry.kind === kinds.message && p.entry.payload.length === 0;

function checkEntry(e: Entry): void {
  demand(e.kind >= kinds.link && e.kind <= kinds.coverage, "malformed", "reading an entry: its kind");
  demand(e.header.length <= maxHeader, "malformed", "reading an entry: a long header");
  demand(isPayload(e), "malformed", "reading an entry: its payload's size");
  const most = e.kind === kinds.link ? maxSignatures : 1;
  demand(e.signatures.length >= 1 && e.signatures.length <= most, "malformed", "reading an entry: number of signatures");
  demand(rising(e.signatures.map((s) => s.key)), "malformed", "reading an entry: order of signatures");
}

function isPayload(e: Entry): boolean {
  if (e.payload.length === 0) return true;
  return e.kind === kinds.message && e.payload.length >= minPayload && e.payload.length <= maxPayload;
}

/** What every signer signs. */
export function signedBytes(e: Entry, payload: Bytes = sha256(e.payload)): Bytes {
  return frame("sign", e.kind, sha256(e.header), payload);
}

/** Hash of an entry, whose payload may be gone. */
export function entryHash(e: Entry, payload: Bytes = sha256(e.payload)): Bytes {
  return sum("entry", e.kind, sha256(e.header), payload, format(signatures, e.signatures));
}

/** Whether this key, and no other, signed. */
export function signedBy(e: Entry, key: Bytes, payload?: Bytes): boolean {
  return e.signatures.length === 1 && countSigners(e, [key], payload) === 1;
}

/** How many of these keys signed; 0 where any signature is bad or another's. */
export function countSigners(e: Entry, keys: readonly Bytes[], payload?: Bytes): number {
  const message = signedBytes(e, payload);
  const good = e.signatures.every((s) => {
    const key = keys.find((k) => equal(keyID(k), s.key));
    return key !== undefined && verify(key, message, s.bytes);
  });
  return good ? e.signatures.length : 0;
}

