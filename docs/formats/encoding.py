"""encoding.md in Python: canonical CBOR and JSON, hashes, Merkle trees, strict Ed25519.

Whatever is malformed raises ValueError.
"""
import base64, hashlib, json, re

LINE, ZERO = 512 << 10, bytes(32)


def sha(data): return hashlib.sha256(data).digest()
def total(label, *parts): return sha(encode(["chancery/v1/" + label, *parts]))
def rising(values): return all(a < b for a, b in zip(values, values[1:]))


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    log = next(log for log in range(4) if n < 256 ** (1 << log))
    return bytes([major << 5 | 24 + log]) + n.to_bytes(1 << log, "big")


def encode(value):
    if isinstance(value, bool): return b"\xf5" if value else b"\xf4"
    if isinstance(value, int): return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes): return head(2, len(value)) + value
    if isinstance(value, str): return head(3, len(value.encode())) + value.encode()
    return head(4, len(value)) + b"".join(map(encode, value))


def item(data, at, depth):
    """Decodes one value leniently; returns it and where it ends."""
    if at >= len(data): raise ValueError("CBOR ends early")
    major, n, at = data[at] >> 5, data[at] & 31, at + 1
    if major == 7 and n in (20, 21): return n == 21, at
    if major > 4 or n > 27: raise ValueError("CBOR of a refused kind")
    if n > 23: n, at = int.from_bytes(data[at:at + (1 << n - 24)], "big"), at + (1 << n - 24)
    if major < 2: return -1 - n if major else n, at
    if major < 4: return data[at:at + n] if major == 2 else data[at:at + n].decode(), at + n
    if n > 4096 or depth == 8: raise ValueError("CBOR array too large or too deep")
    values = []
    for _ in range(n):
        value, at = item(data, at, depth + 1)
        values.append(value)
    return values, at


def fits(value, shape):
    """A shape is a letter (u unsigned, i integer, t text, b bytes; h, s, n bytes of 32, 64, 16), [x] an array of x, or
    the fields of a structure: a tuple of shapes, or a string of letters."""
    if isinstance(shape, list): return isinstance(value, list) and all(fits(v, shape[0]) for v in value)
    if len(shape) > 1: return isinstance(value, list) and len(value) == len(shape) and all(map(fits, value, shape))
    if shape == "u": return type(value) is int and 0 <= value < 1 << 64
    if shape == "i": return type(value) is int and -1 << 63 <= value < 1 << 63
    if shape in "bt": return type(value) is (bytes if shape == "b" else str)
    return type(value) is bytes and len(value) == {"h": 32, "s": 64, "n": 16}[shape]


def decode(data, shape):
    value, _ = item(data, 0, 0)
    if not fits(value, shape) or encode(value) != data: raise ValueError("CBOR is not of its shape or not canonical")
    return value


def compact(value, sort=True):
    return json.dumps(value, ensure_ascii=False, sort_keys=sort, separators=(",", ":")).encode()


def whole(digits):
    if abs(int(digits)) >= 1 << 53: raise ValueError("JSON number too large")
    return int(digits)


def refuse(token): raise ValueError("malformed: " + token)


def depth(v):
    inside = v.values() if isinstance(v, dict) else v if isinstance(v, list) else None
    return 0 if inside is None else 1 + max(map(depth, inside), default=0)


def canonical(raw):
    try:
        value = json.loads(raw.decode(), parse_int=whole, parse_float=refuse, parse_constant=refuse)
        if depth(value) <= 16 and compact(value) == raw: return value
    except RecursionError: pass
    raise ValueError("JSON is not canonical")


# Kinds of JSON members: each gives the value, bytes where it stands for bytes.
def integer(v): return v if type(v) is int else refuse("another type")
def count(v): return v if integer(v) >= 0 else refuse("a negative number")
def text(v): return v if type(v) is str else refuse("another type")
def digest(v): return bytes.fromhex(v) if re.fullmatch("[0-9a-f]{64}", text(v)) else refuse("a wrong hash or id")
def many(kind): return lambda v: [kind(x) for x in v] if type(v) is list else refuse("another type")
def maybe(kind): return lambda v: None if v is None else kind(v)
def record(**kinds): return lambda v: members(v, kinds)


def octets(v):
    raw = base64.b64decode(text(v), validate=True)
    return raw if base64.b64encode(raw).decode() == v else refuse("stray bits in base64")


def members(value, kinds):
    if type(value) is not dict or set(value) != set(kinds): refuse("other members")
    return {name: kind(value[name]) for name, kind in kinds.items()}


def lines(raw, kind):
    if raw and not raw.endswith(b"\n"): refuse("an unfinished line")
    for line in raw.split(b"\n")[:-1]:
        if len(line) >= LINE: refuse("a line too long")
        yield kind(canonical(line))


# Merkle trees: RFC 6962; pairing level by level, an odd last one going up, is the same tree.
def leaf(data): return sha(b"\0" + data)
def node(left, right): return sha(b"\1" + left + right)


def root(hashes):
    while len(hashes) > 1:
        hashes = [node(*hashes[i:i + 2]) if i + 1 < len(hashes) else hashes[i] for i in range(0, len(hashes), 2)]
    return hashes[0] if hashes else sha(b"")


def consistent(old, old_root, new, new_root, proof):
    """RFC 9162, 2.1.4.2."""
    if old == 0 or old == new: return not proof and (old == 0 or old_root == new_root)
    path = [old_root] * (old & old - 1 == 0) + proof
    if old > new or not proof: return False
    at, last = old - 1, new - 1
    while at & 1: at, last = at >> 1, last >> 1
    ours = theirs = path[0]
    for step in path[1:]:
        if last == 0: return False
        if at & 1 or at == last:
            ours, theirs = node(step, ours), node(step, theirs)
            while at and not at & 1: at, last = at >> 1, last >> 1
        else:
            theirs = node(theirs, step)
        at, last = at >> 1, last >> 1
    return last == 0 and ours == old_root and theirs == new_root


# Ed25519, strictly: RFC 8032 arithmetic, extended coordinates (x, y, z, xy/z).
P, L = 2 ** 255 - 19, 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * D * a[3] * b[3] % P, 2 * a[2] * b[2] % P
    x, z, t, y = f - e, h - g, h + g, f + e
    return x * z % P, t * y % P, z * t % P, x * y % P


def point(raw):
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square: x = x * pow(2, (P - 1) // 4, P) % P
    good = len(raw) == 32 and y < P and x * x % P == square and (x or not raw[31] >> 7)
    if not good: raise ValueError("no point of the curve")
    if x & 1 != raw[31] >> 7: x = P - x
    return x, y, 1, x * y % P


def double_multiply(s, a, k, b):
    """[s]a + [k]b, both in one walk."""
    sums, out = {1: a, 2: b, 3: add(a, b)}, (0, 1, 1, 0)
    for i in reversed(range(256)):
        out, bits = add(out, out), (s >> i & 1) + 2 * (k >> i & 1)
        if bits: out = add(out, sums[bits])
    return out


BASE, KEYS = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")), {}


def public(raw):
    """The key's point; refuses points that are not of prime order."""
    if raw not in KEYS:
        a = point(raw)
        x, y, z, _ = double_multiply(L, a, 0, a)
        if a[:2] == (0, 1) or x or y != z: raise ValueError("key is not of prime order")
        KEYS[raw] = a
    return KEYS[raw]


def signed(raw, message, signature):
    x, y, _, t = public(raw)
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L: return False
    k = int.from_bytes(hashlib.sha512(r + raw + message).digest(), "little") % L
    x, y, z, _ = double_multiply(s, BASE, k, (P - x, y, 1, P - t))
    z = pow(z, P - 2, P)
    return (y * z % P | (x * z % P & 1) << 255).to_bytes(32, "little") == r


def key_id(raw): return total("key", 1, raw)
