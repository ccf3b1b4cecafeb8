// Sealing and opening messages (messages.md).
import { concat, equal, type Bytes } from "../encoding/bytes.js";
import { sha256, sum } from "../encoding/hash.js";
import { format } from "../encoding/shape.js";
import { kinds, signedBytes, type Entry } from "../chain/entry.js";
import { openBox, random, sealBox } from "../key/derive.js";
import { demand, found, Refusal } from "../refusal.js";
import { formatBody, parseBody, type Body } from "./body.js";
import { headerShape, parseMessageHeader, sameEpoch, type Header } from "./header.js";
import { pad, unpad } from "./padding.js";
import { messageKeys, messageSecret, type EpochKey } from "./schedule.js";

const comSize = 32;
const saltSize = 32;

export interface Opened {
  readonly header: Header;
  readonly body: Body;
  /** X: opens this one message for whoever gets it. */
  readonly secret: Bytes;
  readonly cov: Bytes;
}

/** Opens a message of this epoch. Whether it is signed and placed is the validator's to say. */
export async function open(epoch: EpochKey, e: Entry, salt: Bytes): Promise<Opened> {
  const header = readHeader(e);
  const ours = equal(header.org, epoch.org) && equal(header.channel, epoch.channel) && sameEpoch(header, epoch.n, epoch.link);
  demand(ours, "wrong_context", "opening a message");
  const salted = salt.length === saltSize && equal(header.saltCommit, sum("salt", salt));
  demand(salted, "wrong_salt", "opening a message");
  const secret = await messageSecret(epoch, e.header, salt);
  return openWith(secret, e);
}

/** Opens a message by its own secret, as an auditor does. */
export async function openWith(secret: Bytes, e: Entry): Promise<Opened> {
  const header = readHeader(e);
  const { key, com, cov } = await messageKeys(secret);
  demand(equal(com, e.payload.slice(0, comSize)), "bad_commit", "opening a message");
  const plain = await openBox(key, e.payload.slice(comSize), sha256(e.header));
  const body = parseBody(unpad(found(plain, "undecryptable", "opening a message")), header.attachments.length);
  return { header, body, secret, cov };
}

function readHeader(e: Entry): Header {
  demand(e.kind === kinds.message && e.payload.length > 0, "bad_format", "opening a message: none, or disposed of");
  try {
    return parseMessageHeader(e.header);
  } catch (err) {
    if (err instanceof Refusal) throw new Refusal("bad_format", err.message);
    throw err;
  }
}

export type Draft = Omit<Header, "version" | "saltCommit" | "org" | "channel" | "epoch" | "epochLink">;

/** Signs with the device's key, which need not be readable. */
export type Sign = (message: Bytes) => Bytes | Promise<Bytes>;

/** Seals a body as an entry, with the salt that travels beside it. */
export async function seal(epoch: EpochKey, draft: Draft, body: Body, sign: Sign): Promise<{ entry: Entry; salt: Bytes }> {
  const salt = random(saltSize);
  const header = format(headerShape, {
    ...draft, version: 1n, saltCommit: sum("salt", salt), org: epoch.org, channel: epoch.channel, epoch: epoch.n,
    epochLink: epoch.link,
  });
  const plain = formatBody(body);
  parseBody(plain, parseMessageHeader(header).attachments.length);
  const { key, com } = await messageKeys(await messageSecret(epoch, header, salt));
  const payload = concat(com, await sealBox(key, pad(plain), sha256(header)));
  const bare: Entry = { kind: kinds.message, header, payload, signatures: [] };
  const bytes = await sign(signedBytes(bare));
  return { entry: { ...bare, signatures: [{ key: draft.device, bytes }] }, salt };
}
