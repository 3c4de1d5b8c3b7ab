"""
Each main flow runs once to learn which fault points it passes, then again and again with one of them failing.

Whatever fails: every answer is a success or a documented problem, the server neither crashes nor hangs, it stops when it is
told to, and after a start without faults everything it acknowledged is there. A flow passes thousands of points; every name
and an even sample of the rest are taken, all of them with --full.
"""
import itertools
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from nexus_server import Client, Contract, Server

SAMPLE = 24  # points of a flow by their number
PER_NAME = 2  # and of each name: its first and its last
PATIENCE = 30  # seconds for a task to end, or for an answer
# One connection that the proxy of the run refuses.
REFUSED = """import urllib.request, urllib.error
try:
    urllib.request.urlopen("http://10.0.0.1/")
except urllib.error.HTTPError as e:
    print(e.code)
"""
FINAL = {"succeeded", "failed", "cancelled", "timed_out", "over_budget"}


class Flow:
    """What a run asks, and what it was promised in return."""

    def __init__(self, client, codes):
        self.client = client
        self.codes = codes
        self.tasks, self.documents, self.turns, self.runs = [], {}, {}, []
        self.maybe = {}  # texts that were refused, which says nothing about whether they were stored
        self.gone, self.problems = set(), []

    def ask(self, method, path, body=None, ok=(200,)):
        """The answer, or None for a documented problem. A fault comes once: what it refused is granted when asked again."""
        answer = self.ask_once(method, path, body, ok)
        if answer is None and not self.once_more(method, path, body, ok):
            raise AssertionError(f"{method} {path} is refused again and again: {self.problems[-3:]}")
        return answer

    def once_more(self, method, path, body, ok):
        """Only what may be repeated without a second effect: the promise of the first attempt stays as it is."""
        if method != "GET" and not path.endswith(("/search", "/recall", "/scan", "/ask")):
            return True
        return any(self.ask_once(method, path, body, ok) is not None for _ in range(3))

    def ask_once(self, method, path, body, ok):
        response = self.client.request(method, path, **({"json": body} if body is not None else {}))
        if response.status_code in ok:
            return response.json() if response.content else {}
        problem = response.json()
        assert problem["code"] in self.codes, f"{problem['code']} is not explained"
        assert response.status_code >= 400 and response.status_code != 404, f"{method} {path}: {response.text}"
        self.problems.append(problem["code"])
        return None

    # The flows -------------------------------------------------------------------------------------------------------

    def task(self):
        steps = [{"id": "a", "tool": "math.eval", "input": {"expression": "6 * 7"}, "effects": "once"},
                 {"id": "b", "tool": "text.summarize", "depends_on": ["a"],
                  "input": {"text": "Ada wrote a program. It was the first. Nobody ran it for a century."}}]
        for body in [{"input": "What is 2 + 3?", "wait": 10}, {"input": "in order", "plan": {"steps": steps}, "wait": 10},
                     {"input": "What is 4 * 5?"}]:
            made = self.ask("POST", "/v1/tasks", body, (200, 202))
            if made:
                self.tasks.append(made["id"])
        self.settle()
        self.ask("GET", "/v1/tasks")

    def settle(self):
        """Every acknowledged task comes to its end without a restart."""
        deadline = time.monotonic() + PATIENCE
        for task in self.tasks:
            while True:
                seen = self.ask("GET", f"/v1/tasks/{task}")
                if seen and (seen["state"] in FINAL or seen["waiting"]):
                    break
                assert time.monotonic() < deadline, f"task {task} does not end: {seen}"
                time.sleep(0.02)

    def ingest(self):
        for batch in [[("one", "Ada Lovelace wrote the first program for the Analytical Engine."),
                       ("two", "Grace Hopper wrote the first compiler in New York.")],
                      [("three", "Alan Turing described the Universal Machine in Cambridge.")],
                      [("one", "Ada Lovelace wrote notes on the Difference Engine.")]]:
            body = {"documents": [{"id": name, "title": name, "text": text} for name, text in batch]}
            if self.ask("POST", "/v1/knowledge/documents", body, (200, 201)):
                self.documents.update(batch)
                for name, text in batch:
                    found = self.ask("POST", "/v1/knowledge/search", {"query": text, "mode": "text"})
                    assert found is None or any(text in h["text"] for h in found["hits"]), f"{name} is not found at once"
            else:
                self.maybe.update(batch)
        if "two" in self.documents:
            text = self.documents.pop("two")
            if self.ask("DELETE", "/v1/knowledge/documents/two", ok=(200, 204)) is None:
                self.maybe["two"] = text
            else:
                self.gone.add("two")

    def search(self):
        for mode in ["text", "graph", "hybrid"]:
            found = self.ask("POST", "/v1/knowledge/search", {"query": "programs of Ada Lovelace", "mode": mode})
            assert found is None or mode == "graph" or found["hits"], mode
        self.ask("POST", "/v1/knowledge/ask", {"question": "Who wrote the first compiler?"})

    def memory(self):
        for i, text in enumerate(["My cat is called Zenobia.", "I work in Damascus.", "I prefer tea to coffee."]):
            body = {"user_id": "u", "session_id": "s", "role": "user", "text": text, "importance": 0.4 + 0.2 * i}
            made = self.ask("POST", "/v1/memory", body, (200, 201))
            if made:
                self.turns[made["id"]] = text
        self.ask("POST", "/v1/memory/recall", {"user_id": "u", "query": "What is my cat called?"})

    def sandbox(self):
        self.ask("POST", "/v1/sandbox/scan", {"language": "python", "code": "import os\nprint(1)"})
        for language, code, more in [("shell", "echo hello > out.txt; echo done", {}), ("python", "print(6 * 7)", {}),
                                     ("python", REFUSED, {"constraints": {"network_access": True}})]:
            made = self.ask("POST", "/v1/sandbox/executions", {"language": language, "code": code, **more})
            if made:
                self.runs.append((made["id"], made["status"], made["stdout"]))

    def session(self):
        """A fault may end the session, which is then not found; whatever comes, its calls are answered."""
        made = self.ask("POST", "/v1/sandbox/sessions", {"language": "python"}, (201,))
        if not made:
            return
        base, gone = f"/v1/sandbox/sessions/{made['id']}", (200, 201, 204, 404)
        assert any(self.is_told(f"{base}/files/watch", 1) for _ in range(2)), "a watch that says nothing"
        for path, body in [("processes", {"command": ["cat"]}), ("terminal", {})]:
            process = self.ask("POST", f"{base}/{path}", body, gone)
            if not process or "id" not in process:
                continue
            one = f"{base}/processes/{process['id']}"
            self.ask("POST", f"{one}/input", {"text": "echo hello\n"}, gone)
            self.ask("GET", one + "/output", ok=gone)
            self.ask("GET", one, ok=gone)
            if self.ask("DELETE", one, ok=gone) is None:  # else it lives on, and its stream with it
                self.ask("DELETE", one, ok=gone)
            assert any(self.is_told(f"{one}/stream") for _ in range(2)), "a stream that says nothing"
        self.ask("PUT", f"{base}/files", {"files": [{"path": "a", "content_base64": "YQ=="}]}, (204, 404, 409))
        self.ask("DELETE", base)

    def is_told(self, path, events=None):
        """A fault may cut a stream that has begun; who asks again is told."""
        with self.client.events(path) as stream:
            return stream.response.status_code != 200 or bool(list(itertools.islice(stream, events)))

    # What was promised -----------------------------------------------------------------------------------------------

    def check(self):
        """With a new server on the same directory, without faults."""
        self.settle()
        for name, text in self.documents.items():
            later = self.maybe.get(name, text)
            assert self.found(name, text) or self.found(name, later), f"document {name} was acknowledged and is not found"
        for name in self.gone:
            assert self.client.get(f"/v1/knowledge/documents/{name}").status_code == 404, f"{name} is back"
        for turn, text in self.turns.items():
            assert self.client.get(f"/v1/memory/{turn}").json()["text"] == text
            recalled = self.client.post("/v1/memory/recall", {"user_id": "u", "query": text}).json()["ranked"]
            assert any(turn == r["id"] or turn in r["sources"] for r in recalled), f"{text!r} is not recalled"
        for run, status, stdout in self.runs:
            kept = self.client.get(f"/v1/sandbox/executions/{run}").json()
            assert (kept["status"], kept["stdout"]) == (status, stdout)

    def found(self, name, text):
        if self.client.get(f"/v1/knowledge/documents/{name}").status_code != 200:
            return False
        hits = self.client.post("/v1/knowledge/search", {"query": text, "mode": "text"}).json()["hits"]
        return any(h["title"] == name and text in h["text"] for h in hits)


FLOWS = ["task", "ingest", "search", "memory", "sandbox", "session"]


@pytest.fixture(scope="session")
def ground(nexus, tmp_path_factory):
    """A directory with documents, the contract, and the codes that are explained."""
    version = subprocess.run([nexus, "version", "--features"], capture_output=True, text=True, check=False).stdout
    if not re.search(r"fault points\W+(yes|on|true)", version):
        server = None
        try:
            server = Server(nexus, env={"NEXUS_FAULTS": "1000000000"})
        except RuntimeError:
            pytest.skip("this build has no fault points")
        server.close()
    home = tmp_path_factory.mktemp("ground") / "home"
    server = Server(nexus, home=home)
    client = Client(server)
    lines = subprocess.run([nexus, "explain"], capture_output=True, text=True, check=True).stdout.split("\n")
    codes = {line.split()[0] for line in lines if line.strip()}
    flow = Flow(client, codes)
    for name, text in [("ada", "Ada Lovelace wrote the first program."), ("hopper", "Grace Hopper wrote the first compiler.")]:
        assert flow.ask("POST", "/v1/knowledge/documents", {"documents": [{"id": name, "title": name, "text": text}]}, (200, 201))
    server.close()
    return home, client.contract, codes


class Run:
    """One flow on a copy of the directory, under one plan of faults."""

    def __init__(self, nexus, ground, name, tmp_path):
        self.nexus, self.name, self.tmp = nexus, name, tmp_path
        self.template, self.contract, self.codes = ground

    def once(self, plan):
        """None, or why it failed. The server's own word on the matter is added."""
        home = self.tmp / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.template, home)
        Path(f"{home}.log").unlink(missing_ok=True)
        server = Server(self.nexus, home=home, env={"NEXUS_FAULTS": plan})
        try:
            flow = self.drive(server)
            self.stop(server)
            self.again(home, flow)
        except (AssertionError, httpx.HTTPError, subprocess.TimeoutExpired) as e:
            if server.process.poll() is None:
                server.stop(kill=True)
            log = Path(f"{home}.log").read_text(errors="replace")
            return f"{self.name} with {plan}: {type(e).__name__}: {str(e)[:600]}\n{log[-1500:]}"
        return None

    def drive(self, server):
        self.ready = self.lines()
        client = Client(server, contract=self.contract)
        client.http.timeout = PATIENCE
        flow = Flow(client, self.codes)
        getattr(flow, self.name)()
        client.close()
        assert server.process.poll() is None, f"the server ended with {server.process.poll()}"
        return flow

    def stop(self, server):
        code = server.stop()
        text = server.log_path.read_text(errors="replace")
        assert code in (0, 1), f"exit {code} when told to stop"
        assert "Sanitizer" not in text and "runtime error:" not in text and "assertion" not in text.lower()

    def again(self, home, flow):
        server = Server(self.nexus, home=home)
        flow.client = Client(server, contract=self.contract)
        try:
            flow.check()
        finally:
            flow.client.close()
            server.stop()

    def lines(self):
        record = self.tmp / "record"
        return record.read_text().split("\n")[:-1] if record.exists() else []

    def points(self, full):
        """The plans to try: those after the server was ready, until it was gone."""
        failed = self.once(f"record={self.tmp / 'record'}")
        assert failed is None, failed
        passed, before = self.lines(), len(self.ready)
        later, earlier = Counter(passed[before:]), Counter(passed[:before])
        named = [f"{name}={earlier[name] + i}" for name in sorted(later)
                 for i in sorted({1, later[name]})[:PER_NAME]]
        numbers = range(before + 1, len(passed) + 1)
        step = 1 if full else max(1, len(numbers) // SAMPLE)
        return named + [str(n) for n in numbers[::step]]


@pytest.mark.timeout(1200)  # with --full, on a busy machine
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_survives_each_fault(nexus, ground, name, tmp_path, request):
    run = Run(nexus, ground, name, tmp_path)
    plans = run.points(request.config.getoption("--full"))
    print(f"{name}: {len(run.lines())} points passed, {len(plans)} plans")
    failures = [failed for failed in map(run.once, plans) if failed]
    assert not failures, f"{len(failures)} of {len(plans)} plans:\n" + "\n\n".join(failures[:20])
