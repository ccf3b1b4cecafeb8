// Recovery kits: a printed secret of 256 bits (recovery.md).
import { equal, own, type Bytes } from "../encoding/bytes.js";
import { frame, sum } from "../encoding/hash.js";
import { hkdf } from "../key/derive.js";
import { demand } from "../refusal.js";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const length = 56;
const size = 32;
const check = 3;

/** The secret of what somebody typed, in any case and grouping. */
export function parseKit(typed: string): Bytes {
  const text = typed.toUpperCase().replace(/[ \t\r\n-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  demand(text.length === length && [...text].every((letter) => alphabet.includes(letter)), "bad_kit", "kit's letters");
  const bits = [...text].reduce((n, letter) => (n << 5n) | BigInt(alphabet.indexOf(letter)), 0n);
  const all = own(Uint8Array.from({ length: size + check }, (_, i) => Number((bits >> BigInt(8 * (size + check - 1 - i))) & 255n)));
  const kit = all.slice(0, size);
  demand(equal(all.slice(size), sum("kit-check", kit).slice(0, check)), "bad_kit", "kit's last letters");
  return kit;
}

/** Seed of the Ed25519 key that signs what the kit may say on its person's chain. */
export const kitSigningSeed = (kit: Bytes): Promise<Bytes> => hkdf(kit, frame("kit-signing"));

/** Seed of the identity that opens the user seeds wrapped to the kit. */
export const kitIdentitySeed = (kit: Bytes): Promise<Bytes> => hkdf(kit, frame("kit-identity"));
