#!/usr/bin/env python3
"""Verifies archives of Chancery, rungs 1 to 6 of the ladder in archive.md.

Written from the pages in this directory alone, with Python's standard library and the program zstd (package zstd): an
example of a second implementation. The modules beside it are the parts below the ladder: encoding.py, signatures.py,
contents.py, consent.py, bag.py. Written to be read rather than to be fast: a segment of records is held in memory.

usage: verify.py [--json] [--chain] <organisation id> <directory>...

--json   one line of JSON for each directory, instead of a line for each rung
--chain  the directories are archives of one schedule, oldest first: each is judged with the one before it

Exit: 0 ok, 2 whole with exceptions, 3 tampered, 4 incomplete, 5 untrusted signer, 64 usage, 1 could not be read. Of
several directories the highest counts.
"""
import base64, json, re, sys

sys.dont_write_bytecode = True  # leave no cache in the documentation

from bag import TAGS, Bag
from contents import (CERTIFICATE, CHAINED, CHANNEL, EXCEPTION, EXPORT, PAST, PLAN, PROOF, line, placed,
                      recorded, tile_path, tiles_of)
from consent import Consent
from encoding import ZERO, canonical, compact, consistent, decode, encode, leaf, lines, rising, root, sha, total
from signatures import ENTRY, Refused, dsse, need, note, organisation, shaped, statement

HISTORY = 8 << 30  # bytes of history.jsonl


class Archive(Bag):
    """One archive. Each rung leaves what the next ones need; a refusal ends the ladder."""

    def __init__(self, directory, org, before=None):
        super().__init__(directory)
        self.org, self.before = org, before

    # Rung 2
    def signatures(self):
        about, rows = self.about, list(lines(self.read("data/identity/org.jsonl"), CHAINED))
        self.chain = [row["entry"] for row in rows]
        links = [shaped(decode(raw, ENTRY)) for raw in self.chain]
        need(all(row["chain"] == self.org for row in rows), "the chain is of another organisation", 5)
        suite, self.signers = organisation(links, self.org)
        need((about["org"], about["suite"]) == (self.org, suite), "archive.json is of another organisation")
        known = self.before.chain if self.before else []
        need(self.chain[:len(known)] == known, "the organisation's chain forks")
        previous = about["previous"]
        need((about["ordinal"] == 1) == (previous is None) and about["ordinal"], "previous does not fit the ordinal")
        tags = [sha(self.read(name)) for name in TAGS]
        predicate = {name: about[name] for name in ("from", "ordinal", "schedule", "to")}
        manifest = (previous or {}).get("manifest", ZERO)
        predicate.update(id=about["id"].hex(), org=self.org.hex(), previous=manifest.hex())
        ours = compact(statement("chancery/archive/v1", predicate, *zip(TAGS, tags)))
        need(dsse(self.read("archive.dsse"), self.signers) == ours, "archive.dsse is about another archive")
        self.hash, origin = tags[0], f"chancery/{self.org.hex()}/archive/{about['schedule']}"
        said = f"{origin}\n{about['ordinal']}\n{base64.b64encode(self.hash).decode()}\n"
        need(note(self.read("archive.note"), origin, self.signers) == said, "archive.note is about another archive")
        certs = sorted(name for name in self.sums if name.startswith("data/certs/"))
        self.consent = Consent(self.org, links, [self.certificate(name) for name in certs])

    def certificate(self, name):
        value = canonical(dsse(self.read(name), self.signers))
        predicate = CERTIFICATE(value)["predicate"]
        plan, plan_id = decode(predicate["order"], PLAN), total("order", predicate["order"])
        subjects = ("organisation", self.org), ("plan", plan_id)
        need(value == statement("chancery/disposal/v1", value["predicate"], *subjects) and plan[:2] == [1, self.org]
             and name == f"data/certs/{plan_id.hex()}.dsse", f"{name} is another certificate")
        return plan_id, plan[7], predicate["approvals"] or [], predicate["confirmations"] or []

    # Rung 3
    def place(self):
        if not self.before: return
        mine, theirs = self.about, self.before.about
        need(mine["schedule"] == theirs["schedule"], "the archive before is of another schedule")
        need(mine["ordinal"] > theirs["ordinal"], "the archive before is a later one")
        need(mine["ordinal"] == theirs["ordinal"] + 1, "archives between the two are missing", 4)
        link = {"checkpoint": theirs["checkpoint"], "id": theirs["id"], "manifest": self.before.hash}
        need(mine["previous"] == link and mine["from"] == theirs["to"], "does not continue the archive before")

    # Rung 4
    def log(self):
        state, origin = self.about["checkpoint"], f"chancery/{self.org.hex()}/log"
        said = f"{origin}\n{state['size']}\n{base64.b64encode(state['root']).decode()}\n"
        need(note(self.read("log/checkpoint"), origin, self.signers) == said, "the checkpoint is of another state")
        need(self.about["to"] <= state["size"], "the archive ends after its checkpoint")
        self.tiles, peaks = {}, []
        tiles = tiles_of(self.about["from"], self.about["to"], state["size"])
        names = {tile_path(*key, width): key for key, width in tiles.items()}
        for name, key in names.items():
            raw = self.read(name)
            self.tiles[key] = [raw[i:i + 32] for i in range(0, len(raw), 32)]
            need(len(raw) == 32 * tiles[key], f"{name} has another size")
        need({n for n in self.sums if n.startswith("log/tile/")} == set(names), "there are tiles too many")
        for (level, n), hashes in sorted(self.tiles.items(), reverse=True):
            if len(hashes) == 256:
                need(root(hashes) == self.tiles[level + 1, n >> 8][n % 256], "a tile is not in the tree")
                continue
            for bit in reversed(range(8)):
                if tiles[level, n] >> bit & 1:
                    peaks.append(root(hashes[:1 << bit]))
                    hashes = hashes[1 << bit:]
        whole = peaks.pop() if peaks else root([])
        for peak in reversed(peaks): whole = sha(b"\1" + peak + whole)
        need(whole == state["root"], "the tiles hash to another root")
        proof = PROOF(canonical(self.read("log/consistency.json")))["proof"] or []
        old = (self.about["previous"] or {}).get("checkpoint", {"size": 0, "root": None})
        need(consistent(old["size"], old["root"], state["size"], state["root"], proof), "the log does not continue")

    # Rung 5
    def records(self):
        about, kinds, self.entries, self.geneses, self.plain = self.about, {}, [], [], {}
        order = decode(about["order"], EXPORT)
        need(order[:3] == [1, self.org, about["schedule"]] and rising(order[4]) and rising(order[7])
             and len(about["order"]) <= 1 << 20, "the order is another one")
        withheld = 0
        for segment in about["segments"]:
            for row in self.segment(segment):
                if "withheld" in row:
                    need(order[4], "a record is withheld, but the order names no channels", 4)
                    withheld += 1
                    continue
                word = self.record(row)
                kinds[word] = kinds.get(word, 0) + 1
        need((kinds, withheld) == (about["counts"], about["withheld"]), "records do not add up")
        history = "data/index/history.jsonl.zst"
        self.past = self.unpack(history, HISTORY)
        self.plain[history] = sha(self.past)
        data = sorted(n for n in self.sums if n.startswith("data/") and not n.startswith("data/keys/"))
        hashes = [(n.removesuffix(".zst"), self.plain.get(n) or bytes.fromhex(self.sums[n])) for n in data]
        leaves = [leaf(encode(["chancery/v1/archive-payload", *pair])) for pair in hashes]
        need(root(leaves) == about["payload_root"], "the payload root is another one")

    def segment(self, s):
        plain = self.unpack(s["path"], s["plain_size"])
        self.plain[s["path"]] = sha(plain)
        need(sha(plain) == s["plain_sha256"], f"{s['path']} unpacks to other bytes")
        at = s["first"]
        for row in lines(plain, line):
            need(s["last"] >= at <= row["index"], f"record {row['index']} is one too many")
            need(at == row["index"], f"record {at} is missing", 4)
            at += 1
            yield row
        need(at > s["last"], f"record {at} is missing", 4)

    def record(self, row):
        index = row["index"]
        need(leaf(row["leaf"]) == self.tiles[0, index >> 8][index % 256], f"record {index} is not the log's")
        org, channel, position, word, hashes = recorded(row["leaf"])
        need(org == self.org, f"record {index} is of another organisation")
        if position:
            need("entry" in row, f"the entry of record {index} is missing", 4)
            at, received, after, kind, gone, header, own = placed(row["entry"])
            need((at, own) == (position, hashes), f"the entry of record {index} is another one")
            self.entries.append((channel, position, received, after, kind, gone, own[0]))
            if position == 1: self.geneses.append((channel, header))
        need(position or "entry" not in row, f"record {index} has an entry without a position")
        return word

    # Rung 6
    def channels(self):
        exceptions = list(lines(self.read("data/index/exceptions.jsonl"), EXCEPTION))
        need(len(exceptions) == self.about["exceptions"], "exceptions are not as many as archive.json says")
        index = list(lines(self.read("data/index/channels.jsonl"), CHANNEL))
        need(rising([c["channel"] for c in index]), "channels.jsonl does not rise")
        followed = self.before.followed if self.before else {}
        state = {}
        for c in index:
            at, after = followed.get(c["channel"], (c["position"], c["head"]))
            need(c["position"] <= at, "entries between the archives are missing", 4)
            need((c["position"], c["head"]) == (at, after) or at == 0 == c["position"], "a channel forks")
            start = c["head"] if at else total("head0", c["channel"])
            state[c["channel"]] = at, start, c["received"]
        founded = set(followed) | {channel for channel, position in self.history(state) if position == 1}
        need(all(at == 0 or channel in founded for channel, (at, _, _) in state.items()), "a genesis is missing", 4)
        self.consent.read_users(self.read("data/identity/users.jsonl"))
        if self.before: self.consent.devices = {**self.before.consent.devices, **self.consent.devices}
        if self.before: self.consent.recorders = dict(self.before.consent.recorders)
        for channel, header in self.geneses: self.consent.found(channel, header)
        self.follow(state)
        need(all(at for at, _, _ in state.values()), "a channel has no genesis")
        need(sum(e[4] == 2 for e in self.entries) == self.about["messages"], "messages do not add up")
        self.consent.check(set(state))
        self.followed = {**followed, **{channel: (at, after) for channel, (at, after, _) in state.items()}}

    def history(self, state):
        """Channel and position of every entry before the archive."""
        for row in lines(self.past, PAST):
            need(row["channel"] in state, "history is of a channel that is not in the index")
            try:
                position, _, _, _, _, header, _ = placed(row["entry"])
            except (ValueError, Refused) as error:
                raise Refused(str(error), 3, 8) from error
            need(position <= state[row["channel"]][0], "history is of entries in the archive")
            if position == 1: self.geneses.append((row["channel"], header))
            yield row["channel"], position

    def follow(self, state):
        waiting = {}
        for channel, position, *entry in self.entries:
            need(channel in state, "a record is of a channel that is not in the index")
            need(position > state[channel][0] and (channel, position) not in waiting, "a position stands twice")
            waiting[channel, position] = entry
            while (channel, state[channel][0] + 1) in waiting:
                position, before, last = state[channel]
                received, after, kind, gone, own = waiting.pop((channel, position + 1))
                follows = total("head", before, position + 1, received, own)
                need(received >= last and after == follows, "an entry does not follow")
                if gone: self.consent.cover(channel, position + 1, own)
                state[channel] = position + 1, after, received
            need(len(waiting) <= 4096, "a channel has a gap", 4)
        need(not waiting, "a channel has a gap", 4)


LADDER = ((1, "files", Bag.check), (2, "signatures", Archive.signatures), (3, "place in the chain", Archive.place),
          (4, "log", Archive.log), (5, "records", Archive.records), (6, "channels without holes", Archive.channels))


def climb(archive, say):
    """Takes the ladder; returns the code, the rung that refused or 0, and why."""
    for number, name, rung in LADDER:
        try:
            rung(archive)
        except (Refused, ValueError) as error:
            code, at = getattr(error, "code", 3), getattr(error, "rung", None) or number
            say(f"{at} {name}: {error}")
            return code, at, str(error)
        say(f"{number} {name}: ok" + (", no archive before it was given" if number == 3 and not archive.before else ""))
    return (2 if archive.about["exceptions"] else 0), 0, ""


def main(arguments):
    flags = {a for a in arguments if a.startswith("--")}
    words = [a for a in arguments if a not in flags]
    if not flags <= {"--json", "--chain"} or len(words) < 2 or not re.fullmatch("[0-9a-f]{64}", words[0]):
        print(__doc__.split("\n\n")[2], file=sys.stderr)
        return 64
    worst, before = 0, None
    for directory in words[1:]:
        archive = Archive(directory, bytes.fromhex(words[0]), before)
        code, rung, why = climb(archive, (lambda _: None) if "--json" in flags else print)
        if "--json" in flags: print(json.dumps({"directory": directory, "code": code, "rung": rung, "why": why}))
        worst = max(worst, code)
        if "--chain" in flags:
            before = archive
            if code > 2: break
    return worst


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        print(f"verify.py: {error}", file=sys.stderr)
        sys.exit(1)
