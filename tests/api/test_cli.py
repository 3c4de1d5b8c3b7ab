"""The command line against a running server: answers, exit statuses, and what it says when it is used wrongly."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexus_server import Client

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))

from openai_server import OpenAIServer  # noqa: E402

VERBS = ["serve", "ask", "ingest", "search", "exec", "scan", "remember", "recall", "task", "agent", "key", "config",
         "doctor", "explain", "bench", "completion", "version"]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def cli(nexus, server, tmp_path):
    def run(*words, input=None, url=server.url, **env):
        full = {**os.environ, "NEXUS_HOME": str(tmp_path / "none"), "NEXUS_MODEL_EMBEDDING": "none", "NEXUS_URL": url, **env}
        return subprocess.run([str(nexus), *map(str, words)], input=input if input is not None else "", text=True,
                              capture_output=True, timeout=60, cwd=tmp_path, env=full)
    return run


def ok(r):
    assert r.returncode == 0, (r.returncode, r.stdout, r.stderr)
    return r.stdout


def test_help_begins_with_examples(cli):
    overview = ok(cli("--help"))
    assert overview.index("Examples") < overview.index("Verbs") and all(f"  {v} " in overview for v in VERBS)
    for verb in VERBS:
        text = ok(cli(verb, "--help"))
        assert text.startswith(f"nexus {verb}: ") and f"  nexus {verb}" in text, text
        assert text.index("Examples") < text.index("Usage"), verb
    assert cli().returncode == 2


WRONG = [
    (["aks"], "nexus ask"), (["--json", "ask"], "after the verb"), (["help", "serch"], "nexus search"),
    (["ask"], "missing"), (["ask", "--plam", "x", "y"], "--plan"), (["ask", "-x"], "short"), (["ask", "--url"], "value"),
    (["ask", "--timeout", "soon", "x"], "--timeout"), (["ask", "--json=1", "x"], "no value"), (["search"], "missing"),
    (["search", "--limit", "many", "x"], "--limit"), (["recall", "--limit", "many", "x"], "--limit"),
    (["remember"], "missing"), (["remember", "--importance", "7", "x"], "0 to 1"), (["task", "shw", "1"], "nexus task show"),
    (["task", "show"], "usage:"), (["task", "--limit", "many"], "--limit"), (["agent", "shwo", "x"], "nexus agent show"),
    (["key", "creat"], "nexus key create"), (["key", "revoke"], "usage:"), (["exec"], "usage:"),
    (["exec", "--time", "-1", "-"], "--time"), (["scan"], "usage:"), (["scan", "--policy", "strickt", "-"], "strict"),
    (["ingest"], "usage:"), (["config", "sandbox.max_memry_mb"], "sandbox.max_memory_mb"), (["config", "--listn", "x"], "--listen"),
    (["serve", "now"], "no words"), (["serve", "--listn", "x"], "--listen"), (["doctor", "x"], "no words"),
    (["version", "x"], "no words"), (["explain", "NX-A", "NX-B"], "one code"), (["bench", "nosuch"], "no benchmark"),
    (["completion"], "bash, zsh or fish"), (["completion", "fihs"], "nexus completion fish")]


@pytest.mark.parametrize("words,hint", WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_wrong_usage_says_what_is_right(cli, words, hint):
    r = cli(*words)
    assert r.returncode == 2 and hint in r.stderr and "--help" in r.stderr and r.stdout == "", (r.returncode, r.stderr)


def test_wrong_usage_is_json_when_asked(cli):
    r = cli("search", "--json", "--limit", "many", "x")
    assert r.returncode == 2 and json.loads(r.stderr)["error"]["code"] == "NX-INVALID"


def test_without_a_server_every_verb_says_how_to_start_one(cli):
    for words in (["ask", "x"], ["search", "x"], ["recall", "x"], ["remember", "x"], ["task"], ["agent"], ["key"],
                  ["task", "events", "x"], ["exec", "-"]):
        r = cli(*words, url=NOWHERE)
        assert r.returncode == 1 and "NX-NO-SERVER" in r.stderr and "nexus serve" in r.stderr, (words, r.stderr)
    r = cli("ask", "--json", "x", url=NOWHERE)
    assert json.loads(r.stderr)["error"]["code"] == "NX-NO-SERVER"


def test_ask(cli, tmp_path):
    assert ok(cli("ask", "--quiet", "12.5% of 80")) == "10\n"
    r = cli("ask", "12.5%", "of", "80")
    assert ok(r).startswith("10\n") and "Plan" in r.stdout and "\x1b" not in r.stdout + r.stderr and "\r" not in r.stderr
    assert json.loads(ok(cli("ask", "--json", "-", input="6 * 7\n")))["result"]["text"] == "42"
    assert cli("ask", "-", input=" \n").returncode == 2
    plan = tmp_path / "plan.yaml"
    plan.write_text("steps:\n  - {id: a, tool: math.eval, input: {expression: 2 + 3}}\n")
    assert json.loads(ok(cli("ask", "--json", "--plan", plan, "x")))["plan"]["steps"][0]["id"] == "a"
    plan.write_text("steps:\n  - {id: a, tool: no.such, input: {}}\n")
    r = cli("ask", "--plan", plan, "x")
    assert r.returncode == 1 and "no.such" in r.stderr and "/plan/steps/0" in r.stderr
    assert cli("ask", "--plan", "nowhere.yaml", "x").returncode == 1
    assert cli("ask", "--timeout", "-1", "x").returncode == 1


def test_documents(cli, tmp_path):
    corpus = tmp_path / "corpus"
    (corpus / "deep").mkdir(parents=True)
    (corpus / "a.md").write_text("# Gauge\n\nMiriam Oduya designed the zwickel gauge.\n")
    (corpus / "deep/b.txt").write_text("The zwickel station stands at Lake Orin.\n")
    (corpus / ".hidden.txt").write_text("never seen\n")
    (corpus / "c.bin").write_bytes(b"\0\1")
    first = json.loads(ok(cli("ingest", "--json", corpus)))
    assert first["files"] == 2 and first["inserted"] == 2 and first["chunks"] >= 2
    assert json.loads(ok(cli("ingest", "--json", corpus)))["unchanged"] == 2
    lines = corpus / "d.jsonl"
    lines.write_text('{"id": "zw1", "title": "One", "text": "zwickel one"}\n{"_id": "zw2", "text": "zwickel two"}\n')
    assert json.loads(ok(cli("ingest", "--json", lines)))["inserted"] == 2
    assert "Oduya" in ok(cli("search", "zwickel", "gauge"))
    assert json.loads(ok(cli("search", "--json", "--limit", "1", "--mode", "text", "zwickel")))["hits"]
    assert ok(cli("search", "--explain", "zwickel", "gauge")).count("text ") >= 1
    assert "nothing found" in ok(cli("search", "--mode", "text", "qqqzzzxxx"))
    assert cli("search", "--mode", "tex", "x").returncode == 1
    for name, bad in (("bad.jsonl", b'{"id": 1\n'), ("bad.txt", b"\xff\xfe\x00"), ("empty.jsonl", b"\n")):
        (tmp_path / name).write_bytes(bad)
        r = cli("ingest", tmp_path / name)
        assert r.returncode == 1 and "nexus: " in r.stderr, (name, r.stdout, r.stderr)
    (tmp_path / "nothing").mkdir()
    for words in (["nowhere.md"], [tmp_path / "nothing"]):
        r = cli("ingest", *words)
        assert r.returncode == 1 and "NX-NOT-FOUND" in r.stderr, (words, r.stderr)


@pytest.mark.parametrize("name,code,needs,out", [
    ("a.mjs", "import os from 'os'\nconsole.log(6 * 7, typeof os)", "node", "42 object\n"),
    ("a.c", '#include <stdio.h>\nint main(void) { return puts("42") < 0; }', "gcc", "42\n"),
    ("a.sql", "SELECT n FROM t ORDER BY n DESC;", "sqlite3", "n\n10\n9\n")])
def test_exec_knows_the_language_by_the_name(cli, tmp_path, name, code, needs, out):
    if not shutil.which(needs):
        pytest.skip(f"{needs} is not installed")
    (tmp_path / name).write_text(code)
    (tmp_path / "t.csv").write_text("n\n9\n10\n")
    assert ok(cli("exec", "--quiet", tmp_path / name, tmp_path / "t.csv")) == out


def test_exec(cli, tmp_path):
    program = tmp_path / "p.py"
    program.write_text("import sys\nprint(sys.stdin.read().upper(), end='')\nsys.exit(7)\n")
    (tmp_path / "in").write_text("abc")
    r = cli("exec", "--stdin", tmp_path / "in", program)
    assert r.returncode == 7 and r.stdout == "ABC" and "wall" in r.stderr and "held by" in r.stderr
    assert ok(cli("exec", "--quiet", "-", input="print(6*7)")) == "42\n"
    assert json.loads(ok(cli("exec", "--json", "--language", "shell", "-", input="echo hi")))["stdout"] == "hi\n"
    assert cli("exec", "--language", "shell", "--time", "0.3", "-", input="sleep 9").returncode == 124
    fetch = "import urllib.request, urllib.error\ntry: urllib.request.urlopen('http://10.0.0.1/')\nexcept urllib.error.HTTPError as e: print(e.code, e.reason)"
    for hosts, why in [(["--allow", "all"], "private"), (["--allow", "a.example,*.b.example"], "not in the allow list"),
                       (["--deny", "10.0.0.0/8"], "deny list"), (["--allow", "10.0.0.1:80", "--deny", "10.0.0.1"], "deny list")]:
        r = cli("exec", *hosts, "-", input=fetch)
        assert r.stdout.startswith("403 ") and why in r.stdout and "1 refused" in r.stderr, r
    r = cli("exec", "--policy", "strict", "-", input="import ctypes\nimport os\nos.system('rm -rf /')\n")
    assert r.returncode == 125 and "line " in r.stderr
    assert cli("exec", "nowhere.py").returncode == 1
    assert cli("exec", program, "nowhere.csv").returncode == 1


def test_scan(cli, tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("print(1)\n")
    bad.write_text("import os\nos.system('rm -rf /')\n")
    assert "risk" in ok(cli("scan", good, url=NOWHERE))
    r = cli("scan", "--policy", "strict", good, bad, url=NOWHERE)
    assert r.returncode == 1 and "bad.py:2:" in r.stdout
    r = cli("scan", "--policy", "strict", "--json", bad, url=NOWHERE)
    assert r.returncode == 1 and json.loads(r.stdout)["findings"]
    assert cli("scan", "nowhere.py", url=NOWHERE).returncode == 1


def test_scan_of_a_directory_as_text_and_as_sarif(cli, tmp_path):
    below = tmp_path / "src/deep"
    below.mkdir(parents=True)
    (below / "bad.py").write_text("import os\nos.system('rm -rf /')\n")
    (tmp_path / "src/good.sh").write_text("echo hello\n")
    (tmp_path / "src/notes.txt").write_text("import os\n")
    (tmp_path / "src/.hidden.py").write_text("import os\n")
    r = cli("scan", "--policy", "strict", tmp_path / "src", url=NOWHERE)
    assert r.returncode == 1 and "deep/bad.py:2:" in r.stdout and "good.sh: risk none" in r.stdout
    assert "notes" not in r.stdout and "hidden" not in r.stdout

    r = cli("scan", "--format", "sarif", tmp_path / "src", url=NOWHERE)
    log = json.loads(r.stdout)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] and len({rule["id"] for rule in rules}) == len(rules) > 0
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    for found in run["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"] and found["message"]["text"]
        assert found["level"] in ("note", "warning", "error")
        place = found["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith("deep/bad.py") and place["region"]["startLine"] in (1, 2)
    assert any(found["level"] == "error" for found in run["results"])

    assert cli("scan", "--format", "xml", tmp_path / "src", url=NOWHERE).returncode == 2
    (tmp_path / "empty").mkdir()
    r = cli("scan", tmp_path / "empty", url=NOWHERE)
    assert r.returncode == 1 and ".py" in r.stderr


def test_memory(cli):
    assert "remembered" in ok(cli("remember", "--user", "cli", "--importance", "0.9", "The review is on Sunday"))
    assert "Sunday" in ok(cli("recall", "--user", "cli", "review"))
    assert json.loads(ok(cli("recall", "--json", "--user", "cli", "--limit", "1", "review")))["ranked"]
    assert "nothing is remembered" in ok(cli("recall", "--user", "cli-nobody", "review"))


def test_tasks_and_agents(cli):
    task = json.loads(ok(cli("ask", "--json", "--user", "cli-t", "2 + 2")))["id"]
    assert task in ok(cli("task", "--user", "cli-t")) and task in ok(cli("task", "list", "--state", "succeeded", "--user", "cli-t"))
    assert ok(cli("task", "show", task)).startswith("4\n")
    assert "task.succeeded" in ok(cli("task", "events", task))
    assert json.loads(ok(cli("task", "trace", task)))["task_id"] == task
    assert "items" in json.loads(ok(cli("task", "logs", task)))
    assert "succeeded" in ok(cli("task", "cancel", task))
    r = cli("task", "show", "nosuch")
    assert r.returncode == 1 and "NX-" in r.stderr
    assert "researcher" in ok(cli("agent")) and "can:" in ok(cli("agent", "show", "researcher"))
    assert cli("agent", "show", "nobody").returncode == 1


def test_keys(cli, start):
    server = start()
    assert "no keys" in ok(cli("key", url=server.url))
    key = ok(cli("key", "create", "--name", "root", url=server.url)).strip()
    for words in (["key"], ["ask", "1 + 1"], ["search", "x"]):
        assert cli(*words, url=server.url).returncode == 4, words
        assert cli(*words, url=server.url, NEXUS_KEY="nx_wrong").returncode == 4, words
    reader = json.loads(ok(cli("key", "create", "--json", "--scopes", "knowledge:read,tasks:read", url=server.url, NEXUS_KEY=key)))
    ok(cli("search", "x", url=server.url, NEXUS_KEY=reader["key"]))
    assert cli("ask", "1 + 1", url=server.url, NEXUS_KEY=reader["key"]).returncode == 4
    listed = ok(cli("key", "list", url=server.url, NEXUS_KEY=key))
    assert "root" in listed and reader["id"] in listed and key not in listed
    assert ok(cli("key", "revoke", reader["id"], url=server.url, NEXUS_KEY=key)) == "revoked\n"
    assert cli("search", "x", url=server.url, NEXUS_KEY=reader["key"]).returncode == 4


def test_config(cli, tmp_path):
    r = cli("config", "listen", NEXUS_LISTEN="127.0.0.1:9000")
    assert "127.0.0.1:9000" in ok(r) and "environment" in r.stdout
    rows = json.loads(ok(cli("config", "--json", "sandbox")))
    assert rows and all("sandbox" in row["name"] for row in rows)
    assert ok(cli("config", "--markdown")).count("|") > 100
    secret = ok(cli("config", "api_key", NEXUS_MODEL_API_KEY="sk-very-secret"))
    assert "sk-very-secret" not in secret
    home = tmp_path / "home"
    home.mkdir()
    (home / "nexus.yaml").write_text("listn: 127.0.0.1:1\n")
    r = cli("config", "--home", home)
    assert r.returncode == 1 and "listn" in r.stderr and "listen" in r.stderr.replace("listn", "")


def test_doctor_explain_version_and_bench(cli):
    r = cli("doctor", "--json")
    checks = {c["what"]: c for c in json.loads(r.stdout)}
    assert "server" in checks and "version" in checks and r.returncode == (0 if all(c["ok"] for c in checks.values()) else 1)
    assert all(c["fix"] for c in checks.values() if not c["ok"])
    assert "Why: " in ok(cli("explain", "NX-IN-USE")) and "السبب" in ok(cli("explain", "--ar", "NX-NO-SERVER"))
    assert "NX-IN-USE" in ok(cli("explain"))
    r = cli("explain", "NX-IN-USEE")
    assert r.returncode == 1 and "nexus explain NX-IN-USE`" in r.stderr
    assert "llama" in ok(cli("version", "--features")) and "features" in json.loads(ok(cli("version", "--json")))
    assert "Here:\n  retrieval\n" in ok(cli("bench", "list"))


def test_bench_retrieval_measures_a_data_set(cli, tmp_path):
    assert "retrieval --data DIR" in ok(cli("bench", "--help"))
    for words in ([], ["--data"], ["--nosuch"], ["--data", tmp_path, "--limit", "x"]):
        r = cli("bench", "retrieval", *words)
        assert r.returncode == 2 and "usage: retrieval" in r.stderr and r.stdout == ""
    texts = {"a": "Miriam Oduya designed the tide gauge.", "b": "The station stands at Lake Orin.", "c": "Bread is baked in ovens."}
    lines = [json.dumps({"_id": k, "title": k, "text": v}) for k, v in texts.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "Who designed the gauge?"}\n{"_id": "q2", "text": "Where is the station?"}\n')
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\ta\t1\nq2\tb\t1\n")
    r = cli("bench", "retrieval", "--data", tmp_path, TMPDIR=str(tmp_path))
    last = json.loads(ok(r).splitlines()[-1])
    assert last["bench"] == "retrieval" and last["questions"] == 2 and last["modes"]["text"]["recall_5"] == 100.0
    assert "R@5" in r.stderr and "\r" not in r.stderr
    assert not list(tmp_path.glob("nexus-retrieval-*"))
    assert cli("bench", "retrieval", "--data", tmp_path / "nowhere").returncode == 1


def complete(nexus, cwd, *words):
    """What bash offers for the last word."""
    script = ('source <("$0" completion bash); COMP_WORDS=(nexus "$@"); COMP_CWORD=$#; _nexus; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    r = subprocess.run(["bash", "--norc", "-c", script, str(nexus), *words], text=True, capture_output=True, timeout=30, cwd=cwd)
    assert r.returncode == 0 and r.stderr == "", r.stderr
    return r.stdout.split()


def test_completion_in_bash(nexus, tmp_path):
    assert set(VERBS) <= set(complete(nexus, tmp_path, "")) and "spawner" not in complete(nexus, tmp_path, "")
    assert complete(nexus, tmp_path, "as") == ["ask"]
    assert complete(nexus, tmp_path, "help", "sea") == ["search"]
    assert complete(nexus, tmp_path, "task", "") == ["list", "show", "cancel", "events", "trace", "logs"]
    assert complete(nexus, tmp_path, "task", "show", "s") == []
    assert complete(nexus, tmp_path, "ask", "--pl") == ["--plan"]
    assert complete(nexus, tmp_path, "ask", "--plan", "") == []  # then readline offers files
    assert complete(nexus, tmp_path, "serve", "--sandbox-max-mem") and not complete(nexus, tmp_path, "ask", "--listen")
    r = subprocess.run(["bash", "--norc", "-c", 'source <("$0" completion bash); complete -p nexus', str(nexus)],
                       text=True, capture_output=True, timeout=30)
    assert r.stdout == "complete -o bashdefault -o default -F _nexus nexus\n"


@pytest.mark.parametrize("shell,check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])])
def test_completion_offers_every_option_that_the_help_has(cli, shell, check, tmp_path):
    script = ok(cli("completion", shell))
    for verb in VERBS:
        for option in re.findall(r"^  --([a-z-]+)", ok(cli(verb, "--help")), re.MULTILINE):
            wanted = f"seen_subcommand_from {verb}' -l {option} " if shell == "fish" else f"--{option}"
            assert wanted in script, (verb, option)
    path = tmp_path / "completion"
    path.write_text(script)
    if shutil.which(check[0]):
        subprocess.run([*check, str(path)], check=True, timeout=30)


# Without a server ---------------------------------------------------------------------------------------------------

class Alone:
    """Verbs on a data directory of their own, with nobody at the configured address."""

    def __init__(self, program, tmp):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{s.getsockname()[1]}"
        self.program, self.cwd, self.home = str(program), tmp, tmp / "home"
        self.env = {**os.environ, "NEXUS_HOME": str(self.home), "NEXUS_LISTEN": self.address, "NEXUS_MODEL_EMBEDDING": "none"}
        self.env.pop("NEXUS_URL", None)

    def __call__(self, *words, input="", **env):
        return subprocess.run([self.program, *map(str, words)], input=input, text=True, capture_output=True, timeout=90,
                              cwd=self.cwd, env={**self.env, **env})

    def start(self, *words, **kw):
        return subprocess.Popen([self.program, *map(str, words)], text=True, cwd=self.cwd, env=self.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)

    def terminal(self, *words, **env):
        """What a person at a terminal sees: (standard output and error together, exit status)."""
        leader, follower = pty.openpty()
        p = subprocess.Popen([self.program, *map(str, words)], stdin=follower, stdout=follower, stderr=follower,
                             cwd=self.cwd, env={**self.env, "NO_COLOR": "1", **env})
        os.close(follower)
        seen = b""
        while select.select([leader], [], [], 60)[0]:
            try:
                seen += os.read(leader, 65536)
            except OSError:  # nobody has the other end any more
                break
        os.close(leader)
        return seen.decode().replace("\r\n", "\n"), p.wait(timeout=60)

    def is_held(self):
        if not (self.home / "lock").exists():
            return False
        with open(self.home / "lock") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


@pytest.fixture
def alone(nexus, tmp_path):
    return Alone(nexus, tmp_path)


def test_ask_without_a_server_works_on_the_directory(alone):
    r = alone("ask", "--quiet", "12.5% of 80")
    assert ok(r) == "10\n" and r.stderr == ""
    assert json.loads(ok(alone("ask", "--json", "6 * 7")))["result"]["text"] == "42"
    listed = json.loads(ok(alone("task", "--json")))["items"]
    assert [t["input"] for t in listed] == ["6 * 7", "12.5% of 80"] and all(t["state"] == "succeeded" for t in listed)
    assert "42" in ok(alone("task", "show", listed[0]["id"]))
    assert not alone.is_held() and (alone.home / "lock").read_text() == ""


def test_documents_without_a_server(alone, tmp_path):
    (tmp_path / "a.md").write_text("# Gauge\n\nMiriam Oduya designed the zwickel gauge.\n")
    assert json.loads(ok(alone("ingest", "--json", "a.md")))["inserted"] == 1
    r = alone("search", "zwickel", "gauge")
    assert "Oduya" in ok(r) and r.stderr == ""
    assert json.loads(ok(alone("ingest", "--json", "a.md")))["unchanged"] == 1


def test_exec_without_a_server(alone):
    r = alone("exec", "--quiet", "-", input="import sys\nprint(6*7)\nsys.exit(3)\n")
    assert r.returncode == 3 and r.stdout == "42\n" and r.stderr == ""


def test_memory_agents_and_keys_without_a_server(alone):
    assert "remembered" in ok(alone("remember", "--user", "amal", "the review is on Sunday"))
    assert "Sunday" in ok(alone("recall", "--user", "amal", "review"))
    assert "researcher" in ok(alone("agent"))
    key = json.loads(ok(alone("key", "create", "--json", "--name", "root", "--scopes", "admin")))["key"]
    assert alone("task").returncode == 4
    assert ok(alone("task", NEXUS_KEY=key)) == "no tasks\n"


def test_verbs_at_once_on_one_directory_take_turns(alone):
    verbs = [alone.start("ask", "--json", f"{n} + 1") for n in range(4)]
    answers = [json.loads(v.communicate(timeout=90)[0])["result"]["text"] for v in verbs]
    assert answers == ["1", "2", "3", "4"] and all(v.returncode == 0 for v in verbs)
    assert len(json.loads(ok(alone("task", "--json")))["items"]) == 4


def test_a_verb_waits_for_another_and_a_killed_one_leaves_nothing_behind(alone):
    (alone.cwd / "slow.py").write_text("import time\ntime.sleep(20)\n")
    slow = alone.start("exec", "slow.py", start_new_session=True)
    deadline = time.monotonic() + 30
    while not alone.is_held() and time.monotonic() < deadline:
        time.sleep(0.01)
    waits = alone.start("ask", "--quiet", "2 + 3")
    time.sleep(1)
    assert waits.poll() is None
    slow.terminate()
    slow.communicate(timeout=30)
    assert slow.returncode == -15
    assert waits.communicate(timeout=60) == ("5\n", "") and waits.returncode == 0


def test_a_directory_held_by_a_server_elsewhere(alone, start):
    server = start(home=alone.home)
    for words in (["ask", "1 + 1"], ["search", "x"], ["exec", "-"], ["recall", "x"], ["task"], ["key"]):
        r = alone(*words)
        assert r.returncode == 1 and "NX-IN-USE" in r.stderr and f"--url {server.url}" in r.stderr, (words, r.stderr)
        assert f"process {server.pid}" in r.stderr and alone.address in r.stderr
    assert ok(alone("ask", "--quiet", "--url", server.url, "1 + 1")) == "2\n"
    assert ok(alone("ask", "--quiet", "1 + 1", NEXUS_URL=server.url)) == "2\n"
    assert ok(alone("ask", "--quiet", "1 + 1", NEXUS_LISTEN=server.url.removeprefix("http://"))) == "2\n"


def test_a_server_that_was_named_is_never_replaced(alone):
    for words, env in ((["--url", NOWHERE], {}), ([], {"NEXUS_URL": NOWHERE})):
        r = alone("ask", *words, "1 + 1", **env)
        assert r.returncode == 1 and "no server at" in r.stderr and "nexus serve" in r.stderr
    assert not alone.home.exists()


def test_what_needs_a_server_says_so(alone):
    r = alone("task", "events", "0198")
    assert r.returncode == 1 and "NX-NO-SERVER" in r.stderr and "nexus serve" in r.stderr
    assert not alone.home.exists()


def test_a_terminal_shows_nothing_of_the_server(alone):
    seen, status = alone.terminal("ask", "12.5% of 80")
    assert status == 0 and not re.search(r"(?i)warn|info|debug|spawner|\d\d:\d\d:\d\d", seen), seen


def test_a_terminal_shows_a_streamed_answer_once(alone):
    plan = alone.cwd / "plan.yaml"
    plan.write_text("steps:\n  - {id: a, agent: analyst, input: {text: Sum up.}}\n")
    with OpenAIServer(key="sk-test") as model:
        env = {"NEXUS_MODEL_BASE_URL": model.url, "NEXUS_MODEL_CHAT": "fake", "NEXUS_MODEL_API_KEY": "sk-test"}
        answer = "The zwickel gauge is by Miriam Oduya of Lake Orin."
        model.will({"text": answer, "pieces": 5, "delay_s": 1, "piece_delay_s": 0.1})
        seen, status = alone.terminal("ask", "--plan", plan, "sum up", **env)
        assert status == 0 and seen.count("Oduya") == 1 and seen.index(answer) < seen.index("✓ a") < seen.index("Plan"), seen
        model.will({"text": answer, "pieces": 5, "delay_s": 1, "piece_delay_s": 0.1})
        r = alone("ask", "--plan", plan, "sum up", **env)
        assert ok(r).count("Oduya") == 1 and "Oduya" not in r.stderr


def test_doctor_looks_at_the_directory_that_serve_would_use(alone, start, tmp_path):
    def directory(*words, **env):
        r = alone("doctor", "--json", *words, **env)
        return {c["what"]: c["detail"] for c in json.loads(r.stdout)}

    assert directory()["data directory"] == f"{alone.home} (NEXUS_HOME; made at the first start)"
    assert directory("--home", tmp_path / "x")["data directory"].startswith(f"{tmp_path}/x (--home")
    del alone.env["NEXUS_HOME"]
    assert directory(XDG_DATA_HOME="/srv/data")["data directory"].startswith("/srv/data/nexus (XDG_DATA_HOME")
    assert directory(HOME=str(tmp_path), XDG_DATA_HOME="")["data directory"].startswith(f"{tmp_path}/.local/share/nexus (the default")
    ok(alone("ask", "1 + 1", XDG_DATA_HOME=str(tmp_path)))
    assert (tmp_path / "nexus/nexus.db").exists() and "nobody" in directory(XDG_DATA_HOME=str(tmp_path))["held by"]
    server = start(home=alone.home)
    seen = directory("--home", alone.home)
    assert f"process {server.pid}" in seen["held by"] and server.url in seen["held by"] and "disk" in seen
