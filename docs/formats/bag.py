"""The bag on disk (archive.md, "Files" and rung 1): reading it, its manifests, what archive.json says about it."""
import hashlib, os, re, subprocess

from contents import ABOUT
from encoding import LINE, ZERO, canonical, rising, total
from signatures import need

PATH = re.compile(r"README\.txt|[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*(/[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*)*")
TABLE = re.compile(r"""bagit\.txt|archive\.json|README\.txt|manifest-sha(256|384)\.txt|log/(checkpoint|consistency\.json)
    |log/tile/.+|data/(identity/(org|users|people)\.jsonl|index/(channels\.jsonl|history\.jsonl\.zst|exceptions\.jsonl)
    |records/[0-9]{6}\.jsonl\.zst|files/[0-9a-f]{32}|policy/[0-9a-f]{64}\.tar\.gz|certs/[0-9a-f]{64}\.dsse
    |keys/openings\.bin)""", re.X)
TAGS = ["tagmanifest-sha256.txt", "tagmanifest-sha384.txt"]
UNSIGNED = {*TAGS, "archive.dsse", "archive.note"}
ROOTS = [*TAGS, "manifest-sha256.txt", "manifest-sha384.txt", "bagit.txt", "archive.json", "README.txt", "archive.dsse",
         "archive.note"]
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
SEGMENT = 64 << 20
MAX = {"archive.json": 16 << 20, "archive.dsse": 4 << 20, "archive.note": 16 << 10, "log/checkpoint": 16 << 10,
       "log/consistency.json": 4 << 20}


def walk(top, under=""):
    for entry in os.scandir(os.path.join(top, under)):
        path = under + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from walk(top, path + "/")
        else:
            need(entry.is_file(follow_symlinks=False) and PATH.fullmatch(path), f"{path!r} is not a file of a bag")
            yield path


class Bag:
    """A directory as rung 1 reads it: present, its files; sums, SHA-256 by path; about, archive.json."""

    def __init__(self, directory):
        self.directory, self.present, self.sums, self.about = directory, set(), {}, {}

    def path(self, name): return os.path.join(self.directory, name)

    def read(self, name):
        need(name in self.present, f"{name} is missing", 4)
        need(os.path.getsize(self.path(name)) <= MAX.get(name, 1 << 31), f"{name} is too large")
        with open(self.path(name), "rb") as file:
            return file.read()

    def unpack(self, name, limit):
        """The plain bytes of a .zst file, at most limit."""
        need(name in self.present, f"{name} is missing", 4)
        if os.path.getsize(self.path(name)) == 0: return b""
        with open(self.path(name), "rb", buffering=0) as packed:  # its descriptor is the program's
            need(packed.read(4) == b"\x28\xb5\x2f\xfd", f"{name} is not Zstandard")  # zstd unpacks other formats too
            packed.seek(0)
            with subprocess.Popen(["zstd", "-dcq", "--memory=16MiB"], stdin=packed, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL) as program:
                plain = program.stdout.read(limit + 1)
                if len(plain) > limit: program.kill()
        need(len(plain) <= limit and program.returncode == 0, f"{name} does not unpack as it should")
        return plain

    def manifest(self, tag, bits):
        name, found = f"{tag}-sha{bits}.txt", []
        *rows, rest = self.read(name).decode().split("\n")
        need(rest == "", f"{name} ends within a line")
        for row in rows:
            parts = re.fullmatch(f"([0-9a-f]{{{bits // 4}}})  (.+)", row)
            need(parts and parts[2].startswith("data/") == (tag == "manifest") and parts[2] not in UNSIGNED,
                 f"{name} has a wrong line")
            found.append((parts[2], parts[1]))
        need(rising([path for path, _ in found]), f"{name} does not rise")
        return dict(found)

    def digests(self, name):
        sums = [hashlib.sha256(), hashlib.sha384()]
        with open(self.path(name), "rb") as file:
            while part := file.read(1 << 20):
                for s in sums: s.update(part)
        return [s.hexdigest() for s in sums]

    def check(self):
        self.present = set(walk(self.directory))
        for name in ROOTS:
            need(name in self.present, f"{name} is missing", 4)
        need(self.read("bagit.txt") == BAGIT, "bagit.txt is another one")
        for tag in ("tagmanifest", "manifest"):
            first, second = self.manifest(tag, 256), self.manifest(tag, 384)
            need(first.keys() == second.keys(), "two manifests list different files")
            for name in first:
                need(TABLE.fullmatch(name), f"{name} does not belong in an archive")
                need(name in self.present, f"{name} is missing", 4)
                need(self.digests(name) == [first[name], second[name]], f"{name} was changed")
            self.sums.update(first)
        need(self.present == UNSIGNED | set(self.sums), "there is a file that no manifest lists")
        self.about = about = ABOUT(canonical(self.read("archive.json")))
        previous = (about["previous"] or {}).get("manifest", ZERO)
        need(about["id"] == total("archive", about["org"], about["schedule"], about["from"], about["to"], previous),
             "the archive id does not follow")
        need(about["status"] == ("complete-with-exceptions" if about["exceptions"] else "complete"), "status is wrong")
        self.segments()
        kept = sorted(name.removeprefix("data/policy/") for name in self.sums if name.startswith("data/policy/"))
        need(kept == (about["policies"] or []) and about["policies"] != [], "policies are other ones")
        need(all(self.sums["data/policy/" + p] == p[:64] for p in kept), "a policy is not the one that its name says")

    def segments(self):
        at, names = self.about["from"], set()
        for n, s in enumerate(self.about["segments"], 1):
            need(s["path"] in self.present, f"{s['path']} is missing", 4)
            need(s["path"] == f"data/records/{n:06}.jsonl.zst", "segments have other names")
            need(s["first"] == at <= s["last"], "segments do not follow")
            packed = os.path.getsize(self.path(s["path"]))
            need(s["plain_size"] <= min(SEGMENT + LINE, 1000 * packed), "a segment is too large")
            at = s["last"] + 1
            names.add(s["path"])
        need(at == self.about["to"], "segments end elsewhere", 4)
        need({n for n in self.sums if n.startswith("data/records/")} == names, "there are segments too many")
