// Generations of a person's key (chains.md): to whom the seed of one is wrapped, and which follows.
import { compare, equal, type Bytes } from "../encoding/bytes.js";
import { keyID } from "../key/key.js";
import { found } from "../refusal.js";
import type { Device, Key, RecoveryKey } from "./link.js";

const sealedSeed = 60;

/** Key ids of devices and of a recovery key, in the order of a generation's wraps. */
export function holders(devices: readonly Device[], kit?: RecoveryKey): Bytes[] {
  const keys = [...devices.map((d) => d.key), ...(kit ? [kit.key] : [])];
  return keys.map(keyID).sort(compare);
}

/** Whether a generation is the next after those with these recipients, for these holders. */
export function isNext(key: Key, used: readonly Bytes[], to: readonly Bytes[]): boolean {
  const next = key.generation === BigInt(used.length) + 1n && key.wraps.length === to.length;
  const fresh = key.recipient.length > 0 && !used.some((r) => equal(r, key.recipient));
  return next && fresh && key.previous.length === sealedSeed;
}

/** The hash of the wrap to a device, which is one of the holders. */
export function wrapTo(device: Bytes, to: readonly Bytes[], key: Key): Bytes {
  const at = to.findIndex((id) => equal(id, keyID(device)));
  return found(key.wraps[at], "key_bad", "finding a wrap");
}
