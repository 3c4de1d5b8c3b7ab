"""What share of harmful programs the scanner finds; docs/benchmarks.md has the figures, and those of bandit on the same."""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scan"))
from risky_python import KINDS  # noqa: E402

SEVERITIES = ["none", "low", "medium", "high", "critical"]


def scan(nexus, folder):
    run = subprocess.run([nexus, "scan", "--format", "json", folder], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run.stderr
    return {Path(r["path"]).stem: r for r in map(json.loads, run.stdout.splitlines())}


def test_harm_is_found_at_medium_or_above(nexus, tmp_path):
    programs = {f"{kind.replace(' ', '_')}-{i}": code for kind, codes in KINDS.items() for i, code in enumerate(codes)}
    for name, code in programs.items():
        (tmp_path / f"{name}.py").write_text(code + "\n")
    results = scan(nexus, tmp_path)
    assert results.keys() == programs.keys()
    missed = [name for name, r in results.items() if SEVERITIES.index(r["risk_level"]) < 2]
    assert len(missed) <= len(programs) // 10, missed
    for kind, codes in KINDS.items():
        of_kind = [m for m in missed if m.startswith(kind.replace(" ", "_") + "-")]
        assert len(of_kind) <= len(codes) // 3, of_kind
