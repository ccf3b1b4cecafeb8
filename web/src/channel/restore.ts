// The roots' word that a channel goes on from an older position (channel.md).
import { equal } from "../encoding/bytes.js";
import { size } from "../chain/link.js";
import { demand } from "../refusal.js";
import { headAt, newest, rotate, type Change, type LinkAct, type State } from "./state.js";

export function judgeRestore(s: State, { entry, link, placed }: LinkAct<"channel.restore">): Change {
  const { oldPosition, newPosition, newHead, reason } = link.body;
  const back = newPosition === newest(s) && oldPosition >= newPosition;
  demand(back && size(reason) <= 200, "restore_bad", "restoring a channel");
  const head = headAt(s, newPosition);
  demand(head === undefined || equal(head, newHead), "restore_bad", "restoring a channel: another head");
  demand(s.directory.org.isSignedByRoots(entry), "bad_signature", "restoring a channel");
  return () => rotate(s, placed.position, true);
}
