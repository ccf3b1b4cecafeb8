// The organisation's chain (chains.md): roots, and who is listed in which role.
import { compare, equal, hex, isZero, type Bytes } from "../encoding/bytes.js";
import { chainID, recipientID, sum } from "../encoding/hash.js";
import { isKey, keyID } from "../key/key.js";
import { demand, found, Refusal } from "../refusal.js";
import { countSigners, entryHash, type Entry } from "./entry.js";
import { checkFollows, parseBody, parseLink, parseWhole, size, type Body, type Link, type Party } from "./link.js";

interface Listing {
  readonly party: Party;
  readonly id: Bytes;
  readonly since: bigint;
  until: bigint | undefined;
}

type Genesis = Body<"org.genesis">;

const isWord = (word: string, ...words: string[]): boolean => words.includes(word);

export class Organisation {
  readonly id: Bytes;
  readonly genesis: Genesis;
  readonly #heads: Bytes[] = [];
  readonly #listings: Listing[] = [];

  /** Begins an organisation with its genesis link. */
  constructor(e: Entry) {
    const link = parseWhole(e);
    demand(link.type === "org.genesis" && link.seq === 0n && isZero(link.org), "malformed", "founding an organisation");
    checkGenesis(link.body);
    const all = countSigners(e, link.body.roots) === link.body.roots.length;
    demand(all, "bad_signature", "founding an organisation");
    this.id = chainID(e.header);
    this.genesis = link.body;
    this.#heads.push(entryHash(e));
  }

  /** Adds the next link, or refuses it and changes nothing. */
  follow(e: Entry): void {
    const link = parseLink(e);
    checkFollows(link, this.id, this.id, this.#heads);
    demand(this.isSignedByRoots(e), "bad_signature", "following the organisation");
    this.#apply(parseBody(link));
    this.#heads.push(entryHash(e));
  }

  /** Whether at least threshold roots signed, and nobody else. */
  isSignedByRoots(e: Entry): boolean {
    return BigInt(countSigners(e, this.genesis.roots)) >= this.genesis.threshold;
  }

  headAt(seq: bigint): Bytes | undefined {
    return this.#heads[Number(seq)];
  }

  /** The party that was listed in this role, by this party id, at link seq. */
  listed(role: string, id: Bytes, seq: bigint): Party | undefined {
    const stands = (l: Listing) => l.since <= seq && (l.until === undefined || l.until > seq);
    return this.#listings.find((l) => l.party.role === role && equal(l.id, id) && stands(l))?.party;
  }

  #apply(link: Link): void {
    switch (link.type) {
      case "org.list": return this.#list(link.body, link.seq);
      case "org.delist": return this.#delist(link.body, link.seq);
      case "org.restore": return checkRestore(link.body);
      default: throw new Refusal("malformed", `following the organisation: ${link.type}`);
    }
  }

  #list(party: Party, seq: bigint): void {
    checkParty(party, this.genesis.suite);
    const id = partyID(party);
    demand(!this.#standing(party.role, id), "duplicate", `listing ${hex(id)}`);
    this.#listings.push({ party, id, since: seq, until: undefined });
  }

  #delist(body: Body<"org.delist">, seq: bigint): void {
    const listing = found(this.#standing(body.role, body.party), "not_listed", `delisting ${hex(body.party)}`);
    listing.until = seq;
  }

  #standing(role: string, id: Bytes): Listing | undefined {
    return this.#listings.find((l) => l.party.role === role && equal(l.id, id) && l.until === undefined);
  }
}

function checkRestore(b: Body<"org.restore">): void {
  demand(b.newSize > 0n && b.newSize < b.oldSize && b.oldSize < 1n << 63n, "restore_bad", "restoring the log");
  demand(isName(b.reason, 500), "malformed", "restoring the log: its reason");
}

function checkGenesis(g: Genesis): void {
  demand(isWord(g.suite, "age", "fips"), "suite_bad", "founding an organisation");
  demand(isWord(g.capture, "off", "required"), "malformed", "founding an organisation: capture");
  const roots = g.roots.length;
  const some = g.threshold >= 1n && g.threshold <= BigInt(roots) && roots <= 16;
  demand(some && g.nonce.length === 16 && isName(g.name, 200), "malformed", "founding an organisation: roots, nonce or name");
  const sound = g.roots.every((r) => r.length === 32 && isKey(r));
  demand(sound && areSorted(g.roots), "malformed", "founding an organisation: roots");
}

const areSorted = (keys: readonly Bytes[]): boolean =>
  keys.every((k, i) => i === 0 || compare(keyID(keys[i - 1]!), keyID(k)) < 0);

export const isName = (name: string, most: number): boolean => size(name) >= 1 && size(name) <= most;

type Field = "key" | "recipient" | "user";

/** What a party of a role must have; it has nothing else. */
const needs: Readonly<Record<string, readonly Field[]>> = {
  recorder: ["key", "recipient"],
  auditor: ["recipient"],
  custodian: ["recipient"],
  signer: ["key"],
  receipt: ["key"],
  removal: ["key"],
  officer: ["key"],
  witness: ["key"],
  compliance: ["user"],
  legal: ["user"],
};

function checkParty(p: Party, suite: string): void {
  const need = Object.hasOwn(needs, p.role) ? needs[p.role] : undefined;
  demand(need !== undefined && isName(p.name, 200), "malformed", "listing a party: its role or name");
  const has = { key: p.key.length > 0, recipient: p.recipient.length > 0, user: !isZero(p.user) };
  const exact = (Object.keys(has) as Field[]).every((f) => has[f] === need.includes(f));
  demand(exact, "malformed", `listing a party as ${p.role}: what it must have`);
  if (has.key) checkKey(p, suite);
}

function checkKey(p: Party, suite: string): void {
  demand(isKey(p.key), "malformed", "listing a party: its key");
  const right = p.key.length === (p.role === "signer" && suite === "fips" ? 97 : 32);
  demand(right, p.role === "signer" ? "suite_bad" : "malformed", "listing a party: its key's algorithm");
}

export function partyID(p: Party): Bytes {
  if (p.key.length > 0) return keyID(p.key);
  return isZero(p.user) ? recipientID(p.recipient) : sum("party", p.user);
}
