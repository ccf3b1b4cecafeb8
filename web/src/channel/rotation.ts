// When a new epoch is due, and whether messages wait for it (channel.md, "When an epoch is current").

export interface Rotation {
  readonly position: bigint;
  /** Whether nothing is taken until an epoch placed after it is current. */
  readonly restricts: boolean;
}

interface Placed {
  readonly position: bigint;
}

/** The rotation that replaces one before it: it restricts as well where the one before still does. */
export function newer(before: Rotation | undefined, next: Rotation, current: Placed | undefined): Rotation {
  const still = before?.restricts === true && !(current && current.position > before.position);
  return { position: next.position, restricts: next.restricts || still };
}

/** Whether messages may be sealed in the current epoch although a rotation was due. */
export function isAnswered(due: Rotation | undefined, newest: Placed, current: Placed): boolean {
  if (!due) return true;
  return newest.position > due.position && (!due.restricts || current.position > due.position);
}
