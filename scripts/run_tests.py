"""The stages behind scripts/test: each counts what passed, failed and was skipped, and shows its log only on failure."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build-logs"
PYTHON = sys.executable
TAIL_LINES = 60

SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp",
    "TSAN_OPTIONS": f"halt_on_error=1:suppressions={ROOT}/tests/tsan.supp",
}


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run(name, command, env=None, cwd=ROOT):
    """Runs a command with its output in the stage's log; True when it exited with 0."""
    with open(LOGS / f"{name}.log", "ab") as log:
        log.write(f"$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                              env={**os.environ, **(env or {})}).returncode == 0


def one(ok):
    return Count(1, 0) if ok else Count(0, 1)


def check(name, *command):
    return one(run(name, command))


# Building -------------------------------------------------------------------------------------------------------------

def build(name, directory, *options, env=None):
    return one(run(name, ["scripts/build", "all", directory, *options], env))


def build_clean(name):
    return build(name, "build", "-Dtests=enabled")


def build_faults(name):
    return build(name, "build-faults", "-Dtests=enabled", "-Dfaults=true")


# Unit tests -----------------------------------------------------------------------------------------------------------

CMOCKA = {"passed": re.compile(r"\[  PASSED  \] (\d+) test"), "failed": re.compile(r"\[  FAILED  \] (\d+) test"),
          "skipped": re.compile(r"\[  SKIPPED \] (\d+) test")}


def count_cmocka(directory):
    """Each program tells its own numbers; one that died without telling counts as one failure."""
    total = Count()
    for line in (ROOT / directory / "meson-logs/testlog.json").read_text().splitlines():
        program = json.loads(line)
        text = program.get("stdout", "") + program.get("stderr", "")
        numbers = {key: sum(map(int, pattern.findall(text))) for key, pattern in CMOCKA.items()}
        if program["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and numbers["failed"] == 0:
            numbers["failed"] = 1
        elif program["result"] == "OK" and not any(numbers.values()):
            numbers["passed"] = 1
        total.add(Count(**numbers))
    return total


def meson_tests(name, suite, directory="build"):
    log = ROOT / directory / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    ok = run(name, ["meson", "test", "-C", directory, "--suite", suite, "--no-rebuild", "--print-errorlogs"])
    if not log.exists():
        return Count() if ok else Count(0, 1)
    count = count_cmocka(directory)
    return count if ok or count.failed else Count(count.passed, 1, count.skipped)


def unit(name, directory="build"):
    return meson_tests(name, "unit", directory)


# Tests in Python and in the browser -----------------------------------------------------------------------------------

def count_junit(path):
    total = Count()
    for suite in xml.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        total.add(Count(int(suite.get("tests", 0)) - bad - skipped, bad, skipped))
    return total


def pytest(name, folder, directory="build"):
    if not list((ROOT / folder).rglob("test_*.py")):
        return Count()
    report = LOGS / f"{name}.xml"
    report.unlink(missing_ok=True)
    ok = run(name, [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", f"--rootdir={ROOT}",
                    f"--build={directory}", f"--junitxml={report}", folder], env=SANITIZERS)
    if not report.exists():
        return Count(0, 1)
    count = count_junit(report)
    return count if ok or count.failed else Count(count.passed, 1, count.skipped)


def fault(name):
    """Crash tests are programs of their own; those that make a fault point fail drive a build that has them."""
    total = meson_tests(name, "fault")
    total.add(meson_tests(name, "fault-points", "build-faults"))
    total.add(pytest(name, "tests/fault", "build-faults"))
    return total


TAP = {key: re.compile(rf"^# {key} (\d+)$", re.M) for key in ("pass", "fail", "cancelled", "skipped")}


def console(name):
    """tests/console: Node's own test runner, Chromium of the distribution."""
    folder = ROOT / "tests/console"
    files = sorted(str(f.relative_to(folder)) for f in folder.glob("*.test.mjs"))
    if not files:
        return Count()
    # One file at a time: each drives a browser.
    ok = run(name, ["node", "--test", "--test-concurrency=1", "--test-reporter=tap", *files], cwd=folder)
    text = (LOGS / f"{name}.log").read_text(errors="replace")
    told = {key: sum(map(int, pattern.findall(text))) for key, pattern in TAP.items()}
    count = Count(told["pass"], told["fail"] + told["cancelled"], told["skipped"])
    return count if ok or count.failed else Count(count.passed, 1, count.skipped)


def shell_scripts(name):
    files = subprocess.run(["git", "ls-files", "scripts", ".ci"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    shell = [f for f in files if (ROOT / f).read_bytes()[:20].startswith(b"#!/usr/bin/env bash")]
    return check(name, "shellcheck", *shell)


# Fuzzing --------------------------------------------------------------------------------------------------------------

def fuzz_one(program, seconds):
    target = program.name.removeprefix("fuzz_")
    work = ROOT / "build-fuzz/work" / target
    work.mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "tests/fuzz/corpus" / target
    return run(f"fuzz-{target}", [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                                  "-print_final_stats=1", f"-artifact_prefix={work}/crash-", work,
                                  *([seeds] if seeds.is_dir() else [])], env=SANITIZERS)


def fuzz(seconds):
    programs = sorted(p for p in (ROOT / "build-fuzz/tests/fuzz").glob("fuzz_*") if p.is_file() and os.access(p, os.X_OK))
    total = Count()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for program, ok in zip(programs, pool.map(lambda p: fuzz_one(p, seconds), programs)):
            total.add(one(ok))
            if not ok:
                show(f"fuzz-{program.name.removeprefix('fuzz_')}")
    return total


# The order ------------------------------------------------------------------------------------------------------------

STAGES = [
    ("format", "formatting", lambda n: check(n, "scripts/check_format")),
    ("includes", "include directions", lambda n: check(n, PYTHON, "scripts/check_includes.py")),
    ("banned", "banned calls", lambda n: check(n, PYTHON, "scripts/check_banned.py")),
    ("scripts", "shell scripts", shell_scripts),
    ("build", "build, warnings are errors", build_clean),
    ("analyze", "gcc -fanalyzer", lambda n: check(n, PYTHON, "scripts/analyze.py")),
    ("unit", "unit tests", unit),
    ("api", "API tests", lambda n: pytest(n, "tests/api")),
    ("docs", "documents", lambda n: pytest(n, "tests/docs")),
    ("faults", "build with fault points", build_faults),
    ("fault", "fault tests", fault),
    ("console", "console tests", console),
]


def sanitizer_stages(kind):
    directory, options = f"build-{kind}", {"asan": "address,undefined", "tsan": "thread"}[kind]
    return [
        (f"{kind}-build", f"{kind}: build", lambda n: build(n, directory, f"-Db_sanitize={options}", "-Dfaults=true",
                                                            "-Db_lundef=false", "-Doptimization=1", "-Dtests=enabled")),
        (f"{kind}-unit", f"{kind}: unit tests", lambda n: unit(n, directory)),
        (f"{kind}-api", f"{kind}: API tests", lambda n: pytest(n, "tests/api", directory)),
    ]


def fuzz_stages(seconds):
    clang = f"{'ccache ' if shutil.which('ccache') else ''}{ROOT}/.deps/bin/clang"
    return [
        ("fuzz-build", "fuzz: build", lambda n: build(n, "build-fuzz", "-Dfuzz=true", "-Dtests=disabled", "-Db_lundef=false",
                                                      "-Db_sanitize=address,undefined", env={"CC": clang})),
        ("fuzz", f"fuzz: {seconds} s each", lambda n: fuzz(seconds)),
    ]


def show(name):
    log = LOGS / f"{name}.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    print("\n".join(f"    {line}" for line in lines[-TAIL_LINES:]))
    print(f"    (all of it: {log.relative_to(ROOT)})", flush=True)


WHAT_FAILED = re.compile(r"\[  ERROR   \]|\[   LINE   \]|^FAILED |^ERROR |ERROR: |runtime error:|^not ok |: error: |not formatted"
                         r"|\[-W| FAIL  |TIMEOUT")


def what_failed(name, most=12):
    """The lines that name it, repeated at the very end, where they are found."""
    log = LOGS / f"{name}.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    found = dict.fromkeys(line.strip()[:200] for line in lines if WHAT_FAILED.search(line))
    return [f"failed: {name}: {line}" for line in list(found)[:most]] or \
        [f"failed: {name}"]


def run_stages(stages):
    total, failures = Count(), []
    for i, (name, title, stage) in enumerate(stages, 1):
        print(f"[{i}/{len(stages)}] {title} ... ", end="", flush=True)
        (LOGS / f"{name}.log").unlink(missing_ok=True)
        began = time.monotonic()
        count = stage(name)
        total.add(count)
        print(f"{count} ({time.monotonic() - began:.0f} s)", flush=True)
        if count.failed:
            show(name)
            failures += what_failed(name)
            if name.endswith("build"):  # without a program the rest would only repeat that
                break
    print("".join(f"{line}\n" for line in failures), end="")
    return total


def choose(args):
    if not args:
        return STAGES
    if args[0] in ("--asan", "--tsan"):
        return sanitizer_stages(args[0][2:])
    if args[0] == "--fuzz":
        return fuzz_stages(int(args[1]) if len(args) > 1 else 60)
    known = {name for name, _, _ in STAGES}
    unknown = [a for a in args if a not in known]
    if unknown:
        sys.exit(f"scripts/test: no stage `{unknown[0]}`; there are: {' '.join(n for n, _, _ in STAGES)}")
    return [s for s in STAGES if s[0] in args]


def main():
    LOGS.mkdir(exist_ok=True)
    total = run_stages(choose(sys.argv[1:]))
    print(total)
    sys.exit(1 if total.failed or not total.passed else 0)


main()
