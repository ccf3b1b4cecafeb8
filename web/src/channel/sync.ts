// A link by which the channel learns a newer head of the organisation or of a member (channel.md).
import { equal, hex, isZero, type Bytes } from "../encoding/bytes.js";
import { demand, found } from "../refusal.js";
import { checkListed, checkMember } from "./signer.js";
import { drop, memberOf, rotate, userOf, type Change, type LinkAct, type State } from "./state.js";

export function judgeSync(s: State, act: LinkAct<"channel.sync">): Change {
  const { user, body } = act.link;
  if (isZero(user)) checkListed(s, act, "receipt");
  else checkMember(s, act, equal(user, body.chain) ? body.seq : undefined);
  return equal(body.chain, s.directory.org.id) ? syncOrg(s, act) : syncUser(s, act);
}

function syncOrg(s: State, { link: { body } }: LinkAct<"channel.sync">): Change {
  checkNewer(s.directory.org.headAt(body.seq), s.orgSeq, body);
  return () => {
    s.orgSeq = body.seq;
  };
}

function syncUser(s: State, { link: { body }, placed }: LinkAct<"channel.sync">): Change {
  const member = found(memberOf(s, body.chain), "not_member", "syncing a user");
  const user = userOf(s, body.chain);
  checkNewer(user.headAt(body.seq), member.seq, body);
  return () => {
    if (user.restricts(member.seq, body.seq)) rotate(s, placed.position, true);
    if (user.hasEnded(body.seq)) drop(s, body.chain, body.seq);
    else s.members.set(hex(body.chain), { ...member, seq: body.seq });
  };
}

function checkNewer(head: Bytes | undefined, known: bigint, body: { readonly seq: bigint; readonly head: Bytes }): void {
  const newer = body.seq > known && head !== undefined && equal(head, body.head);
  demand(newer, "head_unknown", "syncing a chain");
}
