#!/usr/bin/env python3
"""Writes the C file that embeds a directory's files as nx_assets_NAME (see src/base/asset.h).

    embed.py OUTPUT NAME --dir DIRECTORY PATTERN... [--fallback PATH=FILE]

The bytes are taken in by the assembler, so megabytes cost the compiler nothing. The output is rewritten only when it
would differ; it carries each file's hash, so a changed file is a changed output. Without any file that matches, the
table holds the fallback alone, or nothing.
"""
import argparse
import hashlib
from pathlib import Path


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def collect(args):
    found = {}
    for pattern in args.patterns:
        for p in args.dir.glob(pattern):
            if p.is_file() and not any(part.startswith(".") for part in p.relative_to(args.dir).parts):
                found[p.relative_to(args.dir).as_posix()] = p
    if not found and args.fallback:
        path, _, file = args.fallback.partition("=")
        found[path] = Path(file)
    return sorted(found.items(), key=lambda item: item[0].encode())


def render(name, files):
    lines = ['#include "base/asset.h"', "", f"NX_ASSETS({name});", ""]
    rows = []
    for i, (path, file) in enumerate(files):
        data = file.read_bytes()
        symbol = f"nx_asset_{name}_{i}"
        incbin = str(file.resolve()).replace("\\", "\\\\").replace('"', '\\"')
        lines += [
            "__asm__(\".pushsection .rodata\\n\"",
            f'\t".balign 16\\n{symbol}:\\n"',
            f"\t{c_string(f'.incbin {c_string(incbin)}')} \"\\n\"",
            '\t".byte 0\\n"',
            '\t".popsection\\n");',
            f"extern const unsigned char {symbol}[] __attribute__((visibility(\"hidden\")));",
            "",
        ]
        etag = hashlib.sha256(data).hexdigest()[:16]
        rows.append(f'\t{{{c_string(path)}, {symbol}, {len(data)}u, "{etag}"}},')
    if rows:
        lines += [f"static const struct nx_asset items[] = {{", *rows, "};", ""]
    items = "items" if rows else "NULL"
    lines += [f"const struct nx_assets nx_assets_{name} = {{{items}, {len(rows)}}};", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("name")
    parser.add_argument("patterns", nargs="*")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--fallback")
    args = parser.parse_intermixed_args()
    text = render(args.name, collect(args))
    if not args.output.exists() or args.output.read_text() != text:
        args.output.write_text(text)


main()
