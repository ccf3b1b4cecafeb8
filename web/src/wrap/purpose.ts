// What a wrap is for, and what it holds (wraps.md).
import { equal, type Bytes } from "../encoding/bytes.js";
import { bytes, format, id, parse, record, text, uint } from "../encoding/shape.js";
import { hkdf } from "../key/derive.js";
import { frame } from "../encoding/hash.js";
import { seedCommit } from "../message/schedule.js";
import { demand, Refusal } from "../refusal.js";

export const types = {
  epochSeed: "chancery/v1/epoch-seed",
  userSeed: "chancery/v1/user-seed",
  archiveKey: "chancery/v1/archive-key",
} as const;

export interface Purpose {
  readonly type: (typeof types)[keyof typeof types];
  readonly org: Bytes;
  /** Channel, device or archive. */
  readonly of: Bytes;
  /** Epoch or generation; 0 for an archive. */
  readonly n: bigint;
}

interface Numbered {
  readonly type: string;
  readonly org: Bytes;
  readonly of: Bytes;
  readonly n: bigint;
  readonly secret: Bytes;
}

const numbered = record<Numbered>({ type: text, org: id, of: id, n: uint, secret: bytes });
const archived = record<Omit<Numbered, "n">>({ type: text, org: id, of: id, secret: bytes });

export const maxPlain = 4096;
export const maxWrap = 6144;
const secretSize = 32;

export function formatSecret(p: Purpose, secret: Bytes): Bytes {
  return p.type === types.archiveKey ? format(archived, { ...p, secret }) : format(numbered, { ...p, secret });
}

/** The secret in a wrap's plaintext: bad_wrap if it is no such structure or size, wrong_context if it is for something else. */
export function parseSecret(p: Purpose, plain: Bytes): Bytes {
  const said = readSecret(p, plain);
  const ours = said.type === p.type && equal(said.org, p.org) && equal(said.of, p.of) && said.n === p.n;
  demand(ours, "wrong_context", "opening a wrap");
  demand(said.secret.length === secretSize, "bad_wrap", "opening a wrap: a secret of another size");
  return said.secret;
}

function readSecret(p: Purpose, plain: Bytes): Numbered {
  demand(plain.length <= maxPlain, "bad_wrap", "opening a wrap: too long");
  try {
    return p.type === types.archiveKey ? { ...parse(archived, plain), n: 0n } : parse(numbered, plain);
  } catch (err) {
    if (err instanceof Refusal) throw new Refusal("bad_wrap", err.message);
    throw err;
  }
}

/** An unwrapped epoch seed must be the one that the epoch's link commits to. */
export async function checkSeed(seed: Bytes, channel: Bytes, n: bigint, commit: Bytes): Promise<void> {
  demand(equal(await seedCommit(seed, channel, n), commit), "wrong_context", "opening a wrap: another seed");
}

/** Seed of the identity that opens a user's epoch wraps, from U_1. */
export const userIdentity = (userSeed: Bytes): Promise<Bytes> => hkdf(userSeed, frame("user-identity"));
