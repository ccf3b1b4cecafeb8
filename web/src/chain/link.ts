// Links (chains.md, channel.md): headers of entries of kind 1, and what each type says.
import { equal, isZero, utf8, type Bytes } from "../encoding/bytes.js";
import { bytes, id, int, list, parse, record, text, uint, type Read, type Shape } from "../encoding/shape.js";
import { demand, found } from "../refusal.js";
import { kinds, type Entry } from "./entry.js";

export interface Device {
  readonly name: string;
  readonly key: Bytes;
  readonly recipient: Bytes;
  readonly wrap: Bytes;
}

const device = record<Device>({ name: text, key: bytes, recipient: bytes, wrap: id });

/** The next generation of a person's key. */
export interface Key {
  readonly generation: bigint;
  readonly recipient: Bytes;
  readonly wraps: readonly Bytes[];
  readonly previous: Bytes;
}

const key = record<Key>({ generation: uint, recipient: bytes, wraps: list(id), previous: bytes });

/** The chain that a person who starts again leaves behind. */
export interface Replaced {
  readonly user: Bytes;
  readonly seq: bigint;
  readonly head: Bytes;
  readonly orgSeq: bigint;
  readonly orgHead: Bytes;
  readonly officer: Bytes;
}

const replaced = record<Replaced>({ user: id, seq: uint, head: id, orgSeq: uint, orgHead: id, officer: id });

export interface RecoveryKey {
  readonly key: Bytes;
  readonly recipient: Bytes;
}

const recoveryKey = record<RecoveryKey>({ key: bytes, recipient: bytes });

/** Someone whom the organisation lists in a role. */
export interface Party {
  readonly role: string;
  readonly name: string;
  readonly key: Bytes;
  readonly recipient: Bytes;
  readonly user: Bytes;
  readonly scope: readonly Bytes[];
  readonly notAfter: bigint;
}

const party = record<Party>({ role: text, name: text, key: bytes, recipient: bytes, user: id, scope: list(id), notAfter: int });

export const bodies = {
  "org.genesis": record({ name: text, suite: text, roots: list(bytes), threshold: uint, capture: text, nonce: bytes }),
  "org.list": party,
  "org.delist": record({ role: text, party: id }),
  "org.restore": record({ oldSize: uint, oldRoot: id, newSize: uint, newRoot: id, reason: text }),
  "user.genesis": record({ suite: text, device, recipient: bytes, nonce: bytes, replaces: list(replaced) }),
  "user.device_add": device,
  "user.device_revoke": record({ device: id, key }),
  "user.key": key,
  "user.recovery": record({ stand: list(recoveryKey), key }),
  "user.recover": record({ add: list(device), end: list(id), key }),
  "user.reset": record({ successor: id, orgSeq: uint, orgHead: id }),
  "channel.genesis": record({
    access: text, capture: text, recorders: list(id), history: text, lifetime: uint,
    orgSeq: uint, orgHead: id, userSeq: uint, userHead: id, nonce: bytes,
  }),
  "channel.add": record({ user: id, seq: uint, head: id, rank: text, from: uint }),
  "channel.remove": record({ user: id, reason: text }),
  "channel.role": record({ user: id, rank: text }),
  "channel.sync": record({ chain: id, seq: uint, head: id }),
  "channel.epoch": record({
    n: uint, cause: text, members: id, commit: id, wraps: id, prevCommit: id, history: text, notAfter: int,
  }),
  "channel.restore": record({ oldPosition: uint, oldHead: id, newPosition: uint, newHead: id, reason: text }),
  "channel.handover": record({ order: bytes, asked: bytes, askedSeq: uint, askedHead: id, userSeq: uint, userHead: id }),
} as const;

export type Type = keyof typeof bodies;
export type Body<T extends Type> = Read<(typeof bodies)[T]>;

/** A link whose body was not looked at yet. */
export interface LinkHeader {
  readonly version: bigint;
  readonly org: Bytes;
  readonly chain: Bytes;
  readonly seq: bigint;
  readonly prev: Bytes;
  readonly type: string;
  readonly body: Bytes;
  readonly user: Bytes;
  readonly key: Bytes;
  readonly time: bigint;
}

const header = record<LinkHeader>({
  version: uint, org: id, chain: id, seq: uint, prev: id, type: text, body: bytes, user: id, key: id, time: int,
});

/** A link's header with what its body says. */
export type Link = { [T in Type]: Omit<LinkHeader, "type" | "body"> & { readonly type: T; readonly body: Body<T> } }[Type];

export type LinkOf<T extends Type> = Extract<Link, { readonly type: T }>;

export function parseLink(e: Entry): LinkHeader {
  demand(e.kind === kinds.link, "malformed", "reading a link: another kind of entry");
  const h = parse(header, e.header);
  demand(h.version === 1n, "malformed", "reading a link: its version");
  const first = h.seq === 0n;
  demand(first === isZero(h.chain) && first === isZero(h.prev), "malformed", "reading a link: genesis or not");
  return h;
}

/** What a link says. Whoever judges it asks once it is known to follow. */
export function parseBody(h: LinkHeader): Link {
  demand(isType(h.type), "malformed", `reading a link: type ${h.type}`);
  const shape: Shape<unknown> = bodies[h.type];
  return { ...h, body: parse(shape, h.body) } as Link;
}

/** A link and its body: for a genesis, which follows nothing. */
export const parseWhole = (e: Entry): Link => parseBody(parseLink(e));

const isType = (type: string): type is Type => Object.hasOwn(bodies, type);

/** Refuses a link that does not come next on a chain whose links have these heads. */
export function checkFollows(link: LinkHeader, org: Bytes, chain: Bytes, heads: readonly Bytes[]): void {
  const head = found(heads.at(-1), "broken_link", "following a chain");
  demand(equal(link.org, org) && equal(link.chain, chain), "wrong_chain", "following a chain");
  demand(link.seq === BigInt(heads.length) && equal(link.prev, head), "broken_link", "following a chain");
}

/** Length of a text as the limits count it, in bytes of UTF-8. */
export const size = (t: string): number => utf8(t).length;
