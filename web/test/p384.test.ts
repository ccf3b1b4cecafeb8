// P-384 signatures and the checkpoints of suite fips, of which the vectors have none.
import { equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { p384 } from "@noble/curves/nist.js";
import { base64 } from "@scure/base";
import { bigEndian, concat, fromBigEndian, own, utf8, zero, type Bytes } from "../src/encoding/bytes.js";
import { sha256 } from "../src/encoding/hash.js";
import * as strict from "../src/key/p384.js";
import { openCheckpoint } from "../src/log/checkpoint.js";
import { Refusal } from "../src/refusal.js";

const secret = new Uint8Array(48).fill(7);
const key = own(p384.getPublicKey(secret, false));
const order = p384.Point.Fn.ORDER;

const sign = (message: Bytes): Bytes => own(p384.sign(message, secret, { lowS: true, format: "compact" }));

function withHighS(signature: Bytes): Bytes {
  return concat(signature.slice(0, 48), bigEndian(order - fromBigEndian(signature.slice(48)), 48));
}

test("one form of keys and signatures", () => {
  const message = utf8("a message");
  const good = sign(message);
  equal(strict.verify(key, message, good), true);
  equal(strict.verify(key, utf8("another"), good), false);
  equal(strict.verify(key, message, withHighS(good)), false, "s in the upper half");
  equal(strict.verify(key, message, good.slice(0, 95)), false, "cut");
  equal(strict.verify(key, message, concat(good.slice(0, 48), zero(48))), false, "s of zero");
  equal(strict.isKey(own(p384.getPublicKey(secret, true))), false, "compressed");
  equal(strict.isKey(concat(Uint8Array.of(6), key.slice(1))), false, "hybrid");
  equal(strict.isKey(concat(key.slice(0, 96), Uint8Array.of(key[96]! ^ 1))), false, "not on the curve");
});

test("a checkpoint of suite fips", () => {
  const origin = `chancery/${"33".repeat(32)}/log`;
  const text = `${origin}\n7\n${base64.encode(zero())}\n`;
  const type = concat(Uint8Array.of(0xff), utf8("chancery/v1/ecdsa-p384-sha384"));
  const hash = sha256(concat(utf8(`${origin}\n`), type, key)).slice(0, 4);
  const note = (signature: Bytes) => `${text}\n— ${origin} ${base64.encode(concat(hash, signature))}\n`;
  const good = sign(utf8(text));
  equal(openCheckpoint(note(good), origin, key).size, 7n);
  throws(() => openCheckpoint(note(withHighS(good)), origin, key), Refusal);
});
