// Signed words beside a channel (statements.md).
import { equal, type Bytes } from "../encoding/bytes.js";
import { id, parse, record, text, uint, type Read, type Shape } from "../encoding/shape.js";
import { keyID } from "../key/key.js";
import { demand } from "../refusal.js";
import { notice, openStatement } from "./statement.js";

const ref = record({ position: uint, hash: id });

export const bodies = {
  tail: record({ seq: uint, entry: id, seen: ref }),
  alarm: record({ code: text, device: id, number: uint, hash: id }),
  dispute: record({ coverage: ref, recorder: id, position: uint, evidence: id }),
  ruling: record({ coverage: ref, fault: text }),
} as const;

export type NoticeLabel = keyof typeof bodies;
export type NoticeBody<L extends NoticeLabel> = Read<(typeof bodies)[L]>;

const none = (id: Bytes): boolean => id.every((b) => b === 0);

/** Whether what is said can be, by a recorder or by a device. */
const possible: { readonly [L in NoticeLabel]: (b: NoticeBody<L>, recorder: boolean) => boolean } = {
  tail: (b, recorder) => !recorder && b.seq > 0n && b.seen.position > 0n,
  alarm: (b, recorder) => {
    if (b.code === "uncovered") return !recorder && none(b.device) && b.number > 0n;
    return ["tail_dropped", "tail_forked", "tail_missing"].includes(b.code) && recorder && !none(b.device) && b.number > 0n;
  },
  dispute: (b, recorder) => !recorder && b.coverage.position > 0n,
  ruling: (b, recorder) => !recorder && (b.fault === "recorder" || b.fault === "disputer"),
};

/** The notice with this label that the key signed, and what it says. */
export function openNotice<L extends NoticeLabel>(label: L, key: Bytes, b: Bytes): { notice: Read<typeof notice>; body: NoticeBody<L> } {
  const n = openStatement(label, key, b);
  demand(equal(n.key, keyID(key)), "malformed", "opening a notice: it names another key");
  const shape: Shape<unknown> = bodies[label];
  const body = parse(shape, n.body) as NoticeBody<L>;
  demand(possible[label](body, none(n.user)), "malformed", "opening a notice: what nobody may say");
  return { notice: n, body };
}
