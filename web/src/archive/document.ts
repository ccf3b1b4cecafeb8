// What the signer signs (archive.md): DSSE envelopes of statements, and the note of an archive.
import { base64 } from "@scure/base";
import { concat, equal, hex, own, utf8, type Bytes } from "../encoding/bytes.js";
import { keyID, verify } from "../key/key.js";
import { openCheckpoint } from "../log/checkpoint.js";
import { demand, Refusal } from "../refusal.js";

const payloadType = "application/vnd.in-toto+json";
const envelope = /^\{"payloadType":"([^"\\]*)","payload":"([^"\\]*)","signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"([^"\\]*)"\}\]\}$/;

/** The payload of a DSSE envelope in its one spelling that this key signed, and nobody else; else bad_document. */
export function openDSSE(document: string, key: Bytes): Bytes {
  const parts = envelope.exec(document);
  demand(parts !== null, "bad_document", "opening a document: its spelling, or how many signed");
  const [type, payload, signer, signature] = [parts[1]!, decode(parts[2]!), parts[3]!, decode(parts[4]!)];
  demand(type === payloadType && signer === hex(keyID(key)), "bad_document", "opening a document: its type or signer");
  const signed = concat(utf8(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload);
  demand(verify(key, signed, signature), "bad_document", "opening a document: its signature");
  return payload;
}

function decode(text: string): Bytes {
  try {
    const b = own(base64.decode(text));
    if (base64.encode(b) === text) return b;
  } catch {
    // Said below.
  }
  throw new Refusal("bad_document", "opening a document: base64");
}

export interface Archive {
  readonly id: Bytes;
  readonly org: Bytes;
  readonly schedule: string;
  readonly ordinal: number;
  readonly from: number;
  readonly to: number;
  readonly previous: Bytes;
  /** SHA-256 of tagmanifest-sha256.txt and of tagmanifest-sha384.txt. */
  readonly manifest: Bytes;
  readonly other: Bytes;
}

const subject = (digest: Bytes, name: string): string => `{"digest":{"sha256":"${hex(digest)}"},"name":"${name}"}`;

const statement = (kind: string, predicate: string, ...subjects: string[]): string =>
  `{"_type":"https://in-toto.io/Statement/v1","predicate":${predicate},"predicateType":"chancery/${kind}/v1","subject":[${subjects.join()}]}`;

/** Refuses (bad_document) a document that this key did not sign, or that says something else of the archive. */
export function checkArchive(document: string, key: Bytes, a: Archive): void {
  const predicate = `{"from":${a.from},"id":"${hex(a.id)}","ordinal":${a.ordinal},"org":"${hex(a.org)}","previous":"${hex(a.previous)}","schedule":"${a.schedule}","to":${a.to}}`;
  const said = statement("archive", predicate, subject(a.manifest, "tagmanifest-sha256.txt"), subject(a.other, "tagmanifest-sha384.txt"));
  demand(equal(openDSSE(document, key), utf8(said)), "bad_document", "reading an archive's statement");
}

/** Likewise for a certificate of a disposal: its predicate is the body, as canonical JSON. */
export function checkCertificate(document: string, key: Bytes, org: Bytes, plan: Bytes, body: string): void {
  const said = statement("disposal", body, subject(org, "organisation"), subject(plan, "plan"));
  demand(equal(openDSSE(document, key), utf8(said)), "bad_document", "reading a certificate");
}

/** Likewise for an archive's note, which nobody else may have signed. */
export function checkNote(note: string, key: Bytes, org: Bytes, schedule: string, ordinal: number, manifest: Bytes): void {
  const said = openCheckpoint(note, `chancery/${hex(org)}/archive/${schedule}`, key);
  const alone = note.slice(note.indexOf("\n\n") + 2).split("\n").length === 2;
  demand(alone && said.size === BigInt(ordinal) && equal(said.root, manifest), "bad_document", "reading an archive's note");
}
