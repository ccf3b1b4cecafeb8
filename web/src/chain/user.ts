// One person's chain (chains.md): devices, key generations, the recovery key, and whether it was left for another.
import { equal, isZero, rising, type Bytes } from "../encoding/bytes.js";
import { chainID } from "../encoding/hash.js";
import { isKey, keyID } from "../key/key.js";
import { demand, found, Refusal } from "../refusal.js";
import { countSigners, entryHash, type Entry } from "./entry.js";
import { holders, isNext, wrapTo } from "./generation.js";
import {
  checkFollows, parseBody, parseLink, parseWhole,
  type Device, type Key, type Link, type LinkHeader, type LinkOf, type RecoveryKey,
} from "./link.js";
import { isName, type Organisation } from "./org.js";

/** Something that stands from one link on until another. */
interface Span<T> {
  readonly it: T;
  readonly since: bigint;
  until: bigint | undefined;
}

interface Generation {
  readonly since: bigint;
  readonly recipient: Bytes;
}

/** What a link that was judged good does. */
type Change = () => void;

const day = 86_400_000_000n;
const maxLinksADay = 20;
const maxDevices = 32;

const stands = (s: Span<unknown>, seq: bigint): boolean => s.since <= seq && (s.until === undefined || seq < s.until);

export class User {
  readonly id: Bytes;
  readonly #org: Organisation;
  readonly #heads: Bytes[] = [];
  readonly #times: bigint[] = [];
  readonly #devices: Span<Device>[] = [];
  readonly #recovery: Span<RecoveryKey>[] = [];
  readonly #generations: Generation[] = [];
  #reset: bigint | undefined;

  /** Begins a person's chain with its genesis link. */
  constructor(e: Entry, org: Organisation) {
    const link = parseWhole(e);
    demand(link.type === "user.genesis" && link.seq === 0n, "malformed", "beginning a user");
    demand(equal(link.org, org.id), "wrong_chain", "beginning a user");
    checkGenesis(link, org);
    this.#org = org;
    this.#checkSigners(e, this.#founders(link));
    this.id = chainID(e.header);
    this.#take(link.body.device, 0n);
    this.#generations.push({ since: 0n, recipient: link.body.recipient });
    this.#heads.push(entryHash(e));
    this.#times.push(link.time);
  }

  /** Adds the next link, or refuses it and changes nothing. */
  follow(e: Entry): void {
    const next = parseLink(e);
    checkFollows(next, this.#org.id, this.id, this.#heads);
    this.#checkPace(next);
    this.#judge(e, parseBody(next))();
    this.#heads.push(entryHash(e));
    this.#times.push(next.time);
  }

  headAt(seq: bigint): Bytes | undefined {
    return this.#heads[Number(seq)];
  }

  /** The device of this key id that is live at link seq. */
  deviceAt(key: Bytes, seq: bigint): Device | undefined {
    return this.#devices.find((d) => stands(d, seq) && equal(keyID(d.it.key), key))?.it;
  }

  /** The key that epochs are wrapped to at link seq. */
  keyAt(seq: bigint): { readonly generation: bigint; readonly public: Bytes } {
    const n = this.#generations.filter((g) => g.since <= seq).length;
    return { generation: BigInt(n), public: this.#generations[n - 1]!.recipient };
  }

  /** Whether the chain had ended, by a reset, at link seq. */
  hasEnded(seq: bigint): boolean {
    return this.#reset !== undefined && this.#reset <= seq;
  }

  /** Whether links after one, up to another, take a device or a key away, or end the chain. */
  restricts(after: bigint, to: bigint): boolean {
    const within = (seq: bigint) => after < seq && seq <= to;
    return this.#generations.some((g) => within(g.since)) || (this.#reset !== undefined && within(this.#reset));
  }

  get #seq(): bigint {
    return BigInt(this.#heads.length - 1);
  }

  #founders({ body }: LinkOf<"user.genesis">): Bytes[] {
    const [old] = body.replaces;
    return old ? [body.device.key, this.#officer(old.officer, old.orgSeq, old.orgHead)] : [body.device.key];
  }

  #officer(key: Bytes, seq: bigint, head: Bytes): Bytes {
    const known = this.#org.headAt(seq);
    demand(known !== undefined && equal(known, head), "head_unknown", "asking an officer");
    return found(this.#org.listed("officer", key, seq), "not_listed", "asking an officer").key;
  }

  #checkSigners(e: Entry, keys: readonly Bytes[]): void {
    demand(countSigners(e, keys) === keys.length, "bad_signature", "judging who signs for a user");
  }

  /** Not after the end, not back in time, not too many in a day. */
  #checkPace(link: LinkHeader): void {
    demand(this.#reset === undefined, "not_allowed", "following a user who was reset");
    demand(link.time >= this.#times.at(-1)!, "broken_order", "following a user: signed earlier");
    const first = this.#times.at(-maxLinksADay);
    const few = link.type === "user.reset" || first === undefined || first <= link.time - day;
    demand(few, "not_allowed", "following a user: too many links in a day");
  }

  #judge(e: Entry, link: Link): Change {
    switch (link.type) {
      case "user.device_add": return this.#judgeAdd(e, link);
      case "user.device_revoke": return this.#judgeRevoke(e, link);
      case "user.key": return this.#judgeKey(e, link);
      case "user.recovery": return this.#judgeRecovery(e, link);
      case "user.recover": return this.#judgeRecover(e, link);
      case "user.reset": return this.#judgeReset(e, link);
      default: throw new Refusal("malformed", `following a user: ${link.type}`);
    }
  }

  #judgeAdd(e: Entry, link: LinkOf<"user.device_add">): Change {
    demand(isDevice(link.body), "malformed", "adding a device");
    const by = this.#signer(link);
    this.#checkNew(link.body);
    this.#checkSigners(e, [by.key, link.body.key]);
    return () => this.#take(link.body, link.seq);
  }

  #judgeRevoke(e: Entry, link: LinkOf<"user.device_revoke">): Change {
    const { device, key } = link.body;
    const by = this.#signer(link);
    found(this.deviceAt(device, this.#seq), "device_unknown", "revoking a device");
    demand(!equal(device, link.key), "not_allowed", "a device revoking itself");
    this.#checkKey(key, this.#without([device]), this.#standing());
    this.#checkSigners(e, [by.key]);
    return () => {
      this.#end([device], link.seq);
      this.#turn(key, link.seq);
    };
  }

  #judgeKey(e: Entry, link: LinkOf<"user.key">): Change {
    const by = this.#signer(link);
    this.#checkKey(link.body, this.#without([]), this.#standing());
    this.#checkSigners(e, [by.key]);
    return () => this.#turn(link.body, link.seq);
  }

  #judgeRecovery(e: Entry, link: LinkOf<"user.recovery">): Change {
    const { stand: [kit, ...more], key } = link.body;
    const by = this.#signer(link);
    demand(more.length === 0, "malformed", "giving recovery keys");
    demand(kit !== undefined || this.#standing() !== undefined, "not_allowed", "ending no recovery key");
    if (kit) this.#checkKit(kit);
    this.#checkKey(key, this.#without([]), kit);
    this.#checkSigners(e, kit ? [by.key, kit.key] : [by.key]);
    return () => {
      this.#endRecovery(link.seq);
      if (kit) this.#recovery.push({ it: kit, since: link.seq, until: undefined });
      this.#turn(key, link.seq);
    };
  }

  #judgeRecover(e: Entry, link: LinkOf<"user.recover">): Change {
    const { add, end, key } = link.body;
    const kit = found(this.#standing(), "device_unknown", "recovering");
    demand(equal(link.key, keyID(kit.key)) && equal(link.user, this.id), "device_unknown", "recovering");
    demand(add.length <= 1 && add.length + end.length > 0 && rising(end), "malformed", "recovering");
    for (const id of end) found(this.deviceAt(id, this.#seq), "device_unknown", "recovering: a device to revoke");
    for (const d of add) this.#checkAdded(d);
    const left = [...this.#without(end), ...add];
    demand(left.length > 0, "not_allowed", "recovering no device");
    this.#checkKey(key, left, undefined);
    const wrapped = add.every((d) => equal(wrapTo(d.key, holders(left), key), d.wrap));
    demand(wrapped, "key_bad", "recovering: the wrap of the device that is added");
    this.#checkSigners(e, [kit.key, ...add.map((d) => d.key)]);
    return () => {
      this.#end(end, link.seq);
      for (const d of add) this.#take(d, link.seq);
      this.#endRecovery(link.seq);
      this.#turn(key, link.seq);
    };
  }

  #judgeReset(e: Entry, link: LinkOf<"user.reset">): Change {
    const { successor, orgSeq, orgHead } = link.body;
    const onward = !isZero(successor) && !equal(successor, this.id) && isZero(link.user);
    demand(onward, "malformed", "resetting a user");
    this.#checkSigners(e, [this.#officer(link.key, orgSeq, orgHead)]);
    return () => {
      this.#end(this.#without([]).map((d) => keyID(d.key)), link.seq);
      this.#endRecovery(link.seq);
      this.#reset = link.seq;
    };
  }

  /** The live device of this user that a link names. */
  #signer(link: Link): Device {
    const device = equal(link.user, this.id) ? this.deviceAt(link.key, this.#seq) : undefined;
    return found(device, "device_unknown", "judging who signs for a user");
  }

  #checkAdded(d: Device): void {
    demand(isDevice(d), "malformed", "adding a device");
    this.#checkNew(d);
  }

  #checkNew(d: Device): void {
    demand(!this.#isUsed(d.key), "duplicate", "adding a device");
    demand(this.#without([]).length < maxDevices, "not_allowed", "adding a device: too many");
  }

  #checkKit(kit: RecoveryKey): void {
    const sound = kit.key.length === 32 && isKey(kit.key) && kit.recipient.length > 0;
    demand(sound, "malformed", "giving a recovery key");
    demand(!this.#isUsed(kit.key), "duplicate", "giving a recovery key");
  }

  #checkKey(key: Key, devices: readonly Device[], kit: RecoveryKey | undefined): void {
    const used = this.#generations.map((g) => g.recipient);
    demand(isNext(key, used, holders(devices, kit)), "key_bad", "renewing a key");
  }

  /** Whether a key was ever a device's or for recovery here. */
  #isUsed(key: Bytes): boolean {
    return [...this.#devices, ...this.#recovery].some((x) => equal(x.it.key, key));
  }

  /** Live devices but these. */
  #without(ended: readonly Bytes[]): Device[] {
    const live = this.#devices.filter((d) => stands(d, this.#seq)).map((d) => d.it);
    return live.filter((d) => !ended.some((id) => equal(id, keyID(d.key))));
  }

  #standing(): RecoveryKey | undefined {
    return this.#recovery.find((r) => r.until === undefined)?.it;
  }

  #take(device: Device, since: bigint): void {
    this.#devices.push({ it: device, since, until: undefined });
  }

  #end(ids: readonly Bytes[], seq: bigint): void {
    for (const d of this.#devices) {
      if (d.until === undefined && ids.some((id) => equal(id, keyID(d.it.key)))) d.until = seq;
    }
  }

  #endRecovery(seq: bigint): void {
    for (const r of this.#recovery) r.until ??= seq;
  }

  #turn(key: Key, since: bigint): void {
    this.#generations.push({ since, recipient: key.recipient });
  }
}

function checkGenesis(link: LinkOf<"user.genesis">, org: Organisation): void {
  const { suite, nonce, recipient, device, replaces } = link.body;
  demand(suite === org.genesis.suite, "suite_bad", "beginning a user");
  const whole = nonce.length === 16 && recipient.length > 0 && equal(link.key, keyID(device.key));
  const fresh = replaces.length === 0 || (replaces.length === 1 && !equal(replaces[0]!.officer, link.key));
  demand(whole && fresh && isDevice(device), "malformed", "beginning a user");
}

function isDevice(d: Device): boolean {
  return isName(d.name, 100) && d.recipient.length > 0 && d.key.length === 32 && isKey(d.key);
}
