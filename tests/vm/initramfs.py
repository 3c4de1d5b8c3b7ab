"""Packs a directory as an initramfs (newc): initramfs.py DIRECTORY FILE"""
import gzip
import os
import sys


def entries(top):
    for where, _, files in os.walk(top):
        name = os.path.relpath(where, top)
        if name != ".":
            yield name, 0o040755, b""
        for f in files:
            path = os.path.join(where, f)
            with open(path, "rb") as src:
                yield os.path.relpath(path, top), 0o100755, src.read()
    yield "TRAILER!!!", 0, b""


def pack(top, file):
    with gzip.open(file, "wb", 1) as out:
        for number, (name, mode, data) in enumerate(entries(top), 1):
            text = name.encode() + b"\0"
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(text), 0)
            head = b"070701" + "".join(f"{v:08x}" for v in fields).encode() + text
            out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))


pack(sys.argv[1], sys.argv[2])
