#!/usr/bin/env python3
"""Writes the test vectors of the log's format, independently of the gateway's code.

Needs the packages blake3 and xxhash. What the vectors show is told in docs/log.md (rules R2, R4, R15, R23).
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
    total = sum(digest(key, value) for key, value in PAIRS) % 2**128
    write("digests.json", {"records": [digest_vector(*pair) for pair in PAIRS], "sum_hex": "%032x" % total})
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
