import { equal } from "node:assert/strict";
import { parseEntry, parsePlaced, type Entry } from "../../src/chain/entry.js";
import { parseLink } from "../../src/chain/link.js";
import { Organisation } from "../../src/chain/org.js";
import { User } from "../../src/chain/user.js";
import { Channel } from "../../src/channel/channel.js";
import { membersRoot, wrapsRoot, type Recipient } from "../../src/channel/recipient.js";
import { hex, isZero, unhex, type Bytes } from "../../src/encoding/bytes.js";
import type { Case, Reader, Readers } from "./case.js";

/** The chains and the channel that an entry is judged after. */
class World {
  readonly org: Organisation;
  readonly users: Map<string, User>;
  channel: Channel | undefined;

  constructor(org: Organisation, users: Iterable<readonly [string, User]> = []) {
    this.org = org;
    this.users = new Map(users);
  }

  /** Takes links, all of which are good. */
  follow(org: readonly Bytes[], c: Case): void {
    for (const b of org) this.org.follow(parseEntry(b));
    for (const chain of c.list("users")) (chain as string[]).forEach((b) => this.#user(parseEntry(unhex(b))));
  }

  place(b: Bytes): void {
    const placed = parsePlaced(b);
    if (this.channel) this.channel.apply(placed);
    else this.channel = new Channel(this, placed);
  }

  #user(e: Entry): void {
    const { chain } = parseLink(e);
    if (!isZero(chain)) return this.users.get(hex(chain))!.follow(e);
    const user = new User(e, this.org);
    this.users.set(hex(user.id), user);
  }
}

/** The chains of a world, without its channel. */
function found(base: Case): World {
  const [genesis, ...rest] = base.byteList("org");
  const world = new World(new Organisation(parseEntry(genesis!)));
  world.follow(rest, base);
  return world;
}

const founded = new Map<string, World>();

/** Chains that are built once, for cases that don't go on with them. */
function shared(base: Case): World {
  const world = founded.get(base.name) ?? found(base);
  founded.set(base.name, world);
  return new World(world.org, world.users);
}

/** What a case stands on: its world, and what it has beyond it. */
function stand(base: Case, c: Case): World {
  const more = c.has("org") || c.has("users") || c.kind.endsWith(".link");
  const world = more ? found(base) : shared(base);
  world.follow(c.byteList("org"), c);
  for (const b of [...base.byteList("placed"), ...c.byteList("placed")]) world.place(b);
  return world;
}

/** Every world is good. */
export const worlds: Readers = {
  "": (c) => {
    const world = found(c);
    for (const b of c.byteList("placed")) world.place(b);
  },
};

type Judge = (w: World, entry: Bytes, alice: string) => unknown;

const judges: Readonly<Record<string, Judge>> = {
  "org.genesis": (_, b) => new Organisation(parseEntry(b)),
  "org.link": (w, b) => w.org.follow(parseEntry(b)),
  "user.genesis": (w, b) => new User(parseEntry(b), w.org),
  "user.link": (w, b, alice) => w.users.get(alice)!.follow(parseEntry(b)),
  "channel.genesis": (w, b) => w.place(b),
  channel: (w, b) => w.place(b),
};

/** Readers of cases that stand on these worlds. */
export function chains(bases: readonly Case[]): Readers {
  const named = new Map(bases.map((b) => [b.name, b]));
  const reader = (judge: Judge): Reader => (c) => {
    const base = named.get(c.text("world"))!;
    const world = stand(base, c);
    for (const user of c.list("without")) world.users.delete(String(user));
    judge(world, c.bytes("entry"), alice(named, base));
  };
  return Object.fromEntries(Object.entries(judges).map(([kind, judge]) => [kind, reader(judge)]));
}

/** Who made the settled world's channel. */
function alice(named: ReadonlyMap<string, Case>, base: Case): string {
  const settled = named.get(base.name.replace("founded", "settled"))!;
  return hex(parseLink(parsePlaced(settled.byteList("placed")[0]!).entry).user);
}

function recipient(c: Case): Recipient & { wrap: Bytes } {
  const kind = BigInt(c.number("kind"));
  const generation = BigInt(c.number("generation"));
  return { kind, id: c.bytes("id"), generation, public: c.bytes("public"), wrap: c.bytes("wrap") };
}

export const roots: Readers = {
  "epoch roots": (c) => {
    const all = c.cases("recipients").map(recipient);
    equal(hex(membersRoot(all)), c.text("members_root"));
    equal(hex(wrapsRoot(all)), c.text("wraps_root"));
  },
};
