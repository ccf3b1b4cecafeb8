// The text of a QR code by which a device is taken in (approval.md).
import { base32nopad } from "@scure/base";
import { own, type Bytes } from "../encoding/bytes.js";
import { format, id, parse, record, uint, type Read } from "../encoding/shape.js";
import { demand, Refusal } from "../refusal.js";

const scheme = "CHANCERY-DEVICE:";

const shape = record({ version: uint, org: id, claims: id, nonce: id });

export type Ticket = Read<typeof shape>;

export const formatTicket = (t: Ticket): string => scheme + base32nopad.encode(format(shape, t));

/** Reads a ticket in any case, with line breaks where a terminal made them. */
export function parseTicket(text: string): Ticket {
  const tidy = text.replace(/\s/g, "").toUpperCase();
  demand(tidy.startsWith(scheme), "malformed", "ticket's scheme");
  const body = tidy.slice(scheme.length);
  const t = parse(shape, decode(body));
  demand(t.version === 1n && formatTicket(t) === tidy, "malformed", "ticket");
  return t;
}

function decode(body: string): Bytes {
  try {
    return own(base32nopad.decode(body));
  } catch {
    throw new Refusal("malformed", "ticket's base 32");
  }
}
