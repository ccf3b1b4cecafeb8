"""What is signed: the organisation's chain (chains.md), notes (log.md) and envelopes (archive.md).

A refusal with the code of the ladder is Refused; what is only malformed raises ValueError, which the ladder reads as 3.
"""
import json, re

from encoding import (ZERO, compact, decode, digest, encode, key_id, many, members, octets, public, record, refuse,
                      rising, sha, signed, text, total)

ENTRY, LINK = ("u", "b", "b", ["hs"]), "uhhuhtbhhi"  # shapes: see encoding.fits
GENESIS, PARTY = ("t", "t", ["h"], "u", "t", "n"), ("t", "t", "b", "b", "h", ["h"], "i")
NEEDS = {"recorder": "kr", "auditor": "r", "custodian": "r", "signer": "k", "receipt": "k", "removal": "k",
         "compliance": "u", "legal": "u"}  # k key, r recipient, u user


class Refused(Exception):
    def __init__(self, why, code, rung=None):
        super().__init__(why)
        self.code, self.rung = code, rung


def need(condition, why, code=3, rung=None):
    if not condition:
        raise Refused(why, code, rung)


# chains.md: entries, the organisation's chain
def shaped(entry, disposed=False):
    """Checks what the shape of an Entry leaves open; a placed message may have lost its payload."""
    kind, header, payload, signatures = entry
    good = 1 <= kind <= 4 and len(header) <= 8192 and 1 <= len(signatures) <= (16 if kind == 1 else 1)
    sizes = 188 <= len(payload) <= 131072 or (disposed and not payload) if kind == 2 else not payload
    if not good or not sizes or not rising([key for key, _ in signatures]): raise ValueError("entry is malformed")
    return entry


def entry_hash(entry, payload=None):
    kind, header, body, signatures = entry
    return total("entry", kind, sha(header), payload or sha(body), encode(signatures))


def root_signed(entry, roots, least):
    message = encode(["chancery/v1/sign", entry[0], sha(entry[1]), sha(entry[2])])
    return len(entry[3]) >= least and all(key in roots and signed(roots[key], message, s) for key, s in entry[3])


def founded(body):
    """Roots by key id, of an OrgGenesis."""
    name, suite, keys, threshold, capture, nonce = body
    roots = {key_id(key): key for key in keys if public(key)}
    need(suite in ("age", "fips") and capture in ("off", "required") and 1 <= threshold <= len(keys) <= 16
         and 1 <= len(name.encode()) <= 200 and rising(list(roots)) and len(roots) == len(keys), "genesis is malformed")
    return roots


def listed(body):
    role, name, key, recipient, user, _, _ = body
    has = "k" * bool(key) + "r" * bool(recipient) + "u" * (user != ZERO)
    need(NEEDS.get(role) == has and 1 <= len(name.encode()) <= 200 and (not key or public(key)), "party is malformed")
    return role, key_id(key) if key else total("party", user) if user != ZERO else total("recipient", recipient)


def organisation(chain, org):
    """Judges the organisation's chain; returns its suite and its signers, key id to key."""
    need(chain, "the organisation's chain is empty", 4)
    need(decode(chain[0][1], LINK)[5] == "org.genesis", "the chain does not start with a genesis")
    need(total("chain", chain[0][1]) == org, "the genesis is of another organisation", 5)
    parties, before = {}, ZERO
    for seq, entry in enumerate(chain):
        version, in_org, in_chain, number, prev, kind, body, _, _, _ = decode(entry[1], LINK)
        place = ZERO if seq == 0 else org
        need(entry[0] == 1 and version == 1 and number == seq and (in_org, in_chain, prev) == (place, place, before)
             and (kind == "org.genesis") == (seq == 0), f"link {seq} does not follow")
        if seq == 0:
            genesis = decode(body, GENESIS)
            roots = founded(genesis)
        need(root_signed(entry, roots, genesis[3] if seq else len(roots)), f"link {seq} is not signed by the roots")
        if kind == "org.list":
            key, party = listed(body := decode(body, PARTY)), body
            need(key not in parties, f"link {seq} lists a party twice")
            parties[key] = party[2]
        elif kind == "org.delist":
            need(parties.pop(tuple(decode(body, "th")), None) is not None, f"link {seq} delists nobody")
        elif seq: refuse("an unknown type of link")
        before = entry_hash(entry)
    return genesis[1], {party: key for (role, party), key in parties.items() if role == "signer"}


# archive.md and log.md: what the signer signs
def named(raw):
    """Names and key hashes of a note's signature lines; None when one holds no base64."""
    try:
        lines = [line.split() for line in raw.decode(errors="replace").splitlines()]
        return {(line[1], octets(line[2])[:4]) for line in lines if len(line) == 3 and line[0] == "\u2014"}
    except ValueError:
        return None


def note(raw, origin, signers):
    """The text of a signed note, which listed signers alone have signed."""
    known = {(origin, sha(origin.encode() + b"\n\1" + key)[:4]): key for key in signers.values()}
    try:
        body, strangers = opened(raw, known)
    except ValueError as error:
        names = named(raw)  # whoever is not listed is untrusted, whatever else is wrong
        raise Refused(f"note: {error}", 5 if names and not names & set(known) else 3) from error
    need(not strangers, "strangers signed the note", 5)
    return body


def opened(raw, known):
    """The text of a note with a good signature of a known key, and whether others signed it too."""
    body, gap, tail = raw.decode().rpartition("\n\n")
    good, strangers = set(), False
    for line in tail[:-1].split("\n"):
        parts = re.fullmatch("\u2014 ([^ +\n]+) ([A-Za-z0-9+/=]+)", line)
        if not (gap and tail.endswith("\n") and parts): refuse("another shape")
        name, signature = parts[1], octets(parts[2])
        key = known.get((name, signature[:4]))
        if key is None:
            strangers = True
            continue
        if key in good or not signed(key, (body + "\n").encode(), signature[4:]): refuse("a bad or second signature")
        good.add(key)
    return body + "\n" if good else refuse("no signature of a listed signer"), strangers


def dsse(raw, signers):
    """The payload of an envelope, which listed signers alone have signed."""
    sign = record(keyid=digest, sig=octets)
    value = json.loads(raw.decode())
    fields = members(value, {"payloadType": text, "payload": octets, "signatures": many(sign)})
    again = {name: value[name] for name in ("payloadType", "payload")}
    again["signatures"] = [{"keyid": s["keyid"], "sig": s["sig"]} for s in value["signatures"]]
    kind, payload, keys = fields["payloadType"], fields["payload"], [s["keyid"] for s in fields["signatures"]]
    need(compact(again, sort=False) == raw and kind == "application/vnd.in-toto+json" and keys and rising(keys),
         "envelope is not canonical")
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    for s in fields["signatures"]:
        need(s["keyid"] not in signers or signed(signers[s["keyid"]], message, s["sig"]), "envelope: bad signature")
    need(all(key in signers for key in keys), "strangers signed the envelope", 5)
    return payload


def statement(kind, predicate, *subjects):
    return {"_type": "https://in-toto.io/Statement/v1", "predicate": predicate, "predicateType": kind,
            "subject": [{"digest": {"sha256": hash.hex()}, "name": name} for name, hash in subjects]}
