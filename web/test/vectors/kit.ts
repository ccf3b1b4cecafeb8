import { deepEqual } from "node:assert/strict";
import { publicOf } from "../../src/key/ed25519.js";
import { kitIdentitySeed, kitSigningSeed, parseKit } from "../../src/wrap/kit.js";
import type { Readers } from "./case.js";

export const kits: Readers = {
  kit: async (c) => {
    const kit = parseKit(c.text("text"));
    const signing = await kitSigningSeed(kit);
    deepEqual([kit, signing, publicOf(signing)], [c.bytes("kit"), c.bytes("signing_seed"), c.bytes("key")]);
    deepEqual(await kitIdentitySeed(kit), c.bytes("identity_seed"));
  },
};
