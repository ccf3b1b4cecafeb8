import { deepEqual, equal } from "node:assert/strict";
import { kinds, parseEntry, parsePlaced } from "../../src/chain/entry.js";
import { bodies, parseLink, type Type } from "../../src/chain/link.js";
import { parseAcknowledgement, parseCoverage } from "../../src/channel/capture.js";
import { hex } from "../../src/encoding/bytes.js";
import type { Value } from "../../src/encoding/cbor.js";
import { frame, sum } from "../../src/encoding/hash.js";
import { format, parse, type Shape } from "../../src/encoding/shape.js";
import * as ed25519 from "../../src/key/ed25519.js";
import * as p384 from "../../src/key/p384.js";
import { parseMessageHeader } from "../../src/message/header.js";
import { demand } from "../../src/refusal.js";
import { bodies as notices, openNotice, type NoticeLabel } from "../../src/statement/notice.js";
import { parseOrder, type OrderKind } from "../../src/statement/order.js";
import { notice, openStatement, parseSigned, type Label } from "../../src/statement/statement.js";
import type { Case, Reader, Readers } from "./case.js";

const whole = (read: (b: ReturnType<Case["bytes"]>) => unknown): Reader => (c) => void read(c.bytes("bytes"));

const body = (shape: Shape<unknown>): Reader => (c) => {
  const b = c.bytes("bytes");
  deepEqual(format(shape, parse(shape, b)), b);
};

// channel.remove stands inside the links above.
const types = (Object.keys(bodies) as Type[]).filter((type) => type !== "channel.remove");

const orders: OrderKind[] = ["hold", "release", "rule", "plan", "export", "handover"];

export const cbor: Readers = {
  "entry of a link": whole(parseEntry),
  "entry of a message": whole(parseEntry),
  "entry of an acknowledgement": whole(parseEntry),
  "entry of coverage": whole(parseEntry),
  "placed link": whole(parsePlaced),
  "placed message": whole(parsePlaced),
  link: whole((b) => parseLink({ kind: kinds.link, header: b, payload: b, signatures: [] })),
  header: whole(parseMessageHeader),
  coverage: whole(parseCoverage),
  acknowledgement: whole(parseAcknowledgement),
  signed: whole(parseSigned),
  notice: body(notice),
  ...Object.fromEntries((Object.keys(notices) as NoticeLabel[]).map((label) => [label, body(notices[label])])),
  ...Object.fromEntries(orders.map((kind) => [kind, whole((b) => parseOrder(kind, b))])),
  ...Object.fromEntries(types.map((type) => [type, body(bodies[type])])),
};

export const keys: Readers = {
  key: (c) => demand(ed25519.isKey(c.bytes("key")), "bad_key", "vector"),
  signature: (c) => {
    const key = c.bytes("key");
    demand(ed25519.isKey(key), "bad_key", "vector");
    demand(ed25519.verify(key, c.bytes("message"), c.bytes("signature")), "bad_signature", "vector");
  },
};

export const p384Keys: Readers = {
  key: (c) => demand(p384.isKey(c.bytes("key")), "bad_key", "vector"),
  signature: (c) => {
    const key = c.bytes("key");
    demand(p384.isKey(key), "bad_key", "vector");
    demand(p384.verify(key, c.bytes("message"), c.bytes("signature")), "bad_signature", "vector");
  },
};

function part(c: Case): Value {
  if (c.has("int")) return BigInt(c.number("int"));
  if (c.has("bool")) return c.flag("bool");
  return c.has("text") ? c.text("text") : c.bytes("bytes");
}

export const frames: Readers = {
  frame: (c) => {
    const parts = c.cases("parts").map(part);
    equal(hex(frame(c.text("label"), ...parts)), c.text("frame"));
    equal(hex(sum(c.text("label"), ...parts)), c.text("sum"));
  },
};

const statement = (label: Label): Reader => (c) => void openStatement(label, c.bytes("key"), c.bytes("bytes"));

export const statements: Readers = {
  approval: statement("approval"),
  confirmation: statement("confirmation"),
  receipt: statement("receipt"),
  refusal: statement("refusal"),
  ...Object.fromEntries(
    (Object.keys(notices) as NoticeLabel[]).map((label) => [label, (c: Case) => void openNotice(label, c.bytes("key"), c.bytes("bytes"))]),
  ),
};
