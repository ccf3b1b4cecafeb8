// One person's chain (chains.md): their devices, and the key that epochs are wrapped to.
import { equal, hex, type Bytes } from "../encoding/bytes.js";
import { chainID } from "../encoding/hash.js";
import { isKey, keyID } from "../key/key.js";
import { demand, found, Refusal } from "../refusal.js";
import { countSigners, entryHash, signedBy, type Entry } from "./entry.js";
import { checkFollows, parseBody, parseLink, parseWhole, type Device, type LinkOf } from "./link.js";
import { isName, type Organisation } from "./org.js";

interface Live {
  readonly device: Device;
  readonly since: bigint;
}

export class User {
  readonly id: Bytes;
  /** Public key of generation 1, the only one today. */
  readonly recipient: Bytes;
  readonly #org: Organisation;
  readonly #heads: Bytes[] = [];
  readonly #devices = new Map<string, Live>();

  /** Begins a person's chain with its genesis link. */
  constructor(e: Entry, org: Organisation) {
    const link = parseWhole(e);
    demand(link.type === "user.genesis" && link.seq === 0n, "malformed", "beginning a user");
    demand(equal(link.org, org.id), "wrong_chain", "beginning a user");
    checkGenesis(link, org);
    demand(signedBy(e, link.body.device.key), "bad_signature", "beginning a user");
    this.id = chainID(e.header);
    this.recipient = link.body.recipient;
    this.#org = org;
    this.#add(link.body.device, 0n);
    this.#heads.push(entryHash(e));
  }

  /** Adds the next link, or refuses it and changes nothing. */
  follow(e: Entry): void {
    const next = parseLink(e);
    checkFollows(next, this.#org.id, this.id, this.#heads);
    const link = parseBody(next);
    if (link.type !== "user.device_add") throw new Refusal("malformed", `following a user: ${link.type}`);
    this.#checkDevice(e, link);
    this.#add(link.body, link.seq);
    this.#heads.push(entryHash(e));
  }

  headAt(seq: bigint): Bytes | undefined {
    return this.#heads[Number(seq)];
  }

  /** The device of this key id that is live at link seq. */
  deviceAt(key: Bytes, seq: bigint): Device | undefined {
    const live = this.#devices.get(hex(key));
    return live && live.since <= seq ? live.device : undefined;
  }

  #add(device: Device, since: bigint): void {
    this.#devices.set(hex(keyID(device.key)), { device, since });
  }

  #checkDevice(e: Entry, link: LinkOf<"user.device_add">): void {
    demand(isDevice(link.body), "malformed", "adding a device");
    const approver = this.deviceAt(link.key, link.seq);
    demand(equal(link.user, this.id), "device_unknown", "adding a device: another user");
    const by = found(approver, "device_unknown", "adding a device: who approves");
    demand(!this.#devices.has(hex(keyID(link.body.key))), "duplicate", "adding a device");
    demand(countSigners(e, [by.key, link.body.key]) === 2, "bad_signature", "adding a device");
  }
}

function checkGenesis(link: LinkOf<"user.genesis">, org: Organisation): void {
  const { suite, nonce, recipient, device } = link.body;
  demand(suite === org.genesis.suite, "suite_bad", "beginning a user");
  const whole = nonce.length === 16 && recipient.length > 0 && equal(link.key, keyID(device.key));
  demand(whole && isDevice(device), "malformed", "beginning a user");
}

function isDevice(d: Device): boolean {
  return isName(d.name, 100) && d.recipient.length > 0 && d.key.length === 32 && isKey(d.key);
}
