/** Why something is refused: the reason codes of docs/formats. */
export type Reason =
  | "malformed" | "bad_key" | "bad_signature" | "suite_bad"
  // Chains: chains.md and channel.md.
  | "wrong_chain" | "broken_link" | "broken_order" | "duplicate" | "not_listed" | "head_unknown" | "device_unknown"
  | "not_member" | "not_allowed" | "capture_bad" | "key_bad" | "epoch_bad" | "restore_bad" | "handover_bad" | "coverage_bad"
  | "epoch_none" | "rotation_due" | "epoch_not_current" | "epoch_expired" | "counter_bad" | "seen_bad"
  // Opening: messages.md and wraps.md.
  | "bad_format" | "wrong_context" | "wrong_salt" | "bad_commit" | "undecryptable" | "bad_wrap" | "bad_file"
  // Taking a device in: approval.md.
  | "bad_commitment"
  // Recovery: recovery.md.
  | "bad_kit"
  // The log: log.md.
  | "bad_proof" | "bad_tile" | "bad_checkpoint"
  // Archives: archive.md.
  | "bad_document" | "bad_openings";

export class Refusal extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, what: string) {
    super(`${what}: ${reason}`);
    this.name = "Refusal";
    this.reason = reason;
  }
}

/** Throws a Refusal unless the condition holds. */
export function demand(holds: boolean, reason: Reason, what: string): asserts holds {
  if (!holds) throw new Refusal(reason, what);
}

/** The value, or a Refusal where there is none. */
export function found<T>(value: T | undefined, reason: Reason, what: string): T {
  if (value === undefined) throw new Refusal(reason, what);
  return value;
}
