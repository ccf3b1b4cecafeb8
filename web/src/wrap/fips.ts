// Wraps in suite fips (wraps.md): a key exported by HPKE, and AES-256-GCM under it.
import { MLKEM1024P384 } from "@noble/post-quantum/hybrid.js";
import { KDF_HKDF_SHA384, KEM_MLKEM1024_P384 } from "@panva/hpke-noble";
import { AEAD_EXPORT_ONLY, CipherSuite } from "hpke";
import { own, type Bytes } from "../encoding/bytes.js";
import { frame, recipientID } from "../encoding/hash.js";
import { bytes, fixed, format, parse, record, text, uint } from "../encoding/shape.js";
import { openBox, sealBox } from "../key/derive.js";
import { demand, found, Refusal } from "../refusal.js";
import { formatSecret, maxWrap, parseSecret, type Purpose } from "./purpose.js";

const suite = new CipherSuite(KEM_MLKEM1024_P384, KDF_HKDF_SHA384, AEAD_EXPORT_ONLY);
const name = "fips";
const keySize = 32;

interface Wrap {
  readonly version: bigint;
  readonly suite: string;
  readonly enc: Bytes;
  readonly sealed: Bytes;
}

const wrapShape = record<Wrap>({ version: uint, suite: text, enc: fixed(1665), sealed: bytes });

/** The recipient whose wraps this identity opens. */
export const recipientOf = (seed: Bytes): Bytes => own(MLKEM1024P384.keygen(seed).publicKey);

function contextOf(p: Purpose, recipient: Bytes): Bytes {
  return frame("wrap", p.type, name, p.org, p.of, p.n, recipientID(recipient));
}

export async function wrap(recipient: Bytes, p: Purpose, secret: Bytes): Promise<Bytes> {
  const info = contextOf(p, recipient);
  const to = await suite.DeserializePublicKey(recipient);
  const { encapsulatedSecret, exportedSecret } = await suite.SendExport(to, info, keySize, { info });
  const sealed = await sealBox(own(exportedSecret), formatSecret(p, secret), info);
  return format(wrapShape, { version: 1n, suite: name, enc: own(encapsulatedSecret), sealed });
}

export async function unwrap(seed: Bytes, p: Purpose, file: Bytes): Promise<Bytes> {
  const { enc, sealed } = parseWrap(file);
  const info = contextOf(p, recipientOf(seed));
  const key = await receive(seed, enc, info);
  return parseSecret(p, found(await openBox(key, sealed, info), "bad_wrap", "opening a wrap"));
}

function parseWrap(file: Bytes): Wrap {
  demand(file.length <= maxWrap, "bad_wrap", "opening a wrap: too long");
  try {
    const w = parse(wrapShape, file);
    demand(w.version === 1n && w.suite === name, "bad_wrap", "opening a wrap: version or suite");
    return w;
  } catch (err) {
    throw new Refusal("bad_wrap", err instanceof Error ? err.message : "opening a wrap");
  }
}

async function receive(seed: Bytes, enc: Bytes, info: Bytes): Promise<Bytes> {
  try {
    const identity = await suite.DeserializePrivateKey(seed);
    return own(await suite.ReceiveExport(identity, enc, info, keySize, { info }));
  } catch (err) {
    throw new Refusal("bad_wrap", `opening a wrap: ${err instanceof Error ? err.message : "HPKE"}`);
  }
}
