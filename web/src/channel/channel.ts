// The validator of one channel (channel.md), from its genesis on.
import { equal } from "../encoding/bytes.js";
import { entryHash, kinds, type Placed } from "../chain/entry.js";
import { checkFollows, parseBody, parseLink, parseWhole, type LinkOf, type Type } from "../chain/link.js";
import { demand, found, Refusal } from "../refusal.js";
import { judgeCoverage } from "./coverage.js";
import { judgeAcknowledgement, judgeEpoch } from "./epoch.js";
import { begin } from "./genesis.js";
import { judgeHandover } from "./handover.js";
import { judgeAdd, judgeRemove, judgeRole } from "./membership.js";
import { judgeMessage } from "./message.js";
import { judgeRestore } from "./restore.js";
import { headAfter, newest, type Act, type Change, type Directory, type State } from "./state.js";
import { judgeSync } from "./sync.js";

export class Channel {
  readonly #state: State;

  /** Begins a channel with its first entry. */
  constructor(directory: Directory, first: Placed) {
    const act = actOf(first);
    this.#state = begin(directory, { ...act, link: parseWhole(first.entry) });
  }

  /** What the entries say so far. */
  get state(): Readonly<State> {
    return this.#state;
  }

  /** Adds the next entry whole, or refuses it and changes nothing. */
  apply(placed: Placed): void {
    const s = this.#state;
    const act = actOf(placed);
    const head = found(s.heads.at(-1), "broken_order", "placing an entry");
    const next = placed.position === newest(s) + 1n && placed.received >= s.received;
    demand(next && equal(placed.head, headAfter(head, act)), "broken_order", "placing an entry");
    judge(s, act)();
    s.heads.push(placed.head);
    s.received = placed.received;
  }
}

const actOf = (placed: Placed): Act => {
  return { placed, entry: placed.entry, hash: entryHash(placed.entry, placed.payload) };
};

function judge(s: State, act: Act): Change {
  switch (act.entry.kind) {
    case kinds.link: return judgeLink(s, act);
    case kinds.message: return judgeMessage(s, act);
    case kinds.acknowledgement: return judgeAcknowledgement(s, act);
    case kinds.coverage: return judgeCoverage(s, act);
    default: throw new Refusal("malformed", "judging an entry: its kind");
  }
}

function judgeLink(s: State, act: Act): Change {
  const link = parseLink(act.entry);
  checkFollows(link, s.directory.org.id, s.id, s.links);
  const change = judgeType(s, act, parseBody(link));
  return () => {
    change();
    s.links.push(act.hash);
  };
}

function judgeType(s: State, act: Act, link: LinkOf<Type>): Change {
  switch (link.type) {
    case "channel.add": return judgeAdd(s, { ...act, link });
    case "channel.remove": return judgeRemove(s, { ...act, link });
    case "channel.role": return judgeRole(s, { ...act, link });
    case "channel.sync": return judgeSync(s, { ...act, link });
    case "channel.epoch": return judgeEpoch(s, { ...act, link });
    case "channel.restore": return judgeRestore(s, { ...act, link });
    case "channel.handover": return judgeHandover(s, { ...act, link });
    default: throw new Refusal("malformed", `judging a link: ${link.type}`);
  }
}
