// What this reader wraps, it unwraps, in both suites; for another purpose it does not.
import { equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { Encrypter } from "age-encryption";
import { hex, own, type Bytes } from "../src/encoding/bytes.js";
import { Refusal } from "../src/refusal.js";
import * as age from "../src/wrap/age.js";
import * as fips from "../src/wrap/fips.js";
import { formatSecret, types, userIdentity, type Purpose } from "../src/wrap/purpose.js";

const filled = (x: number): Bytes => new Uint8Array(32).fill(x);

const purposes: Purpose[] = [
  { type: types.epochSeed, org: filled(1), of: filled(2), n: 3n },
  { type: types.userSeed, org: filled(1), of: filled(2), n: 1n },
  { type: types.archiveKey, org: filled(1), of: filled(2), n: 0n },
];

const suites = { age: { wrong: "wrong_context", ...age }, fips: { wrong: "bad_wrap", ...fips } };

for (const [name, suite] of Object.entries(suites)) {
  test(`wraps of suite ${name}`, async () => {
    const identity = await userIdentity(filled(9));
    const recipient = await suite.recipientOf(identity);
    for (const p of purposes) {
      const file = await suite.wrap(recipient, p, filled(7));
      equal(hex(await suite.unwrap(identity, p, file)), hex(filled(7)));
      const refused = (err: unknown) => err instanceof Refusal && err.reason === suite.wrong;
      await rejects(suite.unwrap(identity, { ...p, org: filled(8) }, file), refused);
      await rejects(suite.unwrap(filled(9), p, file), (err) => err instanceof Refusal && err.reason === "bad_wrap");
    }
  });
}

test("an age file to two people is no wrap, though it opens", async () => {
  const [p] = purposes;
  const sealer = new Encrypter();
  for (const seed of [filled(9), filled(8)]) {
    sealer.addRecipient(new TextDecoder().decode(await age.recipientOf(seed)));
  }
  const file = own(await sealer.encrypt(formatSecret(p!, filled(7))));
  await rejects(age.unwrap(filled(9), p!, file), (err) => err instanceof Refusal && err.reason === "bad_wrap");
});
