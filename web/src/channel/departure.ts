// Removals by the server's removal keys, and how many there may be in a day (channel.md, "The fuse").
import { equal } from "../encoding/bytes.js";
import { signedBytes, type Signature } from "../chain/entry.js";
import { verify } from "../key/key.js";
import { demand, found } from "../refusal.js";
import { memberOf, type LinkAct, type State } from "./state.js";

const day = 24n * 3600n * 1_000_000n;
const always = 20;

/** Whether a departure still counts at this time: one exactly a day back does not. */
export const counts = (departed: bigint, received: bigint): boolean => received - departed < day;

export function checkDeparture(s: State, act: LinkAct<"channel.remove">): void {
  const takes = needed(s, act);
  const { signatures } = act.entry;
  demand(signatures.length >= takes, "not_allowed", "removing by key: it takes two");
  demand(signatures.length <= takes, "bad_signature", "removing by key: too many signatures");
  for (const sig of signatures) checkKey(s, act, sig);
  const named = signatures.some((sig) => equal(sig.key, act.link.key));
  demand(named, "bad_signature", "removing by key: another than the link names");
}

function checkKey(s: State, act: LinkAct<"channel.remove">, sig: Signature): void {
  const { key } = found(s.directory.org.listed("removal", sig.key, s.orgSeq), "not_listed", "removing by key");
  demand(verify(key, signedBytes(act.entry), sig.bytes), "bad_signature", "removing by key");
}

/** How many keys it takes: two for an owner, and past the fuse. */
function needed(s: State, { link, placed }: LinkAct<"channel.remove">): number {
  const fuse = Math.max(always, Math.floor(s.members.size / 50));
  const departed = s.departures.filter((t) => counts(t, placed.received)).length;
  return memberOf(s, link.body.user)?.rank === "owner" || departed >= fuse ? 2 : 1;
}
