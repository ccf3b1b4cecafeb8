// Wraps in suite age (wraps.md): one age file with one stanza, to one hybrid recipient.
import { bech32 } from "@scure/base";
import { Decrypter, Encrypter, identityToRecipient, type Identity, type Stanza } from "age-encryption";
import { own, utf8, type Bytes } from "../encoding/bytes.js";
import { Refusal } from "../refusal.js";
import { formatSecret, maxWrap, parseSecret, type Purpose } from "./purpose.js";

const identityPrefix = "AGE-SECRET-KEY-PQ-";

const identityText = (seed: Bytes): string =>
  bech32.encodeFromBytes(identityPrefix.toLowerCase(), seed).toUpperCase();

/** The recipient whose wraps this identity opens: ASCII bytes of age's text. */
export async function recipientOf(seed: Bytes): Promise<Bytes> {
  return utf8(await identityToRecipient(identityText(seed)));
}

export async function wrap(recipient: Bytes, p: Purpose, secret: Bytes): Promise<Bytes> {
  const sealer = new Encrypter();
  sealer.addRecipient(new TextDecoder().decode(recipient));
  return own(await sealer.encrypt(formatSecret(p, secret)));
}

export async function unwrap(seed: Bytes, p: Purpose, file: Bytes): Promise<Bytes> {
  return parseSecret(p, await decrypt(seed, file));
}

async function decrypt(seed: Bytes, file: Bytes): Promise<Bytes> {
  if (file.length > maxWrap) throw new Refusal("bad_wrap", "opening a wrap: too long");
  const opener = new Decrypter();
  opener.addIdentity(new OneStanza());
  opener.addIdentity(identityText(seed));
  try {
    return own(await opener.decrypt(file));
  } catch (err) {
    throw new Refusal("bad_wrap", `opening a wrap: ${err instanceof Error ? err.message : "age"}`);
  }
}

/** Opens nothing. age asks it first, so that it sees how many stanzas there are. */
class OneStanza implements Identity {
  unwrapFileKey(stanzas: Stanza[]): null {
    if (stanzas.length !== 1) throw new Error("not exactly one stanza");
    return null;
  }
}
