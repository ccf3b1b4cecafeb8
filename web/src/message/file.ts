// Sealed files (messages.md): chunks of 65,536 plain bytes, and the root over the sealed ones.
import { concat, equal, type Bytes } from "../encoding/bytes.js";
import { frame } from "../encoding/hash.js";
import { openBox, sealedOverhead } from "../key/derive.js";
import { rootOf } from "../log/tree.js";
import { demand, found } from "../refusal.js";

const chunkSize = 65_536n + BigInt(sealedOverhead);
const maxChunks = (10n << 30n) / 65_536n;

export interface Layout {
  readonly chunks: bigint;
  /** Sealed bytes of the last chunk. */
  readonly tail: bigint;
}

/** How a sealed file of this size is cut; bad_file if none has that size. */
export function layout(size: bigint): Layout {
  const chunks = (size + chunkSize - 1n) / chunkSize;
  demand(chunks >= 1n && chunks <= maxChunks, "bad_file", "laying out a file: its size");
  const tail = size - (chunks - 1n) * chunkSize;
  const least = BigInt(sealedOverhead);
  demand(tail > least || (tail === least && chunks === 1n), "bad_file", "laying out a file: an empty chunk");
  return { chunks, tail };
}

/** What a message's header says of a file. */
export interface Named {
  readonly id: Bytes;
  readonly size: bigint;
  readonly root: Bytes;
}

/** The plain bytes of a sealed file, whole; else bad_file. */
export async function openFile(named: Named, key: Bytes, sealed: Bytes): Promise<Bytes> {
  const { chunks } = layout(named.size);
  demand(BigInt(sealed.length) === named.size, "bad_file", "opening a file: its length");
  const parts = cut(sealed);
  demand(equal(rootOf(parts), named.root), "bad_file", "opening a file: its root");
  const plain = parts.map((part, i) => openBox(key, part, frame("chunk", named.id, BigInt(i), BigInt(i) === chunks - 1n)));
  return concat(...(await Promise.all(plain)).map((part) => found(part, "bad_file", "opening a file: a chunk")));
}

function cut(sealed: Bytes): Bytes[] {
  const size = Number(chunkSize);
  return Array.from({ length: Math.ceil(sealed.length / size) }, (_, i) => sealed.slice(i * size, (i + 1) * size));
}
