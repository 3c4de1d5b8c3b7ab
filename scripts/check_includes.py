#!/usr/bin/env python3
"""Do the directories of src/ include only what lies below them, and no other module's private header?

The order is that of src/meson.build. A header named *_internal.h belongs to its directory, to its unit tests and to
fuzz targets, whose decoders are seldom public.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
ORDER = re.findall(r"^subdir\('(\w+)'\)", (SRC / "meson.build").read_text(), re.MULTILINE)
# Side by side: neither may use the other.
SIBLINGS = {("execution", "knowledge"), ("knowledge", "execution")}


def faults(path, layer):
    for target in INCLUDE.findall(path.read_text(encoding="utf-8")):
        other = Path(target).parts[0]
        if other not in ORDER:
            if (path.parent / target).exists() and "/" not in target:
                yield f'"{target}": name the directory ("{layer}/{target}")'
            continue
        if layer and ORDER.index(other) > ORDER.index(layer):
            yield f'"{target}" lies above {layer} (take a callback or a vtable)'
        if layer and (layer, other) in SIBLINGS:
            yield f'"{target}": {other} and {layer} stand side by side'
        if target.endswith("_internal.h") and other != layer:
            yield f'"{target}" is private to {other}'


def main():
    bad = 0
    for path in sorted([*SRC.rglob("*.[ch]"), *(ROOT / "tests").rglob("*.[ch]"), *(ROOT / "bench").rglob("*.[ch]")]):
        parts = path.relative_to(ROOT).parts
        inside = [p for p in parts if p in ORDER]
        layer = parts[1] if parts[0] == "src" and parts[1] in ORDER else None
        for fault in faults(path, layer):
            if "is private to" in fault and inside and f"private to {inside[0]}" in fault:
                continue  # a module's own unit tests
            if "is private to" in fault and parts[:2] == ("tests", "fuzz"):
                continue
            print(f"{path.relative_to(ROOT)}: includes {fault}")
            bad += 1
    if not ORDER:
        sys.exit("src/meson.build lists no directories")
    sys.exit(1 if bad else 0)


main()
