#!/usr/bin/env python3
"""Runs gcc -fanalyzer over the C files of src/, as build/compile_commands.json would compile them, but unoptimised.

    analyze.py [BUILD_DIRECTORY]

A finding fails unless scripts/analyzer_allowed.txt names it with a reason; a line there that no longer matches fails
too. A file that was clean is looked at again only when its preprocessed text, the flags or the compiler change (the
hashes lie in build-analyze/).
"""
import hashlib
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLEAN = ROOT / "build-analyze"
LIMIT_S = 240


def allowed():
    rows = []
    for line in (ROOT / "scripts/analyzer_allowed.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            rows.append([field.strip() for field in line.split("|")])
    return rows


def arguments(entry):
    """The compiler and the flags that decide what is compiled, without outputs and without -Werror."""
    words = shlex.split(entry["command"])
    if Path(words[0]).name == "ccache":
        words = words[1:]
    kept, skip = [words[0]], False
    for word in words[1:]:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ", "-MT"):
            skip = True
        elif word not in ("-c", "-MD", "-Werror", "-g", entry["file"]) and not word.startswith(("-O", "-D_FORTIFY")):
            kept.append(word)
    return kept


def run(words, cwd):
    # C messages only: a translated one would not match the list of what is allowed.
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, env={**os.environ, "LC_ALL": "C"})


def analyze(entry):
    """(path, findings, error): findings are (option, line, function, message)."""
    cwd, file = entry["directory"], entry["file"]
    path = (Path(cwd) / file).resolve().relative_to(ROOT).as_posix()
    base = arguments(entry)
    try:
        text = run([*base, "-O0", "-E", "-P", file], cwd)
        key = hashlib.sha256((" ".join(base) + text.stdout).encode()).hexdigest()
        mark = CLEAN / key
        if mark.exists():
            return path, json.loads(mark.read_text()), None
        done = run([*base, "-O0", "-fanalyzer", "-fdiagnostics-format=json", "-S", "-o", str(CLEAN / f"{key}.s"), file], cwd)
        (CLEAN / f"{key}.s").unlink(missing_ok=True)
    except subprocess.TimeoutExpired:
        return path, [], f"took more than {LIMIT_S} s; split the file or its longest function"
    found = []
    try:
        diagnostics = json.loads(done.stderr or "[]")
    except ValueError:
        return path, [], done.stderr[-2000:]
    for d in diagnostics:
        if d["kind"] == "note":
            continue
        where = d["locations"][0]["caret"] if d["locations"] else {}
        function = next((e.get("function") for e in d.get("path", [])[-1:]), "") or ""
        found.append([d.get("option", d["kind"]), where.get("line", 0), function, d["message"]])
    if done.returncode == 0:
        mark.write_text(json.dumps(found))
    return path, found, None if done.returncode == 0 or found else done.stderr[-2000:]


def main():
    build = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "build")
    CLEAN.mkdir(exist_ok=True)
    src = str(ROOT / "src") + os.sep
    entries = [e for e in json.loads((build / "compile_commands.json").read_text())
               if os.path.normpath(os.path.join(e["directory"], e["file"])).startswith(src)]
    rows, used, bad = allowed(), set(), 0
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for path, findings, error in pool.map(analyze, entries):
            if error:
                print(f"{path}: {error}")
                bad += 1
            for option, line, function, message in findings:
                match = next((i for i, r in enumerate(rows) if r[0] == path and r[1] == option and r[2] in (function, "*")), None)
                if match is not None:
                    used.add(match)
                    continue
                print(f"{path}:{line}: {message} [{option}] in {function}")
                bad += 1
    for i, r in enumerate(rows):
        if i not in used:
            print(f"scripts/analyzer_allowed.txt: {r[0]} {r[1]} {r[2]} is no longer found; remove the line")
            bad += 1
    print(f"{len(entries)} files analyzed")
    sys.exit(1 if bad else 0)


main()
