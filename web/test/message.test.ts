// What this reader seals, it opens; and what was changed on the way it does not.
import { equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { entryHash, formatEntry, parseEntry, signedBy } from "../src/chain/entry.js";
import { coverLeaf, coverRoot } from "../src/channel/capture.js";
import { hex, zero, type Bytes } from "../src/encoding/bytes.js";
import * as ed25519 from "../src/key/ed25519.js";
import { keyID } from "../src/key/key.js";
import { leafHash } from "../src/log/tree.js";
import { open, openWith, seal, type Draft } from "../src/message/message.js";
import type { EpochKey } from "../src/message/schedule.js";
import { Refusal, type Reason } from "../src/refusal.js";

const filled = (x: number, size = 32): Bytes => new Uint8Array(size).fill(x);

const epoch: EpochKey = { org: filled(1), channel: filled(2), n: 3n, link: filled(4), seed: filled(5) };
const seed = filled(6);
const device = ed25519.publicOf(seed);
const nowhere = { position: 0n, hash: zero() };

const draft: Draft = {
  user: filled(7), device: keyID(device), deviceSeq: 1n, devicePrev: zero(), void: [], seen: { position: 1n, hash: filled(8) },
  time: 1_763_800_000_000_000n, id: filled(9, 16), kind: 1n, target: nowhere, thread: nowhere, attachments: [], mentions: [],
};

const sealed = () => seal(epoch, draft, { text: "Grüße", files: [] }, (message) => ed25519.sign(seed, message));

const refuses = (reason: Reason) => (err: unknown) => err instanceof Refusal && err.reason === reason;

test("a sealed message travels, is signed, and opens", async () => {
  const { entry, salt } = await sealed();
  const received = parseEntry(formatEntry(entry));
  equal(signedBy(received, device), true);
  const opened = await open(epoch, received, salt);
  equal(opened.body.text, "Grüße");
  equal((await openWith(opened.secret, received)).body.text, "Grüße");
  const covered = { position: 9n, entry: entryHash(received), cov: opened.cov };
  equal(hex(coverRoot([covered])), hex(leafHash(coverLeaf(covered))));
});

test("it opens with its own epoch and salt alone", async () => {
  const { entry, salt } = await sealed();
  await rejects(open({ ...epoch, n: 4n }, entry, salt), refuses("wrong_context"));
  await rejects(open({ ...epoch, seed: filled(6) }, entry, salt), refuses("bad_commit"));
  await rejects(open(epoch, entry, filled(1)), refuses("wrong_salt"));
  await rejects(openWith(filled(1), entry), refuses("bad_commit"));
});

test("nothing is sealed that nobody would take", async () => {
  const twice = [filled(1), filled(1)];
  const sign = (message: Bytes) => ed25519.sign(seed, message);
  await rejects(seal(epoch, { ...draft, mentions: twice }, { text: "", files: [] }, sign), refuses("malformed"));
  const file = { name: "a", type: "b", size: 1n, key: filled(1) };
  await rejects(seal(epoch, draft, { text: "", files: [file] }, sign), refuses("malformed"));
  await rejects(seal(epoch, draft, { text: "x".repeat(65_537), files: [] }, sign), refuses("malformed"));
});
