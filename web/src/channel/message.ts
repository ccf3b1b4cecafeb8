// Whether a message may stand where it stands (channel.md, "Message").
import { equal, hex, zero } from "../encoding/bytes.js";
import { signedBy } from "../chain/entry.js";
import { parseMessageHeader, sameEpoch, type Header } from "../message/header.js";
import { demand, found, Refusal } from "../refusal.js";
import { isAnswered } from "./rotation.js";
import { deviceOf, headAt, newest, remembered, type Act, type Change, type State } from "./state.js";

export function judgeMessage(s: State, act: Act): Change {
  const h = parseMessageHeader(act.entry.header);
  const here = equal(h.org, s.directory.org.id) && equal(h.channel, s.id);
  demand(here, "wrong_chain", "judging a message");
  const device = deviceOf(s, h.user, h.device);
  demand(signedBy(act.entry, device.key, act.placed.payload), "bad_signature", "judging a message");
  checkSendable(s, h, act.placed.received);
  checkCounter(s, h);
  checkSeen(s, h);
  return () => s.devices.set(hex(h.device), { seq: h.deviceSeq, entry: act.hash });
}

function checkSendable(s: State, h: Header, received: bigint): void {
  const { current } = s;
  if (!current) throw new Refusal("epoch_none", "judging a message");
  const answered = isAnswered(s.due, s.epochs.at(-1) ?? current, current);
  demand(answered, "rotation_due", "judging a message");
  demand(sameEpoch(h, current.n, current.link), "epoch_not_current", "judging a message");
  demand(received < current.notAfter, "epoch_expired", "judging a message");
}

function checkCounter(s: State, h: Header): void {
  const last = s.devices.get(hex(h.device)) ?? { seq: 0n, entry: zero() };
  const gap = h.deviceSeq - last.seq - 1n;
  const listed = gap === BigInt(h.void.length) && h.void.every((n, i) => n === last.seq + 1n + BigInt(i));
  demand(equal(h.devicePrev, last.entry) && listed, "counter_bad", "judging a message");
}

function checkSeen(s: State, { seen }: Header): void {
  const near = seen.position >= 1n && seen.position <= newest(s) && newest(s) - seen.position < remembered;
  const head = found(near ? headAt(s, seen.position) : undefined, "seen_bad", "judging a message");
  demand(equal(head, seen.hash), "seen_bad", "judging a message");
}
