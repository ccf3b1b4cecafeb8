// Signed words outside every chain (statements.md).
import { equal, type Bytes } from "../encoding/bytes.js";
import { frame, sha256 } from "../encoding/hash.js";
import { bytes, id, int, parse, record, text, uint, type Read, type Shape } from "../encoding/shape.js";
import { keyID, verify } from "../key/key.js";
import { demand } from "../refusal.js";

interface Signed {
  readonly label: string;
  readonly bytes: Bytes;
  readonly signature: { readonly key: Bytes; readonly bytes: Bytes };
}

const signedShape = record<Signed>({ label: text, bytes, signature: record({ key: id, bytes }) });

/** What the four kinds of notices have in common; notice.ts reads their bodies. */
export const notice = record({ version: uint, org: id, channel: id, user: id, key: id, body: bytes, time: int });

const statements = {
  receipt: record({
    version: uint, org: id, channel: id, device: id, deviceSeq: uint, entry: id, position: uint, head: id, received: int,
  }),
  refusal: record({ version: uint, org: id, channel: id, device: id, deviceSeq: uint, entry: id, code: text, time: int }),
  approval: record({ version: uint, org: id, action: text, object: id, user: id, device: id, time: int }),
  confirmation: record({ version: uint, org: id, plan: id, recorder: id, disposed: uint, time: int }),
  tail: notice,
  alarm: notice,
  dispute: notice,
  ruling: notice,
} as const;

export type Label = keyof typeof statements;
export type Statement<L extends Label> = Read<(typeof statements)[L]>;

const maxSize = 8192;

export function parseSigned(b: Bytes): Signed {
  demand(b.length <= maxSize, "malformed", "reading a statement: too long");
  return parse(signedShape, b);
}

/** What a signed statement claims to say; its label and signature are not looked at. */
export function claimed<L extends Label>(label: L, b: Bytes): Statement<L> {
  const shape: Shape<unknown> = statements[label];
  return parse(shape, parseSigned(b).bytes) as Statement<L>;
}

/** The statement with this label that the key signed: malformed or bad_signature otherwise. */
export function openStatement<L extends Label>(label: L, key: Bytes, b: Bytes): Statement<L> {
  const s = parseSigned(b);
  demand(s.label === label, "malformed", "opening a statement: another label");
  const good = equal(s.signature.key, keyID(key)) && verify(key, signedBytes(s), s.signature.bytes);
  demand(good, "bad_signature", "opening a statement");
  const shape: Shape<{ readonly version: bigint }> = statements[label];
  const said = parse(shape, s.bytes);
  demand(said.version === 1n, "malformed", "opening a statement: its version");
  return said as Statement<L>;
}

const signedBytes = (s: Signed): Bytes => frame("statement", s.label, sha256(s.bytes));
