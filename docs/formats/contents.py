"""What an archive holds (archive.md, log.md, statements.md): the members of its JSON, the shapes of its CBOR, the tiles
of a range. Whatever is malformed raises ValueError or is Refused.
"""
import re

from encoding import (ZERO, canonical, count, decode, digest, integer, many, maybe, octets, record, refuse, sha, text)
from signatures import ENTRY, entry_hash, need, shaped

OPS = """msg.create msg.edit msg.user_delete mem.add mem.remove mem.role chn.create chn.sync chn.restore chn.archive
    chn.team_create chn.team_member file.upload file.read file.discard key.user_create key.device_propose key.device_add
    key.epoch_start key.acknowledge key.cover pol.deny pol.activate ses.create ses.bind ses.end ses.refuse adm.org_create
    adm.org_link adm.account_create adm.account_update adm.account_disable cfg.start cfg.stop hold.matter_create
    hold.matter_close hold.create hold.approve hold.release_request hold.release_approve hold.close ret.rule_set ret.plan
    ret.approve ret.run ret.stop ret.confirm ret.certify exp.schedule_set exp.schedule_approve exp.cut exp.write exp.seal
    exp.sign exp.deliver exp.fail acc.read exc.unrecorded""".split()
OUTCOMES = ["ok", "denied", "intent", "done", "failed"]

# Shapes of CBOR arrays; see encoding.fits.
PLACED, RECORD, SIGNED = ("u", "i", "h", ENTRY, "h", "b"), "uittihhuihhthhhutuhb", ("t", "b", "hs")
EXPORT = ("u", "h", "t", "u", ["h"], "t", "t", ["h"], "i")
PLAN = ("u", "h", ["h"], "u", "h", "u", "i", ["huuuh"], "u", "u")


def pattern(expression): return lambda v: v if re.fullmatch(expression, text(v)) else refuse("a wrong word")
def counts(v): return {name: count(v[name]) for name in v} if type(v) is dict else refuse("another type")


STATE = record(root=digest, size=count)
ABOUT = record(**{
    "build": text, "checkpoint": STATE, "counts": counts, "exceptions": count, "files": count,
    "format": pattern("chancery/archive/v1"), "from": count, "holds": count, "id": digest, "marking": text,
    "messages": count, "openings": maybe(record(count=count, key_commit=digest)), "order": octets, "ordinal": count,
    "org": digest, "payload_root": digest, "policies": maybe(many(text)),
    "previous": maybe(record(checkpoint=STATE, id=digest, manifest=digest)),
    "schedule": pattern("[a-z0-9][a-z0-9-]{0,62}"), "status": text, "suite": text, "to": count, "withheld": count,
    "segments": many(record(first=count, last=count, path=text, plain_sha256=digest, plain_size=count))})
CHAINED = record(chain=digest, entry=octets)
CHANNEL = record(channel=digest, head=digest, name=text, position=count, received=integer)
PAST = record(channel=digest, entry=octets)
EXCEPTION = record(channel=digest, code=pattern("file_missing|not_covered"), object=pattern("([0-9a-f]{32})?"),
                   position=count, text=text)
CERTIFICATE = record(_type=text, predicateType=text, subject=many(lambda v: v), predicate=record(
    approvals=maybe(many(octets)), backup=text, confirmations=maybe(many(octets)), destroyed=count, order=octets,
    time=integer))
PROOF = record(proof=maybe(many(digest)))


def line(v):
    """A line of records: one of three sets of members."""
    if type(v) is dict and "withheld" in v:
        return record(index=count, withheld=lambda w: w is True or refuse("withheld other than true"))(v)
    return record(index=count, leaf=octets, **({"entry": octets} if "entry" in v else {}))(v)


def recorded(raw):
    """The fields of a Record that the ladder reads: org, channel, position, class and hashes."""
    (version, number, op, outcome, at, org, channel, position, _, _, _, thing, entry, header, payload, _, decision, _, _,
     detail) = decode(raw, RECORD)
    need(len(raw) <= 18432 and version == 1 and number > 0 and op in OPS and outcome in OUTCOMES and at >= 0
         and max(len(thing.encode()), len(decision.encode())) <= 256 and (entry != ZERO or position == 0)
         and len(detail) <= 16384 and (not detail or type(canonical(detail)) is dict), "record is malformed")
    return org, channel, position, op.split(".")[0], [entry, header, payload]


def placed(raw):
    """A Placed entry without a salt, with its hashes in the order of a record's."""
    position, received, after, entry, payload, salt = decode(raw, PLACED)
    kind, header, body, _ = shaped(entry, disposed=True)
    gone = kind == 2 and not body
    need(not gone or payload != sha(b""), "a message that never had a payload")
    need(not salt and (gone or sha(body) == payload), "placed entry has a salt, or another payload")
    return position, received, after, kind, gone, header, [entry_hash(entry, payload), sha(header), payload]


def tile_path(level, n, width):
    groups = [f"{n % 1000:03}"]
    while n := n // 1000:
        groups.insert(0, f"x{n % 1000:03}")
    return f"log/tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < 256 else "")


def tiles_of(start, end, size):
    """(level, number) → width of the tiles of a range (log.md)."""
    tiles, level = {}, 0
    while width := size >> 8 * level:
        if start < end:
            for n in range(start >> 8 * (level + 1), ((end - 1) >> 8 * (level + 1)) + 1):
                if 256 * n < width:
                    tiles[level, n] = min(256, width - 256 * n)
        if width % 256:
            tiles[level, width >> 8] = width % 256
        level += 1
    return tiles
