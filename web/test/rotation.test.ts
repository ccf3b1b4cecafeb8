// Rotations, which the vectors reach one at a time.
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { isAnswered, newer } from "../src/channel/rotation.js";

const at = (position: bigint) => ({ position });
const removal = { position: 10n, restricts: true };
const add = { position: 12n, restricts: false };

test("a restriction that is not answered passes to the next rotation", () => {
  const due = newer(removal, add, at(5n));
  deepEqual(due, { position: 12n, restricts: true });
  equal(isAnswered(due, at(14n), at(11n)), false, "an epoch between them, current since, is not enough");
  equal(isAnswered(due, at(14n), at(14n)), true);
});

test("one that is answered does not", () => {
  deepEqual(newer(removal, add, at(11n)), add);
  equal(isAnswered(add, at(14n), at(11n)), true, "placed is enough");
  equal(isAnswered(add, at(11n), at(11n)), false);
});
