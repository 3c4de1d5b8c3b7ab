"""Sessions: interpreters that stay, their files, their snapshots and their ends."""
import base64
import io
import json
import tarfile
import threading
import time

import pytest

LANGUAGES = {
    "python": {"set": "x = 41", "get": "print(x + 1)", "value": "x + 1", "loop": "while True: pass", "sleep": "import time; time.sleep(60)",
               "exit": "import sys; sys.exit(3)", "raise": "def f():\n    raise ValueError('سلام')\nf()", "message": "ValueError: سلام",
               "write": "open('made.txt', 'w').write('made')", "flood": "while True: print('x' * 1000)", "die": "import os; os._exit(7)"},
    "javascript": {"set": "const x = 41", "get": "console.log(x + 1)", "value": "x + 1", "loop": "while (true) {}",
                   "sleep": "await new Promise((done) => setTimeout(done, 60000))", "exit": "process.exit(3)",
                   "raise": "function f() { throw new RangeError('سلام') }\nf()", "message": "RangeError: سلام",
                   "write": "require('fs').writeFileSync('made.txt', 'made')", "flood": "while (true) console.log('x'.repeat(1000))",
                   "die": "process.reallyExit(7)"},
}


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def begin(client, language="python", **more):
    told = {x["name"]: x for x in client.get("/v1/sandbox/languages").json()["items"]}[language]
    if not told["available"]:
        pytest.skip(f"{language} cannot be run here: apt-get install {told['package']}")
    r = client.post("/v1/sandbox/sessions", {"language": language, "constraints": {"max_cpu_percent": 100}, **more})
    assert r.status_code == 201, r.text
    return r.json()


def run(client, session, code, **more):
    r = client.post("/v1/sandbox/executions", {"language": session["language"], "session_id": session["id"], "code": code, **more})
    assert r.status_code == 200, r.text
    return r.json()


def end(client, session):
    r = client.delete(f"/v1/sandbox/sessions/{session['id']}")
    assert r.status_code == 200 and r.json()["state"] == "ended", r.text
    return r.json()


def wait_for_end(client, session, within=10):
    deadline = time.monotonic() + within
    while (got := client.get(f"/v1/sandbox/sessions/{session['id']}").json())["state"] == "active":
        assert time.monotonic() < deadline, got
        time.sleep(0.05)
    return got


@pytest.fixture(params=LANGUAGES)
def words(request):
    return {"language": request.param, **LANGUAGES[request.param]}


@pytest.fixture
def session(client, words):
    s = begin(client, words["language"])
    yield s
    client.delete(f"/v1/sandbox/sessions/{s['id']}")


def test_variables_live_on(client, session, words):
    assert session["state"] == "active" and session["end_reason"] is None
    assert run(client, session, words["set"])["status"] == "ok"
    got = run(client, session, words["get"])
    assert got["status"] == "ok" and got["stdout"] == "42\n" and got["stderr"] == "" and got["session_id"] == session["id"], got
    assert got["usage"]["wall_ms"] > 0 and got["usage"]["max_rss_bytes"] > 1 << 20
    stored = client.get(f"/v1/sandbox/executions/{got['id']}").json()
    assert stored["stdout"] == "42\n" and stored["session_id"] == session["id"]
    assert end(client, session)["end_reason"] == "deleted"
    r = client.post("/v1/sandbox/executions", {"language": session["language"], "session_id": session["id"], "code": "1"})
    assert r.status_code == 404
    assert end(client, session)["end_reason"] == "deleted"


def test_the_value_of_the_last_expression_comes_back(client, session, words):
    assert run(client, session, words["set"])["value"] is None
    assert run(client, session, words["value"])["value"] == {"text": "42", "html": None, "png_base64": None}


def test_an_exception_is_an_error_and_the_session_goes_on(client, session, words):
    run(client, session, words["set"])
    got = run(client, session, words["raise"])
    assert got["status"] == "error" and got["exit_code"] == 1 and words["message"] in got["stderr"], got
    assert "/code/" not in got["stderr"] and "node:inspector" not in got["stderr"]
    got = run(client, session, "this is no program (")
    assert got["status"] == "error" and "SyntaxError" in got["stderr"]
    got = run(client, session, words["exit"])
    assert got["status"] == "error" and got["exit_code"] == 3 and got["stderr"] == "", got
    assert run(client, session, words["get"])["stdout"] == "42\n"


@pytest.mark.parametrize("which", ["loop", "sleep"])
def test_a_run_out_of_time_is_interrupted_and_the_session_goes_on(client, session, words, which):
    run(client, session, words["set"])
    got = run(client, session, words[which], constraints={"max_execution_time_s": 0.3})
    assert got["status"] == "timeout" and got["usage"]["wall_ms"] < 1000, got
    assert run(client, session, words["get"])["stdout"] == "42\n"


def test_a_flood_of_output_is_cut_and_the_session_goes_on(client, session, words):
    run(client, session, words["set"])
    got = run(client, session, words["flood"])
    assert got["status"] == "output_limit" and got["truncated"], got["status"]
    assert run(client, session, words["get"])["stdout"] == "42\n"


def test_an_interpreter_that_ends_takes_the_session_with_it(client, session, words):
    got = run(client, session, words["die"])
    assert got["status"] == "error" and got["exit_code"] == 7, got
    assert wait_for_end(client, session)["end_reason"] == "exited"
