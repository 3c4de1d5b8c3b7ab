"""Real programs in the sandbox: HumanEval's solutions with their own tests, and what the scanner says of them.

The data stand beside the clone, in shared/data.
"""
import gzip
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus_server import Client

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data/humaneval/HumanEval.jsonl.gz"
AT_ONCE = 16


@pytest.fixture(scope="module")
def problems():
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there")
    with gzip.open(DATA, "rt") as lines:
        return [json.loads(line) for line in lines]


def program(problem):
    return f"{problem['prompt']}{problem['canonical_solution']}\n{problem['test']}\ncheck({problem['entry_point']})\nprint('passed')\n"


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_every_solution_passes_its_tests_in_the_sandbox(server, client, problems, warm):
    clients = [Client(server, contract=client.contract) for _ in range(AT_ONCE)]

    def run(i):
        body = {"language": "python", "code": program(problems[i]), "warm": warm, "constraints": {"max_cpu_percent": 100}}
        r = clients[i % AT_ONCE].post("/v1/sandbox/executions", body)
        return r.status_code == 200 and (r.json()["status"], r.json()["stdout"]) == ("ok", "passed\n") or r.text

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(run, range(len(problems))))
    for c in clients:
        c.close()
    wrong = {p["task_id"]: r for p, r in zip(problems, results) if r is not True}
    assert len(results) == 164 and not wrong, wrong


def test_the_scanner_lets_ordinary_programs_pass(client, problems):
    levels = Counter()
    for p in problems:
        r = client.post("/v1/sandbox/scan", {"language": "python", "code": p["prompt"] + p["canonical_solution"]})
        levels[r.json()["risk_level"]] += 1
    print(dict(levels))
    flagged = sum(n for level, n in levels.items() if level not in ("none", "low"))
    assert flagged <= 0.02 * len(problems), levels
