// The key schedule of epochs and messages (messages.md).
import type { Bytes } from "../encoding/bytes.js";
import { frame, sha256 } from "../encoding/hash.js";
import { expand, hkdf } from "../key/derive.js";

/** An epoch whose seed this reader has. */
export interface EpochKey {
  readonly org: Bytes;
  readonly channel: Bytes;
  readonly n: bigint;
  readonly link: Bytes;
  readonly seed: Bytes;
}

export const seedCommit = (seed: Bytes, channel: Bytes, n: bigint): Promise<Bytes> => hkdf(seed, frame("commit", channel, n));

/** C_n, from which every message of the epoch has its secret. */
export const channelKey = (e: EpochKey): Promise<Bytes> => hkdf(e.seed, frame("channel", e.org, e.channel, e.n, e.link));

/** X, which opens this one message and no other. */
export async function messageSecret(e: EpochKey, header: Bytes, salt: Bytes): Promise<Bytes> {
  return hkdf(await channelKey(e), frame("msg", sha256(header)), salt);
}

export interface MessageKeys {
  readonly key: Bytes;
  readonly com: Bytes;
  readonly cov: Bytes;
}

export async function messageKeys(secret: Bytes): Promise<MessageKeys> {
  const [key, com, cov] = await Promise.all([
    expand(secret, frame("key")), expand(secret, frame("com")), expand(secret, frame("cov")),
  ]);
  return { key, com, cov };
}
