// Who may sign a link of a channel (channel.md, "Links").
import { equal } from "../encoding/bytes.js";
import { signedBy } from "../chain/entry.js";
import { demand, found } from "../refusal.js";
import { deviceOf, memberOf, type LinkAct, type Member, type State } from "./state.js";

/** The member who signed; by a device that is live at the known link of the user's chain, or at the given one. */
export function checkMember(s: State, { entry, link }: LinkAct, seq?: bigint): Member {
  const member = found(memberOf(s, link.user), "not_member", "judging who signs");
  const device = deviceOf(s, link.user, link.key, seq);
  demand(signedBy(entry, device.key), "bad_signature", "judging who signs");
  return member;
}

/** A key that the organisation lists in this role signed, and no other. */
export function checkListed(s: State, { entry, link }: LinkAct, role: string): void {
  const party = found(s.directory.org.listed(role, link.key, s.orgSeq), "not_listed", "judging who signs");
  demand(signedBy(entry, party.key), "bad_signature", "judging who signs");
}

export const isSelf = ({ link }: LinkAct<"channel.add" | "channel.remove">): boolean => equal(link.user, link.body.user);
