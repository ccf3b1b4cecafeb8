// Whom an epoch is wrapped to, and its two roots (channel.md).
import type { Bytes } from "../encoding/bytes.js";
import { frame } from "../encoding/hash.js";
import { rootOf } from "../log/tree.js";

export interface Recipient {
  /** 1 member, 2 recorder. */
  readonly kind: bigint;
  readonly id: Bytes;
  readonly generation: bigint;
  readonly public: Bytes;
}

export const membersRoot = (all: readonly Recipient[]): Bytes =>
  rootOf(all.map((r) => frame("recipient-leaf", r.kind, r.id, r.generation, r.public)));

/** Over the same recipients in the same order, with the SHA-256 of each one's wrap. */
export const wrapsRoot = (all: readonly (Recipient & { readonly wrap: Bytes })[]): Bytes =>
  rootOf(all.map((r) => frame("wrap-leaf", r.kind, r.id, r.generation, r.public, r.wrap)));
