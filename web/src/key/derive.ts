// HKDF with SHA-256, and AES-256-GCM, both of WebCrypto.
import { concat, own, zero, type Bytes } from "../encoding/bytes.js";

const secretSize = 32;
const nonceSize = 12;
export const sealedOverhead = nonceSize + 16;

/** 32 bytes by RFC 5869. No salt is the RFC's default. */
export async function hkdf(secret: Bytes, info: Bytes, salt: Bytes = zero()): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * secretSize));
}

/** HKDF-Expand to 32 bytes, which is one block. */
export async function expand(secret: Bytes, info: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, concat(info, Uint8Array.of(1))));
}

/** nonce ‖ ciphertext ‖ tag, under a key that seals once. */
export async function sealBox(key: Bytes, plain: Bytes, data: Bytes): Promise<Bytes> {
  const nonce = random(nonceSize);
  const how = { name: "AES-GCM", iv: nonce, additionalData: data };
  return concat(nonce, new Uint8Array(await crypto.subtle.encrypt(how, await aes(key), plain)));
}

/** The plain bytes, or undefined where the key or anything else is another. */
export async function openBox(key: Bytes, sealed: Bytes, data: Bytes): Promise<Bytes | undefined> {
  if (sealed.length < sealedOverhead) return undefined;
  const how = { name: "AES-GCM", iv: sealed.slice(0, nonceSize), additionalData: data };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(how, await aes(key), sealed.slice(nonceSize)));
  } catch {
    return undefined;
  }
}

const aes = (key: Bytes): Promise<CryptoKey> =>
  crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);

export const random = (size: number): Bytes => own(crypto.getRandomValues(new Uint8Array(size)));
