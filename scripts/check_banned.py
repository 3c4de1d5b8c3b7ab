#!/usr/bin/env python3
"""Calls that this code base does without, and what to take instead; looked for in code, not in comments or strings."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BANNED = {
    "strcpy": "nx_str, or memcpy with a checked size",
    "stpcpy": "nx_str, or memcpy with a checked size",
    "strcat": "nx_str, or snprintf",
    "strncat": "nx_str, or snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "atoi": "strtol with its errors, or nx_str's parsers",
    "atol": "strtol with its errors, or nx_str's parsers",
    "atof": "strtod with its errors",
    "system": "the spawner, or posix_spawn",
    "popen": "the spawner, or posix_spawn",
    "alloca": "an arena",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
    "strtok": "nx_str's cutting",
    "rand": "nx_random",
    "srand": "nx_random",
    "time": "nx_time_wall_us",
    "gettimeofday": "nx_time_wall_us",
    "clock_gettime": "nx_time_mono_us",
}
# Files that wrap or need what everybody else must not call.
ALLOWED = {
    ("src/base/clock.c", "clock_gettime"),
    ("src/base/clock.c", "time"),
    ("src/execution/door.c", "clock_gettime"),  # runs in an interpreter, which has no nx_base
}
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
# A call, not a member (x.time(…), x->time(…)) and not the declaration of a longer name.
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def main():
    bad = 0
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        name = path.relative_to(ROOT).as_posix()
        code = NOISE.sub(blank, path.read_text(encoding="utf-8"))
        for hit in CALL.finditer(code):
            if (name, hit[1]) in ALLOWED:
                continue
            print(f"{name}:{code.count(chr(10), 0, hit.start()) + 1}: {hit[1]} is not used here; take {BANNED[hit[1]]}")
            bad += 1
    sys.exit(1 if bad else 0)


main()
