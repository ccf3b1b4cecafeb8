// Key slips (wraps.md): one wrap of an archive's key for each reader, sorted by recipient id.
import { equal, rising, type Bytes } from "../encoding/bytes.js";
import { sum } from "../encoding/hash.js";
import { bytes, id, list, parse, record } from "../encoding/shape.js";
import { demand, found } from "../refusal.js";
import type { Purpose } from "./purpose.js";

const copies = list(record<{ readonly recipient: Bytes; readonly wrap: Bytes }>({ recipient: id, wrap: bytes }));

/** A suite's way of opening wraps. */
export interface Suite {
  recipientOf(seed: Bytes): Bytes | Promise<Bytes>;
  unwrap(seed: Bytes, p: Purpose, wrap: Bytes): Promise<Bytes>;
}

/** The key in this reader's own copy; bad_wrap when there is none. */
export async function openSlip(suite: Suite, seed: Bytes, p: Purpose, slip: Bytes): Promise<Bytes> {
  const own = sum("recipient", await suite.recipientOf(seed));
  const all = parse(copies, slip);
  demand(rising(all.map((c) => c.recipient)), "bad_wrap", "opening a slip: copies out of order");
  const copy = all.find((c) => equal(c.recipient, own));
  return suite.unwrap(seed, p, found(copy, "bad_wrap", "opening a slip: no copy").wrap);
}
