import { deepEqual } from "node:assert/strict";
import { checkArchive, checkCertificate, checkNote } from "../../src/archive/document.js";
import { readOpenings, type Opening } from "../../src/archive/openings.js";
import type { Case, Readers } from "./case.js";

export const documents: Readers = {
  archive: (c) => {
    const place = { schedule: c.text("schedule"), ordinal: c.number("ordinal"), from: c.number("from"), to: c.number("to") };
    const hashes = { id: c.bytes("id"), org: c.bytes("org"), previous: c.bytes("previous"), manifest: c.bytes("manifest"), other: c.bytes("other") };
    checkArchive(c.text("document"), c.bytes("key"), { ...place, ...hashes });
  },
  "archive note": (c) =>
    checkNote(c.text("document"), c.bytes("key"), c.bytes("org"), c.text("schedule"), c.number("ordinal"), c.bytes("manifest")),
  certificate: (c) =>
    checkCertificate(c.text("document"), c.bytes("key"), c.bytes("org"), c.bytes("subject"), c.text("body")),
};

const opening = (c: Case): Opening => ({
  channel: c.bytes("channel"), position: BigInt(c.number("position")), entry: c.bytes("entry"), secret: c.bytes("secret"),
  exception: c.has("exception") ? c.text("exception") : "",
});

export const openings: Readers = {
  openings: async (c) => {
    const expected = { archive: c.bytes("archive"), commit: c.bytes("commit") };
    deepEqual(await readOpenings(c.bytes("file"), expected, c.bytes("key")), c.cases("openings").map(opening));
  },
};
