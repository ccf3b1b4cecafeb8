// Frames, hashes and ids (encoding.md).
import { sha256 as digest } from "@noble/hashes/sha2.js";
import { encode, type Value } from "./cbor.js";
import { own, type Bytes } from "./bytes.js";

export const sha256 = (b: Uint8Array): Bytes => own(digest(b));

/** Several values as one byte string that no other values give. */
export function frame(label: string, ...parts: Value[]): Bytes {
  return encode([`chancery/v1/${label}`, ...parts]);
}

export const sum = (label: string, ...parts: Value[]): Bytes => sha256(frame(label, ...parts));

/** Id of an organisation, user or channel, from its genesis header. */
export const chainID = (header: Bytes): Bytes => sum("chain", header);

export const recipientID = (recipient: Bytes): Bytes => sum("recipient", recipient);

/** Id of a hold, release, rule, plan or export, by which approvals name it. */
export const orderID = (order: Bytes): Bytes => sum("order", order);
