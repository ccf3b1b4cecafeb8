// What people approve (statements.md).
import { rising, type Bytes } from "../encoding/bytes.js";
import { bytes, flag, id, int, list, parse, record, text, uint, type Read, type Shape } from "../encoding/shape.js";
import { demand } from "../refusal.js";

const range = record({ channel: id, from: uint, to: uint, messages: uint, root: id });

const orders = {
  hold: record({
    version: uint, org: id, matter: text, name: text, users: list(id), channels: list(id), from: int, to: int, nonce: bytes,
  }),
  release: record({ version: uint, org: id, hold: id, reason: text }),
  rule: record({
    version: uint, org: id, id: text, revision: uint, channel: id, minRetain: uint, maxRetain: uint, lock: flag,
  }),
  plan: record({
    version: uint, org: id, rules: list(id), holdsGeneration: uint, holdsRoot: id, size: uint, horizon: int,
    ranges: list(range), blocked: uint, unconfirmed: uint,
  }),
  export: record({
    version: uint, org: id, schedule: text, revision: uint, channels: list(id), cron: text, zone: text,
    auditors: list(id), notAfter: int,
  }),
  handover: record({
    version: uint, org: id, channel: id, seen: record({ position: uint, head: id }), from: id, to: id, lost: flag,
    reason: text, notAfter: int,
  }),
} as const;

export type OrderKind = keyof typeof orders;
export type Order<K extends OrderKind> = Read<(typeof orders)[K]>;

const maxSize = 1 << 20;

/** Fields that are lists of ids, which are sorted. */
const sorted = ["users", "channels", "rules", "auditors"] as const;

export function parseOrder<K extends OrderKind>(kind: K, b: Bytes): Order<K> {
  demand(b.length <= maxSize, "malformed", "reading an order: too long");
  const shape: Shape<{ readonly version: bigint }> = orders[kind];
  const order: { readonly version: bigint } & Partial<Record<(typeof sorted)[number], readonly Bytes[]>> = parse(shape, b);
  demand(order.version === 1n, "malformed", "reading an order: its version");
  demand(sorted.every((name) => rising(order[name] ?? [])), "malformed", "reading an order: order of ids");
  return order as Order<K>;
}
