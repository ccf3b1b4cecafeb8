"""Verify archives on rungs 1 to 6: written from the pages in this directory, and from nothing else.
usage: python3 verify.py [--chain] ORG DIR...      needs Python 3.11, zstd and openssl
Says of each archive: exit code, the rung that refused (0: none), why. With --chain each must continue those before.
What roots, signers or the log's tree vouch for is not checked for its form; of an Ed25519 key, what openssl checks."""
import base64, collections, functools, hashlib, io, json, pathlib, re, stat, subprocess, sys, tempfile
class Refused(Exception): pass  # why, and the exit code
def need(ok, why, code=3):
    if not ok:
        raise Refused(why, code)
# encoding.md: canonical CBOR and JSON, hashes, trees, signatures
def encode(v):
    major, n, rest = ((4, len(v), b"".join(map(encode, v))) if isinstance(v, list) else
                      (3, len(v.encode()), v.encode()) if isinstance(v, str) else
                      (2, len(v), v) if isinstance(v, bytes) else (1, ~v, b"") if v < 0 else (0, v, b""))
    size = next(s for s in (0, 1, 2, 4, 8) if n < (1 << 8 * s if s else 24))
    return (bytes([major << 5 | 23 + size.bit_length()]) + n.to_bytes(size, "big") if size else bytes([major << 5 | n])) + rest
def decode(b):
    def item(f, depth):
        major, n = divmod(f.read(1)[0], 32)
        n = int.from_bytes(f.read(1 << n - 24), "big") if 24 <= n <= 27 else n
        need(major < 4 or major == 4 and n <= 4096 and depth < 8, "CBOR: too long, too deep, or has no place here")
        return ([item(f, depth + 1) for _ in range(n)] if major == 4 else f.read(n).decode() if major == 3 else
                f.read(n) if major == 2 else ~n if major == 1 else n)
    v = item(io.BytesIO(b), 0)
    need(encode(v) == b, "CBOR is not canonical")
    return v
def to_json(v): return json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
def from_json(b):
    v = json.loads(b, parse_float=str)  # a text is written otherwise
    need(to_json(v) == b, "JSON is not canonical")
    return v
def lines(b):
    need(b[-1:] in b"\n" and all(len(line) < 512 << 10 for line in b.split(b"\n")), "a line is unfinished or too long")
    return [from_json(line) for line in b.split(b"\n")[:-1]]
def to_base64(b): return base64.b64encode(b).decode()
from_base64, unhex = functools.partial(base64.b64decode, validate=True), bytes.fromhex
def sha(b): return hashlib.sha256(b).digest()
def frame(label, *parts): return encode(["chancery/v1/" + label, *parts])
def total(label, *parts): return sha(frame(label, *parts))
def key_id(key): return total("key", 2 if len(key) == 97 else 1, key)
def rising(values): return all(a < b for a, b in zip(values, values[1:]))
def leaf(b): return sha(b"\x00" + b)
def node(a, b): return sha(b"\x01" + a + b)
def below(n): return 1 << (n - 1).bit_length() - 1  # the largest power of two
ZERO, NOTHING = bytes(32), sha(b"")
def root(hashes):
    k = below(len(hashes)) if len(hashes) > 1 else 0
    return node(root(hashes[:k]), root(hashes[k:])) if k else hashes[0] if hashes else NOTHING
def consistent(m, n, old, proof, whole=True):  # roots of sizes m and n by RFC 6962; what is used is taken off the proof
    if m == n:
        return (old, old) if whole else (proof[-1], proof.pop())
    k, sibling = below(n), proof.pop()
    a, b = consistent(m, k, old, proof, whole) if m <= k else consistent(m - k, n - k, old, proof, False)
    return (a, node(b, sibling)) if m <= k else (node(sibling, a), node(sibling, b))
@functools.cache
def signed_by(key, signature, message):  # Ed25519, or ECDSA P-384, whose signatures openssl wants in DER
    prefix, p384 = "302a300506032b6570032100", len(key) == 97
    if p384 and len(signature) == 96 and signature[48] < 128:  # else s is in the upper half, but for one in 2^190
        parts = [(n := int.from_bytes(b, "big")).to_bytes(n.bit_length() // 8 + 1, "big") for b in (signature[:48], signature[48:])]
        signature = bytes([48, 4 + len(b"".join(parts))]) + b"".join(bytes([2, len(part)]) + part for part in parts)
        prefix = "3076301006072a8648ce3d020106052b81040022036200"
    with tempfile.TemporaryDirectory() as d:
        for name, b in ("key", unhex(prefix) + key), ("sig", signature), ("in", message):
            pathlib.Path(d, name).write_bytes(b)
        command = "openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey key -sigfile sig -in in" + " -digest sha384" * p384
        return subprocess.run(command.split(), cwd=d, capture_output=True).returncode == 0
# chains.md, channel.md: entries and the organisation
def entry_hash(entry, payload_hash):
    kind, header, payload, signatures = entry
    need(payload_hash == sha(payload) or kind == 2 and payload == b"" and payload_hash != NOTHING, "an entry's payload")
    return total("entry", kind, sha(header), payload_hash, encode(signatures))
def organisation(entries, trusted):  # its suite; the keys of signers, and of cosigners, at the end of its chain by id
    listed, top, id = {"signer": {}, "recorder": {}, "witness": {}}, ZERO, ZERO
    for n, (kind, header, payload, signatures) in enumerate(entries):
        *link, type, body, _, _, _ = decode(header)
        body = decode(body)
        if n == 0:
            _, suite, keys, threshold, _, _ = body
            roots = {key_id(key): key for key in keys}
        right = type in ("org.list org.delist org.restore org.source org.source_end" if n else "org.genesis").split()
        need(right and [kind, *link] == [1, 1, id, id, n, top], "a link of another type, or out of place")
        signed = all(k in roots and signed_by(roots[k], s, frame("sign", 1, sha(header), NOTHING)) for k, s in signatures)
        need(signed and len(signatures) >= (threshold if n else len(keys)) and rising(signatures), "signatures of roots")
        need(n or total("chain", header) == trusted, "another organisation", 5)
        id, top = trusted, entry_hash([kind, header, payload, signatures], NOTHING)
        if n and body[0] in listed:
            listed[body[0]].update({key_id(body[2]): body[2]}) if type == "org.list" else listed[body[0]].pop(body[1])
    return suite, listed["signer"], listed["recorder"] | listed["witness"]
# archive.md, log.md: envelopes and notes
def dsse(b, signers):  # the payload, which signers signed and nobody else
    v, type = json.loads(b), "application/vnd.in-toto+json"
    payload, signatures = from_base64(v["payload"]), [(unhex(s["keyid"]), from_base64(s["sig"])) for s in v["signatures"]]
    again = {"payloadType": type, "payload": to_base64(payload),
             "signatures": [{"keyid": id.hex(), "sig": to_base64(s)} for id, s in signatures]}
    need(json.dumps(again, separators=(",", ":")).encode() == b and signatures and rising(signatures), "envelope: spelling")
    need(all(id in signers for id, _ in signatures), "signed by somebody who is not listed", 5)
    signed = b"DSSEv1 %d %s %d %s" % (len(type), type.encode(), len(payload), payload)
    need(all(signed_by(signers[id], s, signed) for id, s in signatures), "envelope: signature")
    return payload
def note(b, text, signers, cosigners={}):  # signers signed this text, cosigners perhaps with a time, and nobody else
    origin, kind = text.split("\n")[0], {32: b"\n\x01", 97: b"\n\xffchancery/v1/ecdsa-p384-sha384"}
    names = [(origin, kind[len(key)], key) for key in signers.values()]
    names += [(f"{origin[:-3]}cosigner/{id.hex()}", b"\n\x04", key) for id, key in cosigners.items()]
    marks = {(name, sha(name.encode() + type + key)[:4]): (type, key) for name, type, key in names}
    found = [(name, from_base64(s)) for name, s in re.findall("^— (\\S+) (\\S+)$", b.decode(errors="replace"), re.M)]
    known = [(name, s[:4]) for name, s in found if (name, s[:4]) in marks]
    need(known or not found, "signed by nobody who is listed", 5)
    again = text + "\n" + "".join(f"— {name} {to_base64(s)}\n" for name, s in found)
    need(b == again.encode() and origin in dict(known) and len({*known}) == len(known), "note: another text, spelling, or signers")
    need(len(known) == len(found), "signed by somebody who is not listed", 5)
    need(all(vouched(*marks[name, s[:4]], s[4:], text.encode()) for name, s in found), "note: signature")
def vouched(type, key, s, text):  # a cosignature is over its time too
    timed = b"cosignature/v1\ntime %d\n" % int.from_bytes(s[:8], "big") + text
    return signed_by(key, s[8:], timed) if type == b"\n\x04" else signed_by(key, s, text)
# archive.md, the ladder: a is what is known of an archive, x its archive.json, before the archive before it.
PAIRS = [[f"{kind}-sha{size}.txt" for size in (256, 384)] for kind in ("tagmanifest", "manifest")]
ORG, UNSIGNED = "data/identity/org.jsonl", [*PAIRS[0], "archive.dsse", "archive.note"]
SIGNED = [*PAIRS[1], "bagit.txt", "archive.json", "README.txt", "log/checkpoint", "log/consistency.json",
          *[f"data/identity/{name}.jsonl" for name in ("org", "users", "people")],
          *[f"data/index/{name}" for name in ("channels.jsonl", "history.jsonl.zst", "exceptions.jsonl")]]
OTHERS = re.compile(r"log/tile/\d(/x\d{3})*/\d{3}(\.p/\d+)?|data/(records/\d{6}\.jsonl\.zst|files/[0-9a-f]{32}|"
                    r"policy/[0-9a-f]{64}\.tar\.gz|certs/[0-9a-f]{64}\.dsse|keys/openings\.bin)")
ABOUT = ("build checkpoint counts exceptions files format from holds id marking messages openings order ordinal org "
         "payload_root policies previous schedule segments status suite to withheld").split()
class Archive(dict):  # files by name; what is known of them besides are its attributes
    def __missing__(self, name):
        raise Refused(name + " is missing", 4)
def under(a, prefix): return sorted(n for n in a if n.startswith(prefix))
def unpack(a, name, most=8 << 30):
    with subprocess.Popen(["zstd", "-dcqM16MB", f"{a.directory}/{name}"], stdout=-1, stderr=-3) as p:  # a pipe; nowhere
        plain = p.stdout.read(most + 1)
    need(len(plain) <= most and (p.returncode == 0 or a[name] == b""), name + " does not unpack")
    return plain
def files(a, org, before):
    for path in pathlib.Path(a.directory).rglob("*"):
        mode, n = path.lstat().st_mode, path.relative_to(a.directory).as_posix()
        need(stat.S_ISDIR(mode) or stat.S_ISREG(mode), ascii(n) + " is no plain file")
        a |= {n: path.read_bytes()} if stat.S_ISREG(mode) else {}
    listed = {n for n in UNSIGNED + SIGNED if a[n] is None} | {*UNSIGNED}
    need(a["bagit.txt"] == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", "bagit.txt")
    for pair in PAIRS:
        tables = [re.findall(f"([0-9a-f]{{{size}}})  (.+)\n", a[n].decode()) for n, size in zip(pair, (64, 96))]
        again = ["".join(f"{digest}  {n}\n" for digest, n in table).encode() for table in tables]
        names = [n for _, n in tables[0]]
        need(again == [a[n] for n in pair] and names == [n for _, n in tables[1]] and rising(names), "a manifest's lines")
        need(not listed & {*names} and all(n.startswith("data/") == (pair is PAIRS[1]) for n in names), "a manifest's files")
        for (short, n), (long, _) in zip(*tables):
            need(n in SIGNED or OTHERS.fullmatch(n), n + " does not belong here")
            need((short, long) == (sha(a[n]).hex(), hashlib.sha384(a[n]).hexdigest()), n + " was changed")
        listed |= {*names}
    need({*a} == listed, "a file is in no manifest")
    a.x = x = from_json(a["archive.json"])
    need(sorted(x) == ABOUT and x["format"] == "chancery/archive/v1", "archive.json's members or format")
    a.previous = x["previous"] or {"manifest": ZERO.hex(), "checkpoint": {"size": 0}}
    id = total("archive", unhex(x["org"]), x["schedule"], x["from"], x["to"], unhex(a.previous["manifest"])).hex()
    status = "complete-with-exceptions" if x["exceptions"] else "complete"
    need((x["id"], x["status"]) == (id, status) and re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", x["schedule"]), "id, status, schedule")
    next = x["from"]
    for n, s in enumerate(x["segments"], 1):
        fits = s["plain_size"] <= min(129 << 19, 1000 * len(a[s["path"]]))
        need(s["path"] == f"data/records/{n:06}.jsonl.zst" and next == s["first"] <= s["last"] and fits, "a segment")
        next = s["last"] + 1
    need(next == x["to"], "a segment is missing", 4)
    need(under(a, "data/records/") == [s["path"] for s in x["segments"]], "a segment too many")
    policies = [f"data/policy/{sha(a[n]).hex()}.tar.gz" for n in under(a, "data/policy/")]
    need(under(a, "data/policy/") == policies == ["data/policy/" + p for p in x["policies"] or []], "policies")

def signatures(a, org, before):
    x, a.ranges = a.x, []
    links = [(link["chain"], decode(from_base64(link["entry"]))) for link in lines(a[ORG])]
    need(all(chain == org for chain, _ in links), "the chain of another organisation", 5)
    need(links, "the organisation's chain is empty", 4)
    suite, a.signers, a.cosigners = organisation([entry for _, entry in links], unhex(org))
    need(not before or a[ORG].startswith(before[ORG]), "the organisation's chain lost something")
    need((x["org"], x["suite"]) == (org, suite) and x["ordinal"] > 0, "organisation, suite or ordinal")
    need((x["ordinal"] == 1) == (x["previous"] is None), "the first archive alone has none before it")
    predicate = {k: x[k] for k in ("from", "id", "ordinal", "org", "schedule", "to")} | {"previous": a.previous["manifest"]}
    subject = [{"digest": {"sha256": sha(a[n]).hex()}, "name": n} for n in PAIRS[0]]
    need(dsse(a["archive.dsse"], a.signers) == to_json({"_type": "https://in-toto.io/Statement/v1", "predicate": predicate,
         "predicateType": "chancery/archive/v1", "subject": subject}), "the envelope says something else")
    note(a["archive.note"], f"chancery/{org}/archive/{x['schedule']}\n{x['ordinal']}\n{to_base64(sha(a[PAIRS[0][0]]))}\n", a.signers)
    for n in under(a, "data/certs/"):
        said = from_json(dsse(a[n], a.signers))
        order = from_base64(said["predicate"]["order"])
        (version, theirs, *_, ranges, _, _), plan = decode(order), f"data/certs/{total('order', order).hex()}.dsse"
        need((said["predicateType"], version, theirs, n) == ("chancery/disposal/v1", 1, unhex(org), plan), "a certificate")
        a.ranges += [(*r, []) for r in ranges]

def place(a, org, before):
    if before:
        x, b = a.x, before.x
        need(x["schedule"] == b["schedule"] and x["ordinal"] > b["ordinal"], "not after the archive before")
        need(x["ordinal"] == b["ordinal"] + 1, "an archive between is missing", 4)
        earlier = {"checkpoint": b["checkpoint"], "id": b["id"], "manifest": sha(before[PAIRS[0][0]]).hex()}
        need(x["previous"] == earlier and x["from"] == b["to"], "it does not continue the archive before")

def tile(level, n, width):
    *first, last = re.findall("...", f"{n:0{-(-len(str(n)) // 3) * 3}}")
    return "/".join(["log/tile", str(level), *["x" + g for g in first], last]) + (f".p/{width}" if width < 256 else "")
def over(tiles, first, n):  # the hash over n leaves, by the largest subtrees that tiles have
    level = (n.bit_length() - 1) // 8
    return (tiles[level, first >> 8 * level + 8][(first >> 8 * level) & 255] if n == 1 << 8 * level else
            node(over(tiles, first, below(n)), over(tiles, first + below(n), n - below(n))))
def log(a, org, before):
    size, top, start, end = a.x["checkpoint"]["size"], unhex(a.x["checkpoint"]["root"]), a.x["from"], a.x["to"]
    note(a["log/checkpoint"], f"chancery/{org}/log\n{size}\n{to_base64(top)}\n", a.signers, a.cosigners)
    need(end <= size, "the period is beyond the log")
    a.tiles, paths = {}, []
    for level in range((size.bit_length() + 7) // 8):
        width, shift = size >> 8 * level, 8 * level + 8
        wanted = {n for n in range(start >> shift, (end - 1 >> shift) + 1) if 256 * n < width} if start < end else set()
        for n in wanted | ({width >> 8} if width % 256 else set()):
            paths.append(tile(level, n, min(256, width - 256 * n)))
            b = a[paths[-1]]
            need(len(b) == 32 * min(256, width - 256 * n), "a tile's size")
            a.tiles[level, n] = [b[i:i + 32] for i in range(0, len(b), 32)]
    need(under(a, "log/tile/") == sorted(paths) and (over(a.tiles, 0, size) if size else NOTHING) == top, "tiles: another root")
    need(all(root(t) == a.tiles[level + 1, n >> 8][n & 255] for (level, n), t in a.tiles.items() if len(t) == 256), "a tile")
    proof, old = [unhex(h) for h in from_json(a["log/consistency.json"])["proof"] or []], a.previous["checkpoint"]
    leads = not old["size"] or consistent(old["size"], size, unhex(old["root"]), proof) == (unhex(old["root"]), top)
    need(leads and not proof, "consistency")

def records(a, org, before):
    x, next, a.entries, counts, withheld = a.x, a.x["from"], [], collections.Counter(), 0
    version, theirs, schedule, _, channels, *_ = decode(from_base64(x["order"]))
    need((version, theirs, schedule) == (1, unhex(org), x["schedule"]), "order")
    for s in x["segments"]:
        plain = unpack(a, s["path"], s["plain_size"])
        need(sha(plain).hex() == s["plain_sha256"], s["path"] + " has another content")
        for line in lines(plain):
            need(next <= line["index"] and next <= s["last"], "a record again, or too many")
            need(line["index"] == next, "a record is missing", 4)
            if "withheld" in line:
                need(line == {"index": next, "withheld": True}, "withheld")
                need(channels, "a record is withheld", 4)
                withheld += 1
            else:
                counts[record(a, line, from_base64(line["leaf"]), unhex(org))] += 1
            next += 1
        need(next == s["last"] + 1, "a record is missing", 4)
    need((withheld, counts) == (x["withheld"], x["counts"]), "counts")
    plain = {n: unpack(a, n) if n.endswith(".zst") else a[n] for n in under(a, "data/") if "/keys/" not in n}
    leaves = [leaf(frame("archive-payload", n.removesuffix(".zst"), sha(b))) for n, b in plain.items()]
    need(root(leaves).hex() == x["payload_root"], "payload root")
def record(a, line, data, org):
    _, _, op, _, _, theirs, channel, position, _, _, _, _, *hashes = decode(data)
    need(leaf(data) == a.tiles[0, line["index"] >> 8][line["index"] & 255], "a record is not the log's")
    need(theirs == org and (position or "entry" not in line), "a record's organisation, or an entry too many")
    need(position == 0 or "entry" in line, "an entry is missing", 4)
    if position:
        at, received, head, entry, payload_hash, salt = decode(from_base64(line["entry"]))
        found = [at, entry_hash(entry, payload_hash), sha(entry[1]), payload_hash, head, salt]
        need(found == [position, *hashes[:4], b""], "an entry is not the record's")
        a.entries.append((channel, position, (received, head, entry, hashes[0])))
    return op.split(".")[0]

def channels(a, org, before):
    x, earlier, waiting, messages = a.x, before.state if before else {}, {}, 0
    codes = [e["code"] for e in lines(a["data/index/exceptions.jsonl"])]
    need(len(codes) == x["exceptions"] and {*codes} <= {"file_missing", "not_covered"}, "exceptions")
    rows, a.state = lines(a["data/index/channels.jsonl"]), {**earlier}
    index = {unhex(c["channel"]): c for c in rows}
    need(rising([c["channel"] for c in rows]), "order of channels")
    for id, c in index.items():
        start = c["position"], unhex(c["head"]) if c["position"] else total("head0", id), c["received"]
        need(start[0] <= a.state.get(id, start)[0], "a channel goes on further up", 4)
        need(start[:2] == a.state.get(id, start)[:2], "a channel does not go on where it was")
        a.state.setdefault(id, start)
    history = [(unhex(h["channel"]), decode(from_base64(h["entry"]))[0]) for h in lines(unpack(a, "data/index/history.jsonl.zst"))]
    need(all(0 < position <= index[id]["position"] for id, position in history), "history beyond the index")
    known = {*earlier} | {id for id, position in history if position == 1}
    need(all(c["position"] == 0 or id in known for id, c in index.items()), "a channel's genesis is missing", 4)
    for id, position, found in a.entries:
        need(id in index and (id, position) not in waiting and position > a.state[id][0], "channel or position")
        waiting[id, position] = found
        while (id, (next := a.state[id][0] + 1)) in waiting:
            received, head, (kind, _, payload, _), hash = waiting.pop((id, next))
            need(received >= a.state[id][2] and head == total("head", a.state[id][1], next, received, hash), "time or head")
            if kind == 2 and payload == b"":
                certified = [gone for channel, start, end, _, _, gone in a.ranges if channel == id and start <= next <= end]
                need(certified, "a message is gone without certificate", 4)
                certified[0].append(leaf(hash))
            messages, a.state[id] = messages + (kind == 2), (next, head, received)
    need(not waiting, "a channel has a hole", 4)
    need(all(a.state[id][0] for id in index) and messages == x["messages"], "a channel without entries, or messages")
    need(all(len(gone) < n or len(gone) == n and root(gone) == top for *_, n, top, gone in a.ranges), "a certificate's range")

(org, *directories), before, worst = [arg for arg in sys.argv[1:] if arg != "--chain"], None, 0
for directory in directories:
    a, why = Archive(), ""
    a.directory = directory
    try:
        for rung, check in enumerate((files, signatures, place, log, records, channels), 1):
            check(a, org, before)
        code, rung, before = 2 if a.x["exceptions"] else 0, 0, a if "--chain" in sys.argv else None
    except (Refused, ValueError, LookupError, TypeError, AttributeError, RecursionError, StopIteration) as e:
        why, code = e.args if isinstance(e, Refused) else (f"malformed: {e}", 3)
    print(json.dumps({"code": code, "rung": rung, "why": why}))
    worst = max(worst, code)
sys.exit(worst)
