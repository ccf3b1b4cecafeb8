// Epochs of a channel, and recorders' acknowledgements of them (channel.md).
import { compare, equal, hex, unhex, zero, type Bytes } from "../encoding/bytes.js";
import { signedBy } from "../chain/entry.js";
import type { Party } from "../chain/link.js";
import { demand, found } from "../refusal.js";
import { parseAcknowledgement, type Acknowledgement, type Coverage } from "./capture.js";
import { membersRoot, type Recipient } from "./recipient.js";
import { checkMember } from "./signer.js";
import { promote, userOf, type Act, type Change, type Epoch, type LinkAct, type State } from "./state.js";

const second = 1_000_000n;
const slack = 120n * second;

export function judgeEpoch(s: State, act: LinkAct<"channel.epoch">): Change {
  checkMember(s, act);
  const { n, commit, notAfter } = act.link.body;
  const root = membersRoot(recipients(s));
  demand(isNext(s, act) && equal(act.link.body.members, root) && lasts(s, act), "epoch_bad", "beginning an epoch");
  const { position } = act.placed;
  const epoch: Epoch = { n, position, link: act.hash, commit, notAfter, acknowledged: new Set() };
  return () => {
    s.epochs.push(epoch);
    promote(s, epoch);
  };
}

/** Everyone whom the next epoch must be wrapped to, in the order of its roots. */
export function recipients(s: State): Recipient[] {
  const members = [...s.members].map(([user, { seq }]) => {
    const id = unhex(user);
    return { kind: 1n, id, ...userOf(s, id).keyAt(seq) };
  }).sort((a, b) => compare(a.id, b.id));
  const recorders = s.genesis.recorders.map((id) => ({ kind: 2n, id, generation: 0n, public: recorderOf(s, id).recipient }));
  return [...members, ...recorders];
}

function isNext(s: State, { link }: LinkAct<"channel.epoch">): boolean {
  const last = s.epochs.at(-1);
  const { n, prevCommit, history } = link.body;
  const follows = n === (last?.n ?? 0n) + 1n && equal(prevCommit, last?.commit ?? zero());
  return follows && history === s.genesis.history;
}

function lasts(s: State, { link, placed }: LinkAct<"channel.epoch">): boolean {
  const latest = placed.received + s.genesis.lifetime * second + slack;
  return placed.received < link.body.notAfter && link.body.notAfter <= latest;
}

/** The recorder that the channel names and the organisation lists. */
function recorderOf(s: State, id: Bytes): Party {
  const named = s.genesis.recorders.some((r) => equal(r, id));
  const party = named ? s.directory.org.listed("recorder", id, s.orgSeq) : undefined;
  return found(party, "not_listed", "looking up a recorder");
}

/** What a recorder says is about this channel, and the recorder's own. */
export function checkRecorder(s: State, { entry }: Act, said: Acknowledgement | Coverage): void {
  const here = equal(said.org, s.directory.org.id) && equal(said.channel, s.id);
  demand(here, "wrong_chain", "hearing a recorder");
  const { key } = recorderOf(s, said.recorder);
  demand(signedBy(entry, key), "bad_signature", "hearing a recorder");
}

export function judgeAcknowledgement(s: State, act: Act): Change {
  const a = parseAcknowledgement(act.entry.header);
  checkRecorder(s, act, a);
  const same = (e: Epoch) => e.n === a.n && equal(e.link, a.epochLink) && equal(e.commit, a.commit);
  const epoch = found(s.epochs.find(same), "epoch_bad", "acknowledging an epoch");
  demand(!epoch.acknowledged.has(hex(a.recorder)), "duplicate", "acknowledging an epoch");
  return () => {
    epoch.acknowledged.add(hex(a.recorder));
    promote(s, epoch);
  };
}
