// A message's header (messages.md): clear and signed.
import { equal, hex, isZero, rising, type Bytes } from "../encoding/bytes.js";
import { fixed, id, int, list, parse, record, uint } from "../encoding/shape.js";
import { demand } from "../refusal.js";

export interface Ref {
  readonly position: bigint;
  readonly hash: Bytes;
}

export interface Attachment {
  readonly id: Bytes;
  readonly size: bigint;
  readonly root: Bytes;
}

export interface Header {
  readonly version: bigint;
  readonly saltCommit: Bytes;
  readonly org: Bytes;
  readonly channel: Bytes;
  readonly epoch: bigint;
  readonly epochLink: Bytes;
  readonly user: Bytes;
  readonly device: Bytes;
  readonly deviceSeq: bigint;
  readonly devicePrev: Bytes;
  readonly void: readonly bigint[];
  readonly seen: Ref;
  readonly time: bigint;
  readonly id: Bytes;
  readonly kind: bigint;
  readonly target: Ref;
  readonly thread: Ref;
  readonly attachments: readonly Attachment[];
  readonly mentions: readonly Bytes[];
}

const ref = record<Ref>({ position: uint, hash: id });
const attachment = record<Attachment>({ id: fixed(16), size: uint, root: id });

export const headerShape = record<Header>({
  version: uint, saltCommit: id, org: id, channel: id, epoch: uint, epochLink: id, user: id, device: id,
  deviceSeq: uint, devicePrev: id, void: list(uint), seen: ref, time: int, id: fixed(16), kind: uint, target: ref,
  thread: ref, attachments: list(attachment), mentions: list(id),
});

export const messageKinds = { post: 1n, edit: 2n, delete: 3n } as const;

const maxAttachments = 10;

const isNowhere = (r: Ref): boolean => r.position === 0n && isZero(r.hash);

/** Bounds of size are the entry's. */
export function parseMessageHeader(b: Bytes): Header {
  const h = parse(headerShape, b);
  demand(h.version === 1n && h.epoch >= 1n && h.deviceSeq >= 1n, "malformed", "reading a message: version or numbers");
  demand(isAimed(h), "malformed", "reading a message: kind and target");
  demand(isNowhere(h.thread), "malformed", "reading a message: threads are reserved");
  demand(areBlobs(h.attachments), "malformed", "reading a message: attachments");
  const rises = h.void.every((n, i) => i === 0 || h.void[i - 1]! < n);
  demand(rises && (h.void.at(-1) ?? 0n) < h.deviceSeq, "malformed", "reading a message: void numbers");
  demand(rising(h.mentions), "malformed", "reading a message: mentions");
  return h;
}

function isAimed(h: Header): boolean {
  if (h.kind === messageKinds.post) return isNowhere(h.target);
  return (h.kind === messageKinds.edit || h.kind === messageKinds.delete) && h.target.position > 0n;
}

function areBlobs(list: readonly Attachment[]): boolean {
  return list.length <= maxAttachments && new Set(list.map((a) => hex(a.id))).size === list.length;
}

export const sameEpoch = (h: Header, n: bigint, link: Bytes): boolean => h.epoch === n && equal(h.epochLink, link);
