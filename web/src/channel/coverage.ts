// A recorder's word that it opened what stands in a range (channel.md, "Coverage").
import { equal, hex } from "../encoding/bytes.js";
import { demand } from "../refusal.js";
import { parseCoverage, type Coverage } from "./capture.js";
import { openDuty } from "./duty.js";
import { checkRecorder } from "./epoch.js";
import { headAt, newest, remembered, type Act, type Change, type State } from "./state.js";

export function judgeCoverage(s: State, act: Act): Change {
  const c = parseCoverage(act.entry.header);
  const duty = openDuty(s, c.recorder);
  checkRecorder(s, act, c, duty !== undefined);
  const within = c.to < act.placed.position && c.to <= (duty?.until ?? c.to);
  const continues = c.from === (s.covered.get(hex(c.recorder)) ?? 0n) + 1n && within;
  demand(continues && isHeadThere(s, c), "coverage_bad", "covering messages");
  return () => s.covered.set(hex(c.recorder), c.to);
}

/** Further back nobody judges it, for validators remember differently there. */
function isHeadThere(s: State, { to, headTo }: Coverage): boolean {
  if (newest(s) - to >= remembered) return true;
  const head = headAt(s, to);
  return head !== undefined && equal(head, headTo);
}
