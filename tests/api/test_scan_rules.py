"""The operator's own rules and policies of the scanner, and the SARIF that `nexus scan` writes."""
import json
import subprocess

import pytest

RULE = """rules:
  - {id: own-numpy, severity: critical, kind: import, what: [numpy], cwe: CWE-693, message: "no numpy here", advice: "use lists"}
"""
POLICIES = "policies:\n  standard:\n    blocks: medium\n"


def scan(nexus, *arguments):
    return subprocess.run([nexus, "scan", *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.fixture()
def program(tmp_path):
    path = tmp_path / "p.py"
    path.write_text("import numpy\nimport subprocess\n")
    return path


@pytest.fixture()
def rules(tmp_path):
    (tmp_path / "rules").mkdir()
    return tmp_path / "rules"


def test_rules_of_the_operator_are_added(nexus, program, rules):
    assert "own-numpy" not in scan(nexus, program).stdout
    (rules / "python.yaml").write_text(RULE)
    r = scan(nexus, "--rules", rules, "--format", "json", program)
    found = {f["rule"]: f for f in json.loads(r.stdout)["findings"]}
    assert r.returncode == 1 and found["own-numpy"]["severity"] == "critical"
    assert found["own-numpy"]["message"] == "no numpy here" and "py-import-subprocess" in found


def test_a_rule_of_the_same_id_takes_the_place_of_ours(nexus, program, rules):
    (rules / "python.yaml").write_text(RULE.replace("own-numpy", "py-import-subprocess"))
    found = [f["rule"] for f in json.loads(scan(nexus, "--rules", rules, "--format", "json", program).stdout)["findings"]]
    assert found == ["py-import-subprocess"]


def test_policies_of_the_operator_take_the_place_of_ours(nexus, program, rules):
    program.write_text("import subprocess\n")
    assert scan(nexus, program).returncode == 0
    (rules / "policies.yaml").write_text(POLICIES)
    assert scan(nexus, "--rules", rules, program).returncode == 1


@pytest.mark.parametrize("name, text, said", [
    ("python.yaml", "rules:\n  - {id: a, severity: [\n", "python.yaml: line "),
    ("python.yaml", RULE + "  - {id: b, severity: awful, kind: import, what: [x], cwe: CWE-1, message: m, advice: a}\n",
     "python.yaml:3: rule b: severity \"awful\" is not known"),
    ("shell.yaml", "rules:\n  # none\n\n  - {id: b, severity: low}\n", "shell.yaml:4: a rule needs id, message, advice and cwe"),
    ("c.yaml", RULE.replace("kind: import", "kind: imprt"), "c.yaml:2: rule own-numpy: kind \"imprt\" is not known"),
    ("c.yaml", RULE.replace("[numpy]", "[1]"), "c.yaml:2: rule own-numpy: what holds something other than text"),
    ("javascript.yaml", "rule: []\n", "javascript.yaml:1: there is no list `rules`"),
    ("policies.yaml", "policies:\n  strict: {blocks: low}\n  standard: {blocks: hgh}\n",
     "policies.yaml:3: standard: severity \"hgh\" is not known"),
    ("pyhton.yaml", RULE, "pyhton.yaml: rules are in python.yaml"),
])
def test_broken_rules_are_named_with_their_line(nexus, program, rules, name, text, said):
    (rules / name).write_text(text)
    r = scan(nexus, "--rules", rules, program)
    assert r.returncode and said in r.stderr, r.stderr


def test_a_directory_that_is_not_there_is_said(nexus, program, tmp_path):
    r = scan(nexus, "--rules", tmp_path / "nowhere", program)
    assert r.returncode and "nowhere" in r.stderr


# The shape of SARIF 2.1.0 (OASIS, 2020), section by section: no registry has its schema as a small package.

LEVELS = {"none", "note", "warning", "error"}
HARM = {"a.py": "import os\nos.system('id')\nexec(bytes.fromhex('00'))\n", "b.sh": "rm -rf /\n",
        "c.js": "eval('1')\nрусский = require('child_process')\n", "d.c": "int f(void) { return system(\"id\"); }\n"}


def test_sarif_has_the_shape_of_the_standard(nexus, tmp_path):
    for name, code in HARM.items():
        (tmp_path / name).write_text(code)
    log = json.loads(scan(nexus, "--format", "sarif", tmp_path).stdout)
    assert set(log) == {"$schema", "version", "runs"} and log["version"] == "2.1.0"  # 3.13
    (run,) = log["runs"]
    assert set(run) == {"tool", "columnKind", "results"} and run["columnKind"] == "unicodeCodePoints"  # 3.14
    driver = run["tool"]["driver"]
    assert set(run["tool"]) == {"driver"} and driver["name"] and driver["semanticVersion"].count(".") == 2  # 3.18, 3.19
    ids = [r["id"] for r in driver["rules"]]
    assert len(ids) == len(set(ids))  # 3.49.3
    for rule in driver["rules"]:  # 3.49
        assert set(rule) <= {"id", "shortDescription", "help", "defaultConfiguration", "properties"}
        assert rule["shortDescription"]["text"] and rule["help"]["text"]  # 3.12: text or id
        assert rule["defaultConfiguration"]["level"] in LEVELS  # 3.50.3
    files = set()
    for result in run["results"]:  # 3.27
        assert set(result) == {"ruleId", "ruleIndex", "level", "message", "locations"}
        assert ids[result["ruleIndex"]] == result["ruleId"] and result["level"] in LEVELS and result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]  # 3.29
        region = physical["region"]  # 3.30: positions count from 1
        assert region["startLine"] >= 1 and region["startColumn"] >= 1 and region["snippet"]["text"]
        files.add(physical["artifactLocation"]["uri"].rsplit("/", 1)[-1])
    assert files == set(HARM)
    assert scan(nexus, "--format", "sarif", tmp_path / "b.sh").stdout.count('"results"') == 1


def test_sarif_of_nothing_found_has_an_empty_list(nexus, tmp_path):
    (tmp_path / "a.py").write_text("print(1)\n")
    r = scan(nexus, "--format", "sarif", tmp_path)
    assert r.returncode == 0 and json.loads(r.stdout)["runs"][0]["results"] == []  # 3.14.23: not absent
