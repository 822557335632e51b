"""Verifies an export of the audit trail: verifier.py FILE KEY [KEY ...]

Written from docs/audit-format.md alone. Each KEY is a public key that is trusted, as `bulkhead audit key` prints it.
Says what was verified, or what is wrong, and exits with 1 then.
"""

import hashlib
import json
import re
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    """What is wrong, in a sentence."""


def require(holds, what):
    if not holds:
        raise Wrong(what)


def encoded(members):
    parts = [b"\x01"]
    for name, value in sorted(members.items(), key=lambda member: member[0].encode()):
        parts += [bytes([len(name.encode())]), name.encode()]
        if type(value) is int:
            parts.append(b"i" + struct.pack(">q", value))
        else:
            require(type(value) is str, f"member `{name}` is neither a text nor a number")
            parts.append(b"s" + struct.pack(">I", len(value.encode())) + value.encode())
    return b"".join(parts)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def from_hex(text, length):
    require(type(text) is str and re.fullmatch(f"[0-9a-f]{{{2 * length}}}", text), f"not {length} bytes: {text}")
    return bytes.fromhex(text)


class Batch:
    def __init__(self, given, trusted):
        self.writer, self.first = given["writer"], given["first"]
        self.leaves = [from_hex(leaf, 32) for leaf in given["leaves"]]
        self.last, self.before = self.first + len(self.leaves), None
        head = from_hex(given["previous"], 32)
        require(self.leaves and self.first >= 1, "a batch is empty")
        require(self.first > 1 or not any(head), "something is said to be before the first entry")
        for leaf in self.leaves:
            head = sha256(b"\x02", head, leaf)
        signed = {"first": self.first, "head": head.hex(), "kind": "batch", "seq": self.last - 1, "writer": self.writer}
        require(given["key"] in trusted, f"run {self.writer} is signed with a key that is not trusted: {given['key']}")
        try:
            key = Ed25519PublicKey.from_public_bytes(from_hex(given["key"], 32))
            key.verify(from_hex(given["signature"], 64), encoded(signed))
        except InvalidSignature:
            raise Wrong(f"entries from {self.first} on of run {self.writer} are not signed by its key") from None

    def proves(self, entry, kind):
        seq, name = entry["seq"], f"entry {entry['seq']} of run {entry['writer']}"
        require(entry["writer"] == self.writer and self.first <= seq < self.last, f"{name} is not of its batch")
        require(entry["kind"] == kind, f"{name} is no {kind}")
        require(sha256(encoded(entry)) == self.leaves[seq - self.first], f"{name} was changed")
        return seq, name

    def verify(self, line):
        """The bodies of an event that are not there any more."""
        entry, missing = line["entry"], set()
        seq, name = self.proves(entry, "event")
        require(self.before is None or seq < self.before, f"{name} is not in its place")
        for body in ("payload", "result"):
            digest, kept = entry.get(f"{body}_digest"), line.get(body)
            if kept is not None:
                found = sha256(from_hex(kept["salt"], 16), kept["canonical"].encode()).hex()
                require(found == digest, f"the {body} of {name} was changed")
            elif digest is not None and entry.get(f"{body}_kept") is None:
                missing.add((self.writer, seq, body))
        require(set(line) <= {"entry", "payload", "result"}, f"{name} has something beside it that is not proved")
        self.before = seq
        return missing


def unlike(pairs):
    names = [name for name, _ in pairs]
    require(len(names) == len(set(names)), "a name is there twice")
    return dict(pairs)


def purged_by(given, trusted, before):
    """The bodies of which a statement says that they were removed."""
    require(given.keys() == {"batch", "entry"}, "a purge has something beside it that is not proved")
    batch, entry = Batch(given["batch"], trusted), given["entry"]
    batch.proves(entry, "purge")
    place = (batch.writer, entry["seq"])
    require(before is None or place > before, "a purge is not in its place")
    return place, {(body["writer"], body["seq"], body["body"]) for body in json.loads(entry["body"])["bodies"]}


def verify(lines, trusted):
    """The number of events, each of which a trusted key has signed as it is."""
    lines = [json.loads(line, object_pairs_hook=unlike) for line in lines]
    require(lines and lines[0].get("export") == 1, "this is no export of version 1")
    require(lines[-1].keys() == {"end"}, "the file was cut: its last line is missing")
    batch, events, seen = None, 0, set()
    missing, purged, last_purge = set(), set(), None
    for line in lines[1:-1]:
        require("unproved" not in line, f"nothing proves an event: {line}")
        if line.keys() == {"purge"}:
            last_purge, bodies = purged_by(line["purge"], trusted, last_purge)
            purged |= bodies
            continue
        require(last_purge is None, "something stands behind a purge")
        if line.keys() == {"batch"}:
            batch = Batch(line["batch"], trusted)
        else:
            require(batch is not None, "an event is in no batch")
            missing |= batch.verify(line)
            events += 1
            place = (batch.writer, line["entry"]["seq"])
            require(place not in seen, f"entry {place[1]} of run {place[0]} is there twice")
            seen.add(place)
    require(missing <= purged, "a body is not there any more, and nobody has said so")
    require(events == lines[-1]["end"]["events"], "events were removed from the file, or added to it")
    return events


def main(path, *trusted):
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            lines = file.read().removesuffix("\n").split("\n")
        print(f"{verify(lines, trusted)} events, as a trusted key has signed them")
    except Wrong as wrong:
        sys.exit(f"{path}: {wrong}")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        sys.exit(f"{path}: not written as an export is: {error!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
