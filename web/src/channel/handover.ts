// A change of who records, by two people or the root (channel.md, "Who records").
import { equal, hex, isZero, type Bytes } from "../encoding/bytes.js";
import { sum } from "../encoding/hash.js";
import { signedBy } from "../chain/entry.js";
import { size } from "../chain/link.js";
import { demand, found, Refusal } from "../refusal.js";
import { claimed, openStatement } from "../statement/statement.js";
import { parseOrder, type Order } from "../statement/order.js";
import { beginDuty, endDuty, everRecorded, openDuty, recorders, records } from "./duty.js";
import { headAt, memberOf, newest, remembered, rotate, userOf, type Act, type Change, type LinkAct, type State } from "./state.js";

type HandoverAct = LinkAct<"channel.handover">;
type Handover = Order<"handover">;

export function judgeHandover(s: State, act: HandoverAct): Change {
  const order = parseOrder("handover", act.link.body.order);
  checkOrder(s, act, order);
  checkSuccession(s, order);
  checkSigners(s, act, order);
  return () => handOver(s, order, act.placed.position);
}

function handOver(s: State, { from, to, lost }: Handover, at: bigint): void {
  const before = recorders(s).length;
  if (!isZero(from)) endDuty(s, from, at, lost);
  if (!isZero(to)) beginDuty(s, to, at);
  s.changed = at;
  if (!isZero(to) || recorders(s).length !== before) rotate(s, at, true);
}

function checkOrder(s: State, { placed }: Act, o: Handover): void {
  const what = "handing over";
  demand(equal(o.org, s.directory.org.id) && equal(o.channel, s.id), "wrong_chain", what);
  demand(size(o.reason) <= 200 && !equal(o.from, o.to) && !(o.lost && isZero(o.from)), "malformed", what);
  demand(s.genesis.capture === "required", "capture_bad", what);
  const { position, head } = o.seen;
  const timely = placed.received < o.notAfter && position > 0n && position >= s.changed;
  const near = position <= newest(s) && newest(s) - position < remembered;
  demand(timely && near, "handover_bad", what);
  const known = headAt(s, position);
  demand(known !== undefined && equal(known, head), "handover_bad", "handing over: another head");
}

function checkSuccession(s: State, o: Handover): void {
  const goes = records(s, o.from);
  const writtenOff = isZero(o.to) && o.lost && !goes && everRecorded(s, o.from);
  demand(isZero(o.from) || goes || writtenOff, "not_listed", "handing over: who goes");
  if (!isZero(o.to)) checkSuccessor(s, o.to);
  const n = recorders(s).length - (goes ? 1 : 0) + (isZero(o.to) ? 0 : 1);
  demand(n === 1 || n === 2, "capture_bad", "handing over");
}

function checkSuccessor(s: State, to: Bytes): void {
  demand(!records(s, to), "duplicate", "handing over: who comes");
  found(s.directory.org.listed("recorder", to, s.orgSeq), "not_listed", "handing over: who comes");
  demand(!openDuty(s, to), "handover_bad", "handing over: who comes has yet to cover");
}

/** The root alone changes how many record; two people put one in the place of another. */
function checkSigners(s: State, act: HandoverAct, o: Handover): void {
  const { user, body } = act.link;
  if (isZero(user)) {
    const alone = body.asked.length === 0 && body.askedSeq === 0n && body.userSeq === 0n;
    demand(alone && isZero(body.askedHead) && isZero(body.userHead), "malformed", "handing over by the root");
    demand(s.directory.org.isSignedByRoots(act.entry), "bad_signature", "handing over by the root");
    return;
  }
  const replaces = !isZero(o.from) && !(isZero(o.to) && records(s, o.from));
  demand(replaces, "capture_bad", "handing over by two people");
  const asker = checkAsker(s, act);
  demand(!equal(asker, user), "not_allowed", "handing over by one person");
  checkListed(s, act, "legal", user);
  checkHead(s, user, body.userSeq, body.userHead);
  const device = found(userOf(s, user).deviceAt(act.link.key, body.userSeq), "device_unknown", "handing over");
  demand(signedBy(act.entry, device.key), "bad_signature", "handing over");
}

/** The person for compliance whose approval the link carries. */
function checkAsker(s: State, act: HandoverAct): Bytes {
  const { order, asked, askedSeq, askedHead } = act.link.body;
  const said = claimed("approval", asked);
  const same = equal(said.org, s.directory.org.id) && equal(said.object, sum("order", order));
  demand(same && said.action === "capture.handover", "handover_bad", "handing over: what was approved");
  checkListed(s, act, "compliance", said.user);
  checkHead(s, said.user, askedSeq, askedHead);
  const device = found(userOf(s, said.user).deviceAt(said.device, askedSeq), "device_unknown", "handing over");
  demand(opens(device.key, asked), "bad_signature", "handing over: who asked");
  return said.user;
}

/** Whether this key signed the approval. */
function opens(key: Bytes, asked: Bytes): boolean {
  try {
    openStatement("approval", key, asked);
    return true;
  } catch (err) {
    if (err instanceof Refusal) return false;
    throw err;
  }
}

function checkListed(s: State, { placed }: Act, role: string, user: Bytes): void {
  const party = s.directory.org.listed(role, sum("party", user), s.orgSeq);
  const stands = party !== undefined && (party.notAfter === 0n || party.notAfter > placed.received);
  demand(stands, "not_listed", `handing over: ${role}`);
}

function checkHead(s: State, user: Bytes, seq: bigint, head: Bytes): void {
  const known = userOf(s, user).headAt(seq);
  const newestKnown = (memberOf(s, user)?.seq ?? s.left.get(hex(user)) ?? 0n) <= seq;
  demand(known !== undefined && equal(known, head) && newestKnown, "head_unknown", "handing over");
}
