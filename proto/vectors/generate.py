#!/usr/bin/env python3
"""Writes the test vectors of the log's format, independently of the gateway's code.

Needs the packages blake3 and xxhash. What the vectors show is told in docs/log.md (rules R2, R4, R15, R20, R23, R24).
"""

import json
import pathlib
import struct

import blake3
import xxhash

SEPARATOR = "\x1f"
HERE = pathlib.Path(__file__).parent


def field(name):
    return "".join("%%%02X" % ord(c) if c < " " or c in "\x7f%" else c for c in name)


def key_vector(kind, name, rest):
    hashed = SEPARATOR.join(field(part) for part in name).encode()
    text = SEPARATOR.join([kind, *(field(part) for part in [*name, *rest])])
    hash_value = xxhash.xxh3_64_intdigest(hashed, seed=0)
    return {
        "type": kind,
        "name": name,
        "rest": rest,
        "key": text,
        "hashed_hex": hashed.hex(),
        "xxh3_64": "%016x" % hash_value,
        "partition": {str(count): hash_value % count for count in (1, 3, 8, 256)},
    }


def digest(key, value):
    hashed = blake3.blake3(struct.pack("<I", len(key)) + key + value).digest()
    return int.from_bytes(hashed[:16], "big")


def digest_vector(key, value):
    return {"key_hex": key.hex(), "value_hex": value.hex(), "digest_hex": "%032x" % digest(key, value)}


def header_vector(schema, term, nonce, seq, observed):
    packed = struct.pack(">HIIQQ", schema, term, nonce, seq, observed)
    fields = {"schema": schema, "term": term, "nonce": nonce, "seq": seq, "observed_ms": observed}
    return {**fields, "valid": term < 2**31, "hex": packed.hex()}


def target(cluster, services):
    encoded = [field(part).replace("/", "%2F") for part in services or []]
    return "/".join([cluster, *encoded])


def varint(number):
    more = number >> 7
    return bytes([number & 0x7F | (0x80 if more else 0)]) + (varint(more) if more else b"")


def protobuf(fields):
    """Fields of one message by number: numbers, texts, messages (bytes); ("fixed32", n). Defaults are left out."""
    encoded = b""
    for number, value in sorted(fields.items()):
        if isinstance(value, tuple):
            encoded += varint(number << 3 | 5) + struct.pack("<I", value[1]) if value[1] else b""
        elif isinstance(value, int):
            encoded += varint(number << 3) + varint(value) if value else b""
        elif value:
            data = value.encode() if isinstance(value, str) else value
            encoded += varint(number << 3 | 2) + varint(len(data)) + data
    return encoded


def drain_vector(cluster, services, valid, counter, percent, force, who, why, when_ms, replica, ramp):
    names = ["from", "to", "started_ms", "over_ms"]
    steps = protobuf(dict(enumerate(ramp, 1))) if ramp else b""
    value = protobuf({1: counter, 2: percent, 3: int(force), 4: who, 5: why, 6: when_ms, 7: ("fixed32", replica), 8: steps})
    return {
        "cluster": cluster,
        "services": services,
        "key": "intent/drain/" + target(cluster, services),
        "valid": valid,
        "counter": counter,
        "percent": percent,
        "force": force,
        "who": who,
        "why": why,
        "when_ms": when_ms,
        "replica": replica,
        "ramp": dict(zip(names, ramp)) if ramp else None,
        "value_hex": value.hex(),
    }


def guard_vector(cluster, namespace, valid, counter, word, since_ms, kept, lost, of, who, why, when_ms):
    number = {"held": 1, "kept": 2, "released": 3, "over": 4, "unspecified": 0, "later": 9}[word]
    value = protobuf({1: counter, 2: number, 3: since_ms, 4: kept, 5: lost, 6: of, 7: who, 8: why, 9: when_ms})
    return {
        "cluster": cluster,
        "namespace": namespace,
        "key": "guard/" + target(cluster, [namespace]),
        "valid": valid,
        "counter": counter,
        "word": word,
        "since_ms": since_ms,
        "kept": kept,
        "lost": lost,
        "of": of,
        "who": who,
        "why": why,
        "when_ms": when_ms,
        "value_hex": value.hex(),
    }


def census_vector(keys):
    """Hashes of keys and the census of each bucket that has one: key and value."""
    hashes = sorted(xxhash.xxh3_64_intdigest(key.encode(), seed=0) for key in keys)
    buckets = {}
    for number in hashes:
        buckets.setdefault(number >> 56, []).append(number)
    packed = {bucket: b"".join(struct.pack("<Q", number) for number in of) for bucket, of in buckets.items()}
    value = lambda data: b"\x0a" + varint(len(data)) + data
    return {
        "keys": [{"key": key, "xxh3_64": "%016x" % xxhash.xxh3_64_intdigest(key.encode(), seed=0)} for key in keys],
        "records": [
            {"key": SEPARATOR.join(["census", "%02x" % bucket]), "value_hex": value(data).hex()}
            for bucket, data in packed.items()
        ],
    }


def write(name, document):
    text = json.dumps(document, indent=2, ensure_ascii=True) + "\n"
    (HERE / name).write_text(text, encoding="ascii")


KEYS = [
    key_vector("i", ["public", "DEFAULT_GROUP", "orders"], ["10.0.0.1", "8080", "DEFAULT"]),
    key_vector("i", ["", "DEFAULT_GROUP", "orders"], ["10.0.0.1", "8080", "DEFAULT"]),
    key_vector("i", ["public", "g", "a%b\x1fc\nd\x7f"], ["fe80::1", "0", ""]),
    key_vector("i", ["5f0c", "组", "服务-\U0001f980"], ["host.example", "65535", "集群"]),
    key_vector("c", ["public", "DEFAULT_GROUP", "orders.yaml"], []),
    key_vector("c", ["", "", "\t%25"], []),
    key_vector("c", ["n" * 128, "g" * 128, "d" * 256], []),
]

PAIRS = [
    (b"", b""),
    (b"checkpoint", b""),
    (KEYS[0]["key"].encode(), bytes.fromhex("09000000000000f03f1001")),
    (KEYS[4]["key"].encode(), b"\x0a\x05hello"),
    (b"a", b"bc"),
    (b"ab", b"c"),
    (b"k" * 300, bytes(range(256)) * 20),
]

if __name__ == "__main__":
    write("keys.json", KEYS)
    write("census.json", census_vector([vector["key"] for vector in KEYS]))
    total = sum(digest(key, value) for key, value in PAIRS) % 2**128
    write("digests.json", {"records": [digest_vector(*pair) for pair in PAIRS], "sum_hex": "%032x" % total})
    when, services = 1_795_000_000_000, ["", "g/1", "50%-*\t"]
    write(
        "intents.json",
        [
            drain_vector("frankfurt", None, True, 1, 30, False, "ann", "maintenance", when, 0xDEADBEEF, None),
            drain_vector("frankfurt", None, True, 2**63 - 1, 0, False, "ann", "", when, 1, None),
            drain_vector("a-1", ["*", "DEFAULT_GROUP", "order-*"], True, 7, 100, True, "b\xf6b", "", when, 1, None),
            drain_vector("a", services, True, 300, 12, False, "ann", "", when, 7, [0, 100, when, 600_000]),
            drain_vector("a", None, True, 300, 12, False, "ann", "", when, 0, [100, 0, when, 2**64 - 1]),
            drain_vector("a", None, False, 2**63, 30, False, "ann", "", when, 1, None),
            drain_vector("a", None, False, 2**64 - 1, 30, False, "ann", "", when, 1, None),
            drain_vector("a", None, False, 0, 30, False, "ann", "", when, 1, None),
            drain_vector("a", None, False, 1, 101, False, "ann", "", when, 1, None),
            drain_vector("a", None, False, 1, 30, False, "ann", "", when, 1, [30, 30, when, 1_000]),
            drain_vector("a", None, False, 1, 30, False, "ann", "", when, 1, [0, 60, when, 0]),
        ],
    )
    write(
        "guard.json",
        [
            guard_vector("shanghai", "public", True, 1, "held", when, 90, 100, 120, "guard", "", when),
            guard_vector("shanghai", "", True, 2**40, "kept", when, 1, 2, 3, "ann", "restoring", when + 1),
            guard_vector("a-1", "n/1 50%\t", True, 3, "released", 0, 0, 2**64 - 1, 2**64 - 1, "b\xf6b", "", 0),
            guard_vector("a", "\u7ec4", True, 4, "over", when, 0, 0, 0, "", "", when),
            guard_vector("a", "b", False, 0, "held", when, 1, 1, 1, "ann", "", when),
            guard_vector("a", "b", False, 2**63, "held", when, 1, 1, 1, "ann", "", when),
            guard_vector("a", "b", False, 1, "unspecified", when, 1, 1, 1, "ann", "", when),
            guard_vector("a", "b", False, 1, "later", when, 1, 1, 1, "ann", "", when),
        ],
    )
    write(
        "headers.json",
        [
            header_vector(1, 1, 0xDEADBEEF, 1, 1_795_000_000_000),
            header_vector(2, 2**31 - 1, 0, 2**64 - 1, 0),
            header_vector(0xFFFF, 0, 2**32 - 1, 0, 2**64 - 1),
            header_vector(1, 2**31, 1, 1, 1),
            header_vector(1, 2**32 - 1, 2**32 - 1, 2**64 - 1, 2**64 - 1),
        ],
    )
