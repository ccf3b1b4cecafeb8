// Opens every good vector of crypto/testdata/vectors and refuses every other, with its reason.
import { deepEqual } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { Refusal } from "../src/refusal.js";
import { Case, type Readers } from "./vectors/case.js";
import { approvals } from "./vectors/approval.js";
import * as archive from "./vectors/archive.js";
import * as chain from "./vectors/chain.js";
import * as encoding from "./vectors/encoding.js";
import { kits } from "./vectors/kit.js";
import * as log from "./vectors/log.js";
import * as message from "./vectors/message.js";

const folder = new URL("../../../crypto/testdata/vectors/", import.meta.url);

function load(file: string): Case[] {
  const { cases }: { cases: unknown[] } = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  return cases.map((fields) => new Case(fields));
}

const files: Readonly<Record<string, Readers>> = {
  "approval.json": approvals,
  "cbor.json": encoding.cbor,
  "chains.json": chain.chains(load("worlds.json")),
  "checkpoints.json": log.checkpoints,
  "cosignatures.json": log.cosignatures,
  "documents.json": archive.documents,
  "ed25519.json": encoding.keys,
  "files.json": message.files,
  "frames.json": encoding.frames,
  "keys.json": message.schedule,
  "kits.json": kits,
  "keytree.json": log.keytrees,
  "messages.json": message.messages,
  "openings.json": archive.openings,
  "p384.json": encoding.p384Keys,
  "padding.json": message.padding,
  "roots.json": chain.roots,
  "secrets-fips.json": message.fipsSecrets,
  "secrets.json": message.ageSecrets,
  "statements.json": encoding.statements,
  "tiles.json": log.tiles,
  "trees.json": log.trees,
  "ranges.json": log.ranges,
  "worlds.json": chain.worlds,
  "wraps-fips.json": message.fipsWraps,
  "wraps.json": message.wraps,
};

const count = { vectors: 0, opened: 0, refused: 0, disagree: 0 };

/** What became of a case: ok, or why it was refused. Anything else that fails is no refusal. */
async function judge(c: Case, readers: Readers): Promise<string> {
  const read = readers[c.kind];
  if (!read) return `no reader of kind "${c.kind}"`;
  try {
    await read(c);
  } catch (err) {
    return err instanceof Refusal ? err.reason : `failed: ${String(err)}`;
  }
  return c.unread.length === 0 ? "ok" : `passed over ${c.unread.join(", ")}`;
}

/** Checkpoints and documents name no reasons. */
const agrees = (got: string, want: string): boolean =>
  want === "refused" ? got === "bad_checkpoint" || got === "bad_document" : got === want;

async function read(c: Case, readers: Readers): Promise<string[]> {
  const got = await judge(c, readers);
  count.vectors++;
  if (!agrees(got, c.want)) {
    count.disagree++;
    return [`${c.kind} ${c.name}: ${got}, want ${c.want}`];
  }
  if (got === "ok") count.opened++;
  else count.refused++;
  return [];
}

test("every file of vectors has its readers", () => {
  const there = readdirSync(folder).filter((name) => name.endsWith(".json"));
  deepEqual(there.sort(), Object.keys(files).sort());
});

for (const [file, readers] of Object.entries(files)) {
  test(file, async () => {
    const cases = load(file);
    const wrong: string[] = [];
    for (const c of cases) wrong.push(...(await read(c, readers)));
    deepEqual(wrong, []);
    const kinds = new Set(cases.map((c) => c.kind));
    deepEqual(Object.keys(readers).filter((kind) => !kinds.has(kind)), [], "readers without a case");
  });
}

after(() => {
  const { vectors, opened, refused, disagree } = count;
  console.log(`${vectors} vectors: ${opened} opened, ${refused} refused, ${disagree} disagree`);
});
