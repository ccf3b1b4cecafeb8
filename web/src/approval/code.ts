// Codes that a person reads from one screen and types on another (approval.md).
import type { Bytes } from "../encoding/bytes.js";
import { demand } from "../refusal.js";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** 30 bits of a transcript from bit `skip` on, as six characters in two groups. */
function code(transcript: Bytes, skip: bigint): string {
  const bits = new DataView(transcript.buffer, transcript.byteOffset, 8).getBigUint64(0) >> (34n - skip);
  const letters = [25n, 20n, 15n, 10n, 5n, 0n].map((shift) => alphabet.charAt(Number((bits >> shift) & 31n)));
  return `${letters.slice(0, 3).join("")} ${letters.slice(3).join("")}`;
}

/** What the new device shows, and what it expects. */
export const codes = (transcript: Bytes): readonly [string, string] => [code(transcript, 0n), code(transcript, 30n)];

/** What somebody typed, in any case and grouping. */
export function parseCode(typed: string): string {
  const text = typed.trim().toUpperCase().replace(/[ -]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  demand(text.length === 6 && [...text].every((letter) => alphabet.includes(letter)), "malformed", "code");
  return `${text.slice(0, 3)} ${text.slice(3)}`;
}
