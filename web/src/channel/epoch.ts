// Epochs of a channel, and recorders' acknowledgements of them (channel.md).
import { compare, equal, hex, unhex, zero, type Bytes } from "../encoding/bytes.js";
import { signedBy } from "../chain/entry.js";
import type { Party } from "../chain/link.js";
import { demand, found } from "../refusal.js";
import { parseAcknowledgement, type Acknowledgement, type Coverage } from "./capture.js";
import { recorders, records } from "./duty.js";
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
  const by = new Set(recorders(s).map(hex));
  const epoch: Epoch = { n, position, link: act.hash, commit, notAfter, recorders: by, awaited: new Set(by) };
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
  const recording = recorders(s).map((id) => ({ kind: 2n, id, generation: 0n, public: recorderOf(s, id).recipient }));
  return [...members, ...recording];
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

function recorderOf(s: State, id: Bytes): Party {
  return found(s.directory.org.listed("recorder", id, s.orgSeq), "not_listed", "looking up a recorder");
}

/** What a recorder says is about this channel, and the recorder's own; on duty says whether it may speak at all. */
export function checkRecorder(s: State, { entry }: Act, said: Acknowledgement | Coverage, onDuty: boolean): void {
  const here = equal(said.org, s.directory.org.id) && equal(said.channel, s.id);
  demand(here, "wrong_chain", "hearing a recorder");
  demand(onDuty, "not_listed", "hearing a recorder");
  const { key } = recorderOf(s, said.recorder);
  demand(signedBy(entry, key), "bad_signature", "hearing a recorder");
}

export function judgeAcknowledgement(s: State, act: Act): Change {
  const a = parseAcknowledgement(act.entry.header);
  checkRecorder(s, act, a, records(s, a.recorder));
  const same = (e: Epoch) => e.n === a.n && equal(e.link, a.epochLink) && equal(e.commit, a.commit);
  const epoch = found(s.epochs.find(same), "epoch_bad", "acknowledging an epoch");
  demand(epoch.recorders.has(hex(a.recorder)), "epoch_bad", "acknowledging an epoch that it was not given");
  demand(epoch.awaited.has(hex(a.recorder)), "duplicate", "acknowledging an epoch");
  return () => {
    epoch.awaited.delete(hex(a.recorder));
    promote(s, epoch);
  };
}
