import { equal } from "node:assert/strict";
import { readEntry, signedBy, type Entry } from "../../src/chain/entry.js";
import { hex } from "../../src/encoding/bytes.js";
import { layout, openFile } from "../../src/message/file.js";
import { open } from "../../src/message/message.js";
import { pad, unpad } from "../../src/message/padding.js";
import { channelKey, messageKeys, messageSecret, seedCommit, type EpochKey } from "../../src/message/schedule.js";
import { Refusal } from "../../src/refusal.js";
import * as age from "../../src/wrap/age.js";
import * as fips from "../../src/wrap/fips.js";
import { checkSeed, types, type Purpose } from "../../src/wrap/purpose.js";
import { openSlip, type Suite } from "../../src/wrap/slip.js";
import type { Case, Reader, Readers } from "./case.js";

const epoch = (c: Case): EpochKey => {
  const n = BigInt(c.number("n"));
  return { org: c.bytes("org"), channel: c.bytes("channel"), n, link: c.bytes("epoch_link"), seed: c.bytes("seed") };
};

export const schedule: Readers = {
  "": async (c) => {
    const e = epoch(c);
    const secret = await messageSecret(e, c.bytes("header"), c.bytes("salt"));
    const { key, com, cov } = await messageKeys(secret);
    equal(hex(await seedCommit(e.seed, e.channel, e.n)), c.text("seed_commit"));
    equal(hex(await channelKey(e)), c.text("channel_key"));
    equal(hex(secret), c.text("secret"));
    equal(hex(key), c.text("key"));
    equal(hex(com), c.text("com"));
    equal(hex(cov), c.text("cov"));
  },
};

/** Opening asks less of an entry than receiving it does. */
function entryOf(c: Case): Entry {
  try {
    return readEntry(c.bytes("entry"));
  } catch (err) {
    if (err instanceof Refusal) throw new Refusal("bad_format", err.message);
    throw err;
  }
}

export const messages: Readers = {
  "": async (c) => {
    const e = entryOf(c);
    equal(signedBy(e, c.bytes("public")), c.flag("signed"), "whether it is signed");
    const { body } = await open(epoch(c), e, c.bytes("salt"));
    equal(body.text, c.has("text") ? c.text("text") : "");
  },
};

export const padding: Readers = {
  "": (c) => {
    const body = unpad(c.bytes("padded"));
    equal(hex(body), c.text("body"));
    equal(hex(pad(body)), c.text("padded"));
  },
};

const purpose = (c: Case): Purpose => {
  return { type: types.epochSeed, org: c.bytes("org"), of: c.bytes("channel"), n: BigInt(c.number("n")) };
};

const named = (c: Case) => ({ id: c.bytes("id"), size: BigInt(c.number("size")), root: c.bytes("root") });

export const files: Readers = {
  file: async (c) => equal(hex(await openFile(named(c), c.bytes("key"), c.bytes("sealed"))), hex(c.bytes("plain"))),
  layout: (c) => {
    const { chunks, tail } = layout(BigInt(c.number("size")));
    equal(chunks, BigInt(c.number("chunks")));
    equal(tail, BigInt(c.number("tail")));
  },
};

const secret = (type: Purpose["type"], open: (c: Case, p: Purpose) => Promise<Uint8Array>): Reader => async (c) => {
  const p: Purpose = { type, org: c.bytes("org"), of: c.bytes("about"), n: BigInt(c.number("n")) };
  equal(hex(await open(c, p)), c.text("secret"));
};

/** Secrets other than epoch seeds, in one suite. */
export const secrets = (suite: Suite): Readers => ({
  "user-seed": secret(types.userSeed, (c, p) => suite.unwrap(c.bytes("identity_seed"), p, c.bytes("file"))),
  slip: secret(types.archiveKey, (c, p) => openSlip(suite, c.bytes("identity_seed"), p, c.bytes("file"))),
});

export const ageSecrets = secrets(age);

export const fipsSecrets = secrets(fips);

const wrap = (suite: typeof age | typeof fips, recipient: (c: Case) => Uint8Array): Reader => async (c) => {
  const identity = c.bytes("identity_seed");
  equal(hex(await suite.recipientOf(identity)), hex(recipient(c)));
  const p = purpose(c);
  const seed = await suite.unwrap(identity, p, c.bytes("file"));
  await checkSeed(seed, p.of, p.n, c.bytes("seed_commit"));
};

export const wraps: Readers = { "": wrap(age, (c) => c.ascii("recipient")) };

export const fipsWraps: Readers = { "": wrap(fips, (c) => c.bytes("recipient")) };
