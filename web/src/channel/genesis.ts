// The first entry of a channel (channel.md, "Genesis").
import { equal, hex, rising, type Bytes } from "../encoding/bytes.js";
import { chainID, sum } from "../encoding/hash.js";
import { signedBy } from "../chain/entry.js";
import type { Body, LinkOf } from "../chain/link.js";
import type { Organisation } from "../chain/org.js";
import { demand, found, Refusal } from "../refusal.js";
import { headAfter, type Act, type Directory, type LinkAct, type State } from "./state.js";

type Genesis = Body<"channel.genesis">;

/** The state after a genesis, or a Refusal. */
export function begin(directory: Directory, act: LinkAct): State {
  const link = act.link;
  if (link.type !== "channel.genesis" || link.seq !== 0n) throw new Refusal("malformed", "beginning a channel");
  const { org } = directory;
  demand(equal(link.org, org.id), "wrong_chain", "beginning a channel");
  demand(isHead(org, link.body.orgSeq, link.body.orgHead), "head_unknown", "beginning a channel: the organisation's head");
  checkBody(link.body, org);
  checkSigner(directory, act, link);
  return placeFirst(directory, act, link);
}

const isHead = (chain: { headAt(seq: bigint): Bytes | undefined }, seq: bigint, head: Bytes): boolean => {
  const known = chain.headAt(seq);
  return known !== undefined && equal(known, head);
};

function checkBody(g: Genesis, org: Organisation): void {
  const open = ["public", "private", "direct"].includes(g.access) && g.history === "since_join";
  const lasts = g.lifetime >= 60n && g.lifetime <= 2_592_000n;
  demand(open && lasts && g.nonce.length === 16, "malformed", "beginning a channel: access, history, lifetime or nonce");
  demand(["off", "required"].includes(g.capture), "malformed", "beginning a channel: capture");
  const least = g.capture === "off" ? 0 : 1;
  const most = g.capture === "off" ? 0 : 2;
  const allowed = g.capture === "required" || org.genesis.capture === "off";
  const some = g.recorders.length >= least && g.recorders.length <= most;
  demand(allowed && some, "capture_bad", "beginning a channel");
  demand(rising(g.recorders), "malformed", "beginning a channel: order of recorders");
  for (const r of g.recorders) found(org.listed("recorder", r, g.orgSeq), "not_listed", "beginning a channel");
}

function checkSigner(directory: Directory, { entry }: Act, link: LinkOf<"channel.genesis">): void {
  const user = found(directory.users.get(hex(link.user)), "head_unknown", "beginning a channel: its signer");
  const known = isHead(user, link.body.userSeq, link.body.userHead);
  demand(known, "head_unknown", "beginning a channel: its signer's head");
  const device = found(user.deviceAt(link.key, link.body.userSeq), "device_unknown", "beginning a channel");
  demand(signedBy(entry, device.key), "bad_signature", "beginning a channel");
}

function placeFirst(directory: Directory, act: Act, link: LinkOf<"channel.genesis">): State {
  const id = chainID(act.entry.header);
  const first = sum("head0", id);
  const { position, received, head } = act.placed;
  const placed = position === 1n && received >= 0n && equal(head, headAfter(first, act));
  demand(placed, "broken_order", "beginning a channel");
  const owner = { rank: "owner", seq: link.body.userSeq, from: 1n } as const;
  return {
    directory, id, genesis: link.body, links: [act.hash], heads: [first, head], received, orgSeq: link.body.orgSeq,
    members: new Map([[hex(link.user), owner]]), left: new Map(), devices: new Map(), covered: new Map(), epochs: [],
    duties: link.body.recorders.map((recorder) => ({ recorder, since: 0n, until: undefined })), changed: 0n,
    current: undefined, due: undefined, departures: [],
  };
}
