// What a validator of a channel holds (channel.md, "State").
import { hex, type Bytes } from "../encoding/bytes.js";
import { sum } from "../encoding/hash.js";
import type { Entry, Placed } from "../chain/entry.js";
import type { Body, Device, LinkOf, Type } from "../chain/link.js";
import type { Organisation } from "../chain/org.js";
import type { User } from "../chain/user.js";
import { found } from "../refusal.js";
import type { Duty } from "./duty.js";
import { newer, type Rotation } from "./rotation.js";

/** The chains that are known outside the channel. */
export interface Directory {
  readonly org: Organisation;
  /** By user id in hexadecimal. */
  readonly users: ReadonlyMap<string, User>;
}

export type Rank = "owner" | "moderator" | "member";

export const isRank = (word: string): word is Rank => ["owner", "moderator", "member"].includes(word);

export interface Member {
  readonly rank: Rank;
  /** Link of the user's chain that the channel knows. */
  readonly seq: bigint;
  readonly from: bigint;
}

export interface Epoch {
  readonly n: bigint;
  readonly position: bigint;
  readonly link: Bytes;
  readonly commit: Bytes;
  readonly notAfter: bigint;
  /** Recorders that it is wrapped to, and those of them who have not acknowledged it yet. */
  readonly recorders: ReadonlySet<string>;
  readonly awaited: Set<string>;
}

/** Numbers of a device's messages, and the entry hash of the last. */
export interface Counter {
  readonly seq: bigint;
  readonly entry: Bytes;
}

export interface State {
  readonly directory: Directory;
  readonly id: Bytes;
  readonly genesis: Body<"channel.genesis">;
  /** Heads of the chain of links, by seq. */
  readonly links: Bytes[];
  /** Heads of the order, by position; head 0 comes first. */
  readonly heads: Bytes[];
  received: bigint;
  orgSeq: bigint;
  readonly members: Map<string, Member>;
  /** Of former members, the newest link of their chain that was known. */
  readonly left: Map<string, bigint>;
  readonly devices: Map<string, Counter>;
  /** The last position that each recorder covered. */
  readonly covered: Map<string, bigint>;
  /** Who records and recorded, in the order of their beginning. */
  duties: readonly Duty[];
  /** Position of the newest handover. */
  changed: bigint;
  readonly epochs: Epoch[];
  current: Epoch | undefined;
  due: Rotation | undefined;
  departures: bigint[];
}

/** An entry that is being judged. */
export interface Act {
  readonly placed: Placed;
  readonly entry: Entry;
  readonly hash: Bytes;
}

export type LinkAct<T extends Type = Type> = Act & { readonly link: LinkOf<T> };

/** What an entry that was judged good does to the state. */
export type Change = () => void;

/** Validators remember at least so many heads, and judge what is said about them. */
export const remembered = 4096n;

export const newest = (s: State): bigint => BigInt(s.heads.length - 1);

export const headAt = (s: State, position: bigint): Bytes | undefined => s.heads[Number(position)];

export function headAfter(prev: Bytes, { placed, hash }: Act): Bytes {
  return sum("head", prev, placed.position, placed.received, hash);
}

export const memberOf = (s: State, user: Bytes): Member | undefined => s.members.get(hex(user));

/** Ends a membership. What is known of the user's chain stays, so that nobody comes back under an older head. */
export function drop(s: State, user: Bytes, seq: bigint): void {
  s.members.delete(hex(user));
  s.left.set(hex(user), seq);
}

export const hasOtherOwner = (s: State, user: Bytes): boolean =>
  [...s.members].some(([id, m]) => m.rank === "owner" && id !== hex(user));

export function userOf(s: State, user: Bytes): User {
  return found(s.directory.users.get(hex(user)), "head_unknown", "looking up a user's chain");
}

/** The device of a member, live at the user link that the channel knows or at a later one. */
export function deviceOf(s: State, user: Bytes, key: Bytes, seq?: bigint): Device {
  const member = found(memberOf(s, user), "not_member", "looking up a device");
  const device = userOf(s, user).deviceAt(key, seq ?? member.seq);
  return found(device, "device_unknown", "looking up a device");
}

/** A rotation becomes due at this position. */
export function rotate(s: State, position: bigint, restricts: boolean): void {
  s.due = newer(s.due, { position, restricts }, s.current);
}

/** Makes an epoch current if all recorders acknowledged it. A lower number never replaces a higher one. */
export function promote(s: State, epoch: Epoch): void {
  if (epoch.awaited.size > 0) return;
  if (!s.current || s.current.n < epoch.n) s.current = epoch;
}
