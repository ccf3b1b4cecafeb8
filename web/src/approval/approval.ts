// What two devices compute when one takes the other in (approval.md).
import { equal, type Bytes } from "../encoding/bytes.js";
import { frame, sum } from "../encoding/hash.js";
import { hkdf } from "../key/derive.js";
import { demand } from "../refusal.js";

/** Stands for what a new device says of itself. */
export const claimsHash = (name: string, key: Bytes, recipient: Bytes): Bytes => sum("device-claims", name, key, recipient);

/** What a commitment hides; the nonce is secret until the approving device has answered. */
export interface Opening {
  readonly org: Bytes;
  readonly user: Bytes;
  readonly claims: Bytes;
  readonly nonce: Bytes;
}

/** What the approving device says: who it is, on which link of the user's chain it stands, and its nonce. */
export interface Answer {
  readonly approver: Bytes;
  readonly seq: bigint;
  readonly head: Bytes;
  readonly nonce: Bytes;
}

export const commitment = (o: Opening): Bytes => sum("device-commit", o.org, o.user, o.claims, o.nonce);

/** Refuses a nonce, or claims, other than those that were committed to. */
export function checkOpening(o: Opening, committed: Bytes): void {
  demand(equal(commitment(o), committed), "bad_commitment", "device's opening");
}

export const transcript = (o: Opening, a: Answer): Bytes =>
  sum("device-approval", commitment(o), o.nonce, a.approver, a.seq, a.head, a.nonce);

/** Shows that who answered has seen the ticket, while the nonce is untold. */
export const proof = (o: Opening, a: Answer): Promise<Bytes> => hkdf(o.nonce, frame("device-proof", transcript(o, a)));

export async function checkProof(o: Opening, a: Answer, given: Bytes): Promise<void> {
  demand(equal(await proof(o, a), given), "bad_proof", "approver's answer");
}
