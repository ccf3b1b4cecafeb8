// What recorders say in a channel (channel.md): acknowledgements and coverage.
import { type Bytes } from "../encoding/bytes.js";
import { frame } from "../encoding/hash.js";
import { id, int, list, parse, record, text, uint } from "../encoding/shape.js";
import { rootOf } from "../log/tree.js";
import { demand } from "../refusal.js";

export interface Acknowledgement {
  readonly version: bigint;
  readonly org: Bytes;
  readonly channel: Bytes;
  readonly n: bigint;
  readonly epochLink: Bytes;
  readonly commit: Bytes;
  readonly recorder: Bytes;
  readonly time: bigint;
}

export interface Exception {
  readonly position: bigint;
  readonly code: string;
}

export interface Coverage {
  readonly version: bigint;
  readonly org: Bytes;
  readonly channel: Bytes;
  readonly from: bigint;
  readonly to: bigint;
  readonly headTo: Bytes;
  readonly root: Bytes;
  readonly exceptions: readonly Exception[];
  readonly recorder: Bytes;
  readonly time: bigint;
}

const acknowledgementShape = record<Acknowledgement>({
  version: uint, org: id, channel: id, n: uint, epochLink: id, commit: id, recorder: id, time: int,
});

const exception = record<Exception>({ position: uint, code: text });

const coverageShape = record<Coverage>({
  version: uint, org: id, channel: id, from: uint, to: uint, headTo: id, root: id, exceptions: list(exception),
  recorder: id, time: int,
});

export function parseAcknowledgement(b: Bytes): Acknowledgement {
  const a = parse(acknowledgementShape, b);
  demand(a.version === 1n, "malformed", "reading an acknowledgement: its version");
  return a;
}

export function parseCoverage(b: Bytes): Coverage {
  const c = parse(coverageShape, b);
  demand(c.version === 1n && c.from >= 1n && c.from <= c.to, "malformed", "reading coverage: its version or range");
  demand(areExceptions(c), "malformed", "reading coverage: its exceptions");
  return c;
}

const codes: readonly string[] = ["bad_commit", "undecryptable", "malformed"];

function areExceptions({ exceptions, from, to }: Coverage): boolean {
  return exceptions.every((e, i) => {
    const above = i === 0 ? from : exceptions[i - 1]!.position + 1n;
    return codes.includes(e.code) && e.position >= above && e.position <= to;
  });
}

/** A message that a recorder opened; cov shows that it did. */
export interface Covered {
  readonly position: bigint;
  readonly entry: Bytes;
  readonly cov: Bytes;
}

export const coverLeaf = (c: Covered): Bytes => frame("cover-leaf", c.position, c.entry, c.cov);

/** The root that coverage names, over every message in its range that is not excepted, by position. */
export const coverRoot = (messages: readonly Covered[]): Bytes => rootOf(messages.map(coverLeaf));
