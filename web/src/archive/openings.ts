// Openings of an archive (archive.md): a clear header, then sealed chunks, each with its length before it.
import { compare, concat, equal, fromBigEndian, type Bytes } from "../encoding/bytes.js";
import { frame, sum } from "../encoding/hash.js";
import { bytes, id, list, parse, record, text, uint } from "../encoding/shape.js";
import { openBox } from "../key/derive.js";
import { demand, Refusal } from "../refusal.js";

export interface Opening {
  readonly channel: Bytes;
  readonly position: bigint;
  readonly entry: Bytes;
  readonly secret: Bytes;
  /** Empty when the secret opens the message. */
  readonly exception: string;
}

const header = record({ version: uint, archive: id, commit: id });
const openings = list(record<Opening>({ channel: id, position: uint, entry: id, secret: bytes, exception: text }));

const maxFrame = 131_072;
const maxOpenings = 512;

export interface Expected {
  readonly archive: Bytes;
  /** The key commitment in archive.json. */
  readonly commit: Bytes;
}

/** Every opening of a file under the archive's data key, in order; else bad_openings. */
export async function readOpenings(file: Bytes, expected: Expected, key: Bytes): Promise<Opening[]> {
  demand(equal(sum("archive-key", expected.archive, key), expected.commit), "bad_openings", "reading openings: another key");
  const [first, ...chunks] = frames(file);
  demand(first !== undefined && chunks.length > 0, "bad_openings", "reading openings: too short");
  const head = structure(() => parse(header, first));
  const ours = head.version === 1n && equal(head.archive, expected.archive) && equal(head.commit, expected.commit);
  demand(ours, "bad_openings", "reading openings: of another archive");
  const all: Opening[] = [];
  for (const [i, chunk] of chunks.entries()) {
    const plain = await openBox(key, chunk, frame("openings-chunk", expected.archive, BigInt(i), i === chunks.length - 1));
    if (!plain) throw new Refusal("bad_openings", "reading openings: a chunk");
    const part = structure(() => parse(openings, plain));
    demand(part.length <= maxOpenings, "bad_openings", "reading openings: too many in a chunk");
    all.push(...part);
  }
  const right = all.every((o, i) => o.secret.length === 32 && (i === 0 || follows(all[i - 1]!, o)));
  demand(right, "bad_openings", "reading openings: a secret's size, or their order");
  return all;
}

function follows(a: Opening, b: Opening): boolean {
  const order = compare(a.channel, b.channel);
  return order === 0 ? a.position < b.position : order < 0;
}

function frames(file: Bytes): Bytes[] {
  const out: Bytes[] = [];
  for (let at = 0; at < file.length; ) {
    const size = Number(fromBigEndian(file.subarray(at, at + 4)));
    const whole = at + 4 + size <= file.length && at + 4 <= file.length && size <= maxFrame;
    demand(whole, "bad_openings", "reading openings: a frame's length");
    out.push(concat(file.subarray(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return out;
}

function structure<T>(read: () => T): T {
  try {
    return read();
  } catch (err) {
    if (err instanceof Refusal) throw new Refusal("bad_openings", err.message);
    throw err;
  }
}
