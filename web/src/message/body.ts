// What a message says, sealed (messages.md).
import type { Bytes } from "../encoding/bytes.js";
import { id, list, parse, record, text, uint, format } from "../encoding/shape.js";
import { size } from "../chain/link.js";
import { demand } from "../refusal.js";

export interface File {
  readonly name: string;
  readonly type: string;
  /** Plain bytes. */
  readonly size: bigint;
  readonly key: Bytes;
}

export interface Body {
  readonly text: string;
  readonly files: readonly File[];
}

const bodyShape = record<Body>({
  text,
  files: list(record<File>({ name: text, type: text, size: uint, key: id })),
});

const maxText = 65536;

export function parseBody(b: Bytes, attachments: number): Body {
  const body = parse(bodyShape, b);
  const fits = size(body.text) <= maxText && body.files.length === attachments;
  demand(fits, "malformed", "reading a body: a long text, or not its attachments");
  return body;
}

export const formatBody = (body: Body): Bytes => format(bodyShape, body);
