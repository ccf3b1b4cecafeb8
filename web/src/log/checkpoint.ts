// Signed checkpoints (log.md): C2SP notes of exactly three lines.
import { base64 } from "@scure/base";
import { concat, equal, own, utf8, type Bytes } from "../encoding/bytes.js";
import { sha256 } from "../encoding/hash.js";
import { verify } from "../key/key.js";
import { demand, Refusal } from "../refusal.js";

export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Bytes;
}

const hashSize = 4;
const timeSize = 8;
const maxSize = (1n << 63n) - 1n;

/** The checkpoint of a note that the listed key signed for this origin; else bad_checkpoint. */
export function openCheckpoint(note: string, origin: string, key: Bytes): Checkpoint {
  const end = note.indexOf("\n\n");
  demand(end >= 0, "bad_checkpoint", "opening a checkpoint: no empty line");
  const text = note.slice(0, end + 1);
  checkSignatures(text, note.slice(end + 2), origin, key);
  return parseText(text, origin);
}

function checkSignatures(text: string, block: string, origin: string, key: Bytes): void {
  demand(block.endsWith("\n"), "bad_checkpoint", "opening a checkpoint: its last line is open");
  const signatures = block.slice(0, -1).split("\n").map(parseSignature);
  const names = signatures.map((s) => `${s.name} ${s.hash.join()}`);
  demand(new Set(names).size === names.length, "bad_checkpoint", "opening a checkpoint: a key twice");
  const own = signatures.find((s) => s.name === origin && equal(s.hash, keyHash(origin, key)));
  demand(own !== undefined, "bad_checkpoint", "opening a checkpoint: not signed by the listed key");
  demand(verify(key, utf8(text), own.signature), "bad_checkpoint", "opening a checkpoint: a bad signature");
}

interface Signature {
  readonly name: string;
  readonly hash: Bytes;
  readonly signature: Bytes;
}

function parseSignature(line: string): Signature {
  const parts = /^\u2014 (\S+) (\S+)$/u.exec(line);
  demand(parts !== null, "bad_checkpoint", "reading a note's signature");
  const b = decodeBase64(parts[2]!);
  demand(b.length > hashSize, "bad_checkpoint", "reading a note's signature: too short");
  return { name: parts[1]!, hash: b.slice(0, hashSize), signature: b.slice(hashSize) };
}

function keyHash(name: string, key: Bytes): Bytes {
  const type = key.length === 97 ? concat(Uint8Array.of(0xff), utf8("chancery/v1/ecdsa-p384-sha384")) : Uint8Array.of(1);
  return hashOf(name, type, key);
}

const hashOf = (name: string, type: Bytes, key: Bytes): Bytes => sha256(concat(utf8(`${name}\n`), type, key)).slice(0, hashSize);

/** When a recorder or witness cosigned a checkpoint's text, in seconds since 1970; else bad_checkpoint. */
export function openCosignature(text: string, line: string, cosigner: { name: string; key: Bytes }): bigint {
  demand(line.endsWith("\n"), "bad_checkpoint", "opening a cosignature: its line is open");
  const { name, hash, signature } = parseSignature(line.slice(0, -1));
  const own = name === cosigner.name && equal(hash, hashOf(name, Uint8Array.of(4), cosigner.key));
  demand(own && signature.length === timeSize + 64, "bad_checkpoint", "opening a cosignature: its key or size");
  const time = signature.slice(0, timeSize).reduce((n, b) => (n << 8n) | BigInt(b), 0n);
  const signed = utf8(`cosignature/v1\ntime ${time}\n${text}`);
  const good = time <= maxSize && verify(cosigner.key, signed, signature.slice(timeSize));
  demand(good, "bad_checkpoint", "opening a cosignature: a bad signature");
  return time;
}

function parseText(text: string, origin: string): Checkpoint {
  const lines = text.split("\n");
  demand(lines.length === 4 && lines[0] === origin, "bad_checkpoint", "reading a checkpoint: its lines or its origin");
  demand(/^(0|[1-9][0-9]{0,18})$/.test(lines[1]!), "bad_checkpoint", "reading a checkpoint: its size");
  const size = BigInt(lines[1]!);
  const root = decodeBase64(lines[2]!);
  demand(size <= maxSize && root.length === 32, "bad_checkpoint", "reading a checkpoint: its size or root");
  return { origin, size, root };
}

function decodeBase64(text: string): Bytes {
  try {
    const b = own(base64.decode(text));
    if (base64.encode(b) === text) return b;
  } catch {
    // Said below.
  }
  throw new Refusal("bad_checkpoint", "reading a checkpoint: base64");
}
