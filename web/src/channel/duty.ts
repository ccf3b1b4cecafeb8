// Whose part of a channel is whose to cover (channel.md, "Who records").
import { compare, equal, hex, type Bytes } from "../encoding/bytes.js";
import type { State } from "./state.js";

/** What stands after since and, unless it lasts, up to until. */
export interface Duty {
  readonly recorder: Bytes;
  readonly since: bigint;
  readonly until: bigint | undefined;
}

/** Who records the channel now, sorted. */
export const recorders = (s: State): Bytes[] => s.duties.filter((d) => d.until === undefined).map((d) => d.recorder).sort(compare);

export const records = (s: State, recorder: Bytes): boolean => recorders(s).some((r) => equal(r, recorder));

const covered = (s: State, recorder: Bytes): bigint => s.covered.get(hex(recorder)) ?? 0n;

const isOpen = (s: State, d: Duty): boolean => d.until === undefined || covered(s, d.recorder) < d.until;

/** The duty that a recorder may cover more of. */
export const openDuty = (s: State, recorder: Bytes): Duty | undefined =>
  s.duties.find((d) => equal(d.recorder, recorder) && isOpen(s, d));

export const everRecorded = (s: State, recorder: Bytes): boolean => s.duties.some((d) => equal(d.recorder, recorder));

/** Ends a recorder's duty at a position, and forgets one that is lost. */
export function endDuty(s: State, recorder: Bytes, at: bigint, lost: boolean): void {
  if (lost) s.duties = s.duties.filter((d) => !equal(d.recorder, recorder));
  s.duties = s.duties.map((d) => (equal(d.recorder, recorder) && d.until === undefined ? { ...d, until: at } : d));
}

export function beginDuty(s: State, recorder: Bytes, at: bigint): void {
  s.duties = [...s.duties, { recorder, since: at, until: undefined }];
  s.covered.set(hex(recorder), at);
}
