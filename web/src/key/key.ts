// A public key of either algorithm; its size says which.
import { sum } from "../encoding/hash.js";
import type { Bytes } from "../encoding/bytes.js";
import * as ed25519 from "./ed25519.js";
import * as p384 from "./p384.js";

/** Id of a key, and of the device whose key it is. */
export const keyID = (key: Bytes): Bytes => sum("key", key.length === 97 ? 2n : 1n, key);

export const isKey = (key: Bytes): boolean => (key.length === 97 ? p384 : ed25519).isKey(key);

export function verify(key: Bytes, message: Bytes, signature: Bytes): boolean {
  return (key.length === 97 ? p384 : ed25519).verify(key, message, signature);
}
