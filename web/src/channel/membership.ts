// Links that change who is in a channel, in which rank (channel.md): add, remove, role.
import { equal, hex, isZero } from "../encoding/bytes.js";
import { signedBy } from "../chain/entry.js";
import { size } from "../chain/link.js";
import { demand, found } from "../refusal.js";
import { checkDeparture, counts } from "./departure.js";
import { checkMember, isSelf } from "./signer.js";
import { drop, hasOtherOwner, isRank, memberOf, rotate, userOf, type Change, type LinkAct, type State } from "./state.js";

const maxMembers = 2000;

export function judgeAdd(s: State, act: LinkAct<"channel.add">): Change {
  const { user, seq, head, rank, from } = act.link.body;
  const chain = userOf(s, user);
  const known = chain.headAt(seq);
  const forward = seq >= (s.left.get(hex(user)) ?? 0n);
  demand(known !== undefined && equal(known, head) && forward, "head_unknown", "adding a member");
  demand(!memberOf(s, user), "duplicate", "adding a member");
  demand(!chain.hasEnded(seq), "not_allowed", "adding a member whose chain ended");
  demand(isRank(rank), "malformed", "adding a member: rank");
  const closed = s.genesis.access === "direct" && s.epochs.length > 0;
  demand(!closed, "not_allowed", "adding a member to a direct channel");
  checkAdder(s, act);
  const fits = from === BigInt(s.epochs.length) + 1n && s.members.size < maxMembers;
  demand(fits, "not_allowed", "adding a member: history, or too many");
  return () => {
    s.members.set(hex(user), { rank, seq, from });
    rotate(s, act.placed.position, false);
  };
}

function checkAdder(s: State, act: LinkAct<"channel.add">): void {
  const { body, key, user } = act.link;
  if (s.genesis.access === "public" && isSelf(act) && body.rank === "member") {
    const device = found(userOf(s, user).deviceAt(key, body.seq), "device_unknown", "joining");
    return demand(signedBy(act.entry, device.key), "bad_signature", "joining");
  }
  const { rank } = checkMember(s, act);
  const may = rank === "owner" || (rank === "moderator" && body.rank === "member");
  demand(may, "not_allowed", "adding a member");
}

export function judgeRemove(s: State, act: LinkAct<"channel.remove">): Change {
  const { user, reason } = act.link.body;
  const target = found(memberOf(s, user), "not_member", "removing a member");
  demand(size(reason) <= 64, "malformed", "removing a member: reason");
  const departs = isZero(act.link.user);
  if (departs) checkDeparture(s, act);
  else checkRemover(s, act);
  return () => {
    drop(s, user, target.seq);
    if (departs) s.departures = [...s.departures.filter((t) => counts(t, act.placed.received)), act.placed.received];
    rotate(s, act.placed.position, true);
  };
}

function checkRemover(s: State, act: LinkAct<"channel.remove">): void {
  const by = checkMember(s, act);
  const target = found(memberOf(s, act.link.body.user), "not_member", "removing a member");
  demand(s.genesis.access !== "direct", "not_allowed", "removing from a direct channel");
  const last = target.rank === "owner" && !hasOtherOwner(s, act.link.body.user);
  demand(!last, "not_allowed", "removing the last owner");
  const may = isSelf(act) || by.rank === "owner" || (by.rank === "moderator" && target.rank === "member");
  demand(may, "not_allowed", "removing a member");
}

export function judgeRole(s: State, act: LinkAct<"channel.role">): Change {
  const { user, rank } = act.link.body;
  const by = checkMember(s, act);
  const target = found(memberOf(s, user), "not_member", "giving a rank");
  demand(by.rank === "owner" && s.genesis.access !== "direct", "not_allowed", "giving a rank");
  const last = target.rank === "owner" && rank !== "owner" && !hasOtherOwner(s, user);
  demand(!last, "not_allowed", "giving the last owner another rank");
  demand(isRank(rank), "malformed", "giving a rank");
  return () => s.members.set(hex(user), { ...target, rank });
}
