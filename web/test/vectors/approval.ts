import { deepEqual, equal } from "node:assert/strict";
import { checkOpening, checkProof, claimsHash, commitment, proof, transcript, type Answer, type Opening } from "../../src/approval/approval.js";
import { codes, parseCode } from "../../src/approval/code.js";
import { formatTicket, parseTicket } from "../../src/approval/ticket.js";
import type { Case, Readers } from "./case.js";

const opening = (c: Case): Opening => ({
  org: c.bytes("org"),
  user: c.bytes("user"),
  claims: claimsHash(c.text("device"), c.bytes("key"), c.bytes("recipient")),
  nonce: c.bytes("nonce"),
});

const answer = (c: Case): Answer => ({
  approver: c.bytes("approver"),
  seq: BigInt(c.number("seq")),
  head: c.bytes("head"),
  nonce: c.bytes("answer"),
});

export const approvals: Readers = {
  transcript: async (c) => {
    const [o, a] = [opening(c), answer(c)];
    const sum = transcript(o, a);
    deepEqual([o.claims, commitment(o), sum], [c.bytes("claims"), c.bytes("commitment"), c.bytes("sum")]);
    deepEqual(await proof(o, a), c.bytes("proof"));
    deepEqual(codes(sum), [c.text("first"), c.text("second")]);
    equal(formatTicket({ version: 1n, org: o.org, claims: o.claims, nonce: o.nonce }), c.text("text"));
  },
  reveal: (c) => checkOpening(opening(c), c.bytes("commitment")),
  proof: (c) => checkProof(opening(c), answer(c), c.bytes("proof")),
  ticket: (c) => {
    const t = parseTicket(c.text("text"));
    deepEqual([t.org, t.claims, t.nonce], [c.bytes("org"), c.bytes("claims"), c.bytes("nonce")]);
  },
  code: (c) => equal(parseCode(c.text("text")), c.text("code")),
};
