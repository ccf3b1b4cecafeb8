"""Disposal certificates on rung 6 (archive.md, statements.md): do they name what is gone, and who wanted it?"""
from contents import CHAINED, SIGNED
from encoding import decode, encode, key_id, leaf, lines, root, sha, signed, total
from signatures import ENTRY, LINK, PARTY, Refused, listed, need, shaped

DEVICE = ("t", "b", "b", "h")
APPROVAL, CONFIRMATION = "uhthhhi", "uhhhui"
CHANNEL = ("t", "t", ["h"], "t", "u", "u", "h", "u", "h", "n")


class Consent:
    """The certificates of an archive, with what they are held against."""

    def __init__(self, org, links, certificates):
        self.org, self.certificates, self.devices, self.recorders = org, certificates, {}, {}
        self.gone = [(r, []) for _, ranges, _, _ in certificates for r in ranges]
        self.parties = {}  # everyone who was ever listed: (role, id) to key
        for entry in links:
            kind, body = decode(entry[1], LINK)[5:7]
            if kind == "org.list":
                party = decode(body, PARTY)
                self.parties[listed(party)] = party[2]

    def read_users(self, raw):
        """Devices of everyone, (user, device) to key. The chains are judged on rung 8, not here."""
        try:
            for row in lines(raw, CHAINED):
                kind, body = decode(shaped(decode(row["entry"], ENTRY))[1], LINK)[5:7]
                device = decode(body, ("t", DEVICE, "b", "n"))[1] if kind == "user.genesis" else decode(body, DEVICE)
                self.devices[row["chain"], key_id(device[1])] = device[1]
        except (ValueError, Refused) as error:
            raise Refused(str(error), 3, 8) from error

    def found(self, channel, header):
        """Notes who records a channel, from its genesis."""
        kind, body = decode(header, LINK)[5:7]
        self.recorders[channel] = decode(body, CHANNEL)[2] if kind == "channel.genesis" else []

    def cover(self, channel, position, entry):
        """Finds the range of a message that is gone."""
        for (where, start, end, _, _), gone in self.gone:
            if where == channel and start <= position <= end: return gone.append(leaf(entry))
        raise Refused("a message is gone and no certificate says why", 4)

    def check(self, channels):
        for (_, _, _, messages, hash), gone in self.gone:
            planned = len(gone) < messages or len(gone) == messages and root(gone) == hash
            need(planned, "other messages are gone than planned")
        for plan, ranges, approvals, confirmations in self.certificates:
            given = [self.approval(raw, plan) for raw in approvals]
            legal = [user for user, action, roles in given if "legal" in roles and action == "retention.approve"]
            asked = [user for user, _, roles in given if "compliance" in roles]
            need(any(a != b for a in asked for b in legal), "two people must have approved a disposal")
            confirmed = {self.confirmation(raw, plan) for raw in confirmations}
            need(all(r in confirmed for c in ranges if c[0] in channels for r in self.recorders.get(c[0], [])),
                 "a recorder did not confirm a disposal")

    def approval(self, raw, plan):
        key, said = self.statement(raw, "approval", APPROVAL)
        _, org, action, subject, user, device, _ = said
        need((device, org, subject) == (key, self.org, plan) and action in ("retention.plan", "retention.approve"),
             "approval of something else")
        need(self.good(raw, self.devices.get((user, device))), "approval by no device of its user")
        roles = {role for role in ("compliance", "legal") if (role, total("party", user)) in self.parties}
        return user, action, roles

    def confirmation(self, raw, plan):
        key, (_, org, subject, recorder, _, _) = self.statement(raw, "confirmation", CONFIRMATION)
        need((key, org, subject) == (recorder, self.org, plan) and self.good(raw, self.parties.get(("recorder", key))),
             "confirmation by no recorder, or of something else")
        return recorder

    def statement(self, raw, label, shape):
        said, body, (key, _) = decode(raw, SIGNED)
        value = decode(body, shape)
        need(len(raw) <= 8192 and said == label and value[0] == 1, "another statement")
        return key, value

    def good(self, raw, key):
        label, body, (_, signature) = decode(raw, SIGNED)
        return key is not None and signed(key, encode(["chancery/v1/statement", label, sha(body)]), signature)
