// The puncturable key tree (vault.md): its frontier, leaf keys, and puncturing.
import { bigEndian, concat, equal, fromBigEndian, utf8, type Bytes } from "../encoding/bytes.js";
import { expand } from "../key/derive.js";
import { demand } from "../refusal.js";

/** A subtree without a punctured leaf. Prefix: the first depth bits of its leaves. */
interface Node {
  readonly depth: number;
  readonly prefix: bigint;
  readonly seed: Bytes;
}

const depth = 40;
const magic = utf8("CKT1");
const headSize = 8;
const nodeSize = 38;
const sides = [utf8("chancery/v1/keytree/left"), utf8("chancery/v1/keytree/right")] as const;

const child = (n: Node, bit: 0 | 1, seed: Bytes): Node => {
  return { depth: n.depth + 1, prefix: (n.prefix << 1n) | BigInt(bit), seed };
};

async function split(n: Node): Promise<[Node, Node]> {
  const [left, right] = await Promise.all([expand(n.seed, sides[0]), expand(n.seed, sides[1])]);
  return [child(n, 0, left), child(n, 1, right)];
}

const first = (n: Node): bigint => n.prefix << BigInt(depth - n.depth);
const end = (n: Node): bigint => (n.prefix + 1n) << BigInt(depth - n.depth);
const holds = (n: Node, leaf: bigint): boolean => first(n) <= leaf && leaf < end(n);

export class KeyTree {
  #frontier: readonly Node[];

  private constructor(frontier: readonly Node[]) {
    this.#frontier = frontier;
  }

  static of(root: Bytes): KeyTree {
    return new KeyTree([{ depth: 0, prefix: 0n, seed: root }]);
  }

  static parse(b: Bytes): KeyTree {
    demand(b.length >= headSize && equal(b.slice(0, 4), magic), "malformed", "reading a key tree: its head");
    const count = Number(fromBigEndian(b.slice(4, headSize)));
    demand(b.length === headSize + nodeSize * count, "malformed", "reading a key tree: its size");
    const nodes = Array.from({ length: count }, (_, i) => parseNode(b.slice(headSize + nodeSize * i)));
    demand(nodes.every((n, i) => i === 0 || follows(nodes[i - 1]!, n)), "malformed", "reading a key tree: its order");
    return new KeyTree(nodes);
  }

  format(): Bytes {
    const nodes = this.#frontier.map((n) => concat(Uint8Array.of(n.depth), bigEndian(n.prefix, 5), n.seed));
    return concat(magic, bigEndian(BigInt(nodes.length), 4), ...nodes);
  }

  /** Key of a leaf, or undefined where it is punctured. */
  async key(leaf: bigint): Promise<Bytes | undefined> {
    let node = this.#frontier.find((n) => holds(n, leaf));
    while (node && node.depth < depth) node = (await split(node)).find((n) => holds(n, leaf));
    return node?.seed;
  }

  /** Forgets a leaf's key for ever. */
  async puncture(leaf: bigint): Promise<void> {
    const parts = await Promise.all(this.#frontier.map((n) => (holds(n, leaf) ? without(n, leaf) : [n])));
    this.#frontier = parts.flat();
  }
}

async function without(n: Node, leaf: bigint): Promise<Node[]> {
  if (n.depth === depth) return [];
  const [left, right] = await split(n);
  return holds(left, leaf) ? [...(await without(left, leaf)), right] : [left, ...(await without(right, leaf))];
}

function parseNode(b: Bytes): Node {
  const node = { depth: b[0]!, prefix: fromBigEndian(b.slice(1, 6)), seed: b.slice(6, nodeSize) };
  const sound = node.depth <= depth && node.prefix < 1n << BigInt(node.depth);
  demand(sound, "malformed", "reading a key tree: depth or prefix");
  return node;
}

/** Whether b may come after a: above it, and not its other half. */
function follows(a: Node, b: Node): boolean {
  const siblings = a.depth === b.depth && a.prefix >> 1n === b.prefix >> 1n;
  return end(a) <= first(b) && !siblings;
}
