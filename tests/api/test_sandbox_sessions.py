"""Sessions: interpreters that stay, their files, their snapshots and their ends."""
import base64
import io
import json
import tarfile
import threading
import time

import pytest
from nexus_server import Client

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


def end_reason(client, session):
    return client.get(f"/v1/sandbox/sessions/{session['id']}").json()["end_reason"]


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


def test_runs_of_one_session_wait_for_each_other(client, session, words):
    slow = {"python": "import time\ntime.sleep(0.3)\nseen = []", "javascript": "await new Promise((d) => setTimeout(d, 300)); var seen = []"}
    more = {"python": "seen.append(1)\nlen(seen)", "javascript": "seen.push(1)"}
    first = threading.Thread(target=run, args=(client, session, slow[words["language"]]))
    first.start()
    time.sleep(0.1)
    got = [None] * 4

    def count(i):
        got[i] = int(run(client, session, more[words["language"]])["value"]["text"])
    others = [threading.Thread(target=count, args=(i,)) for i in range(4)]
    for t in others:
        t.start()
    for t in [first, *others]:
        t.join()
    assert sorted(got) == [1, 2, 3, 4]


@pytest.mark.parametrize("which", ["loop", "sleep"])
def test_cancel_works_within_100_ms_and_keeps_the_session(client, session, words, which):
    run(client, session, words["set"])
    took = []
    for _ in range(3):
        body = {"language": session["language"], "session_id": session["id"], "stream": True, "code": words[which]}
        with client.events("/v1/sandbox/executions", method="POST", json=body) as s:
            i = json.loads(s.next()["data"])["id"]
            time.sleep(0.2)
            start = time.monotonic()
            assert client.delete(f"/v1/sandbox/executions/{i}").status_code == 202
            last = [e for e in s][-1]
            took.append(time.monotonic() - start)
        assert last["event"] == "result" and json.loads(last["data"])["status"] == "cancelled"
    assert min(took) < 0.1, took
    assert run(client, session, words["get"])["stdout"] == "42\n"


def test_a_throttled_loop_is_cancelled_as_fast(client, words):
    s = begin(client, words["language"], constraints={"max_cpu_percent": 10})
    took = []
    for _ in range(3):
        body = {"language": s["language"], "session_id": s["id"], "stream": True, "code": words["loop"]}
        with client.events("/v1/sandbox/executions", method="POST", json=body) as events:
            i = json.loads(events.next()["data"])["id"]
            time.sleep(0.4)
            start = time.monotonic()
            client.delete(f"/v1/sandbox/executions/{i}")
            last = [e for e in events][-1]
            took.append(time.monotonic() - start)
        assert json.loads(last["data"])["status"] == "cancelled"
    assert min(took) < 0.1, took
    assert run(client, s, words["value"].replace("x", "41"))["value"]["text"] == "42"
    end(client, s)


def test_output_is_streamed_while_it_runs(client, session, words):
    code = {"python": "import sys, time\nfor i in range(3):\n    print('line', i)\n    time.sleep(0.1)\nprint('oops', file=sys.stderr)\n6 * 7",
            "javascript": "for (let i = 0; i < 3; i++) { console.log('line', i); await new Promise((d) => setTimeout(d, 100)) }\nconsole.error('oops'); 6 * 7"}
    body = {"language": session["language"], "session_id": session["id"], "stream": True, "code": code[words["language"]]}
    with client.events("/v1/sandbox/executions", method="POST", json=body) as s:
        got = [{**e, "json": json.loads(e["data"])} for e in s]
    assert got[0]["event"] == "started" and got[-1]["event"] == "result"
    texts = [e["json"]["text"] for e in got if e["event"] == "stdout"]
    assert "".join(texts) == "line 0\nline 1\nline 2\n" and len(texts) >= 2
    assert "".join(e["json"]["text"] for e in got if e["event"] == "stderr") == "oops\n"
    assert got[-1]["json"]["value"]["text"] == "42"


def test_files_go_in_and_out(client, session, words):
    at = f"/v1/sandbox/sessions/{session['id']}"
    assert client.put(f"{at}/files", {"files": [{"path": "deep/in.txt", "content_base64": b64("given")}, {"path": "سلام.txt", "content_base64": b64("ü")}]}).status_code == 204
    got = run(client, session, words["write"])
    assert [f["path"] for f in got["artifacts"]] == ["made.txt"], got
    assert client.get(f"/v1/sandbox/artifacts/{got['artifacts'][0]['id']}").content == b"made"
    listed = client.get(f"{at}/files").json()
    assert [(f["path"], f["size"]) for f in listed["items"]] == [("deep/in.txt", 5), ("made.txt", 4), ("سلام.txt", 2)] and not listed["truncated"]
    r = client.get(f"{at}/file", params={"path": "deep/in.txt"})
    assert r.content == b"given" and r.headers["content-disposition"] == "attachment"
    assert client.put(f"{at}/files", {"files": [{"path": "deep/in.txt", "content_base64": b64("again")}]}).status_code == 204
    assert client.get(f"{at}/file", params={"path": "deep/in.txt"}).content == b"again"
    assert client.delete(f"{at}/file", params={"path": "made.txt"}).status_code == 204
    for path in ["made.txt", "deep", "../code/main.py", "/etc/passwd", "nothing"]:
        assert client.get(f"{at}/file", params={"path": path}).status_code == 404, path
        assert client.delete(f"{at}/file", params={"path": path}).status_code == 404, path
    assert client.get(f"{at}/file").status_code == 400
    for path in ["../x", "/x", "", "a/../b", "a//b", "a/" * 9 + "b"]:
        r = client.put(f"{at}/files", {"files": [{"path": path, "content_base64": ""}]})
        assert r.status_code == 400 and r.json()["pointer"].startswith("/files/0"), path
    read = {"python": "open('deep/in.txt').read()", "javascript": "require('fs').readFileSync('deep/in.txt', 'utf8')"}
    assert run(client, session, read[words["language"]])["value"]["text"] == "'again'"
    end(client, session)
    assert client.get(f"{at}/files").status_code == 409
    assert client.put(f"{at}/files", {"files": []}).status_code == 409


def test_files_are_reached_through_no_link_and_are_never_waited_for(client):
    s = begin(client)
    at = f"/v1/sandbox/sessions/{s['id']}"
    got = run(client, s, "import os\nos.symlink('/etc/passwd', 'link')\nos.symlink('/', 'root')\nos.symlink('/tmp', 'tmp')\nos.mkfifo('fifo')\n"
              "os.mkdir('dir')\nopen('hole', 'w').truncate(1 << 20)\nopen('/tmp/outside', 'w').write('x')\nos.symlink('loop', 'loop')")
    assert got["status"] == "ok" and got["artifacts"] == [], got
    start = time.monotonic()
    for path in ["link", "root/etc/passwd", "fifo", "dir", "tmp/outside", "loop"]:
        assert client.get(f"{at}/file", params={"path": path}).status_code == 404, path
    assert [f["path"] for f in client.get(f"{at}/files").json()["items"]] == ["hole"]
    for path in ["root/new", "tmp/new", "loop/new", "dir", "fifo/x"]:
        r = client.put(f"{at}/files", {"files": [{"path": path, "content_base64": b64("x")}]})
        assert r.status_code == 409, (path, r.text)
    for path in ["link", "fifo", "loop"]:  # replaced, never written through
        assert client.put(f"{at}/files", {"files": [{"path": path, "content_base64": b64("new")}]}).status_code == 204
        assert client.get(f"{at}/file", params={"path": path}).content == b"new"
    assert time.monotonic() - start < 5
    end(client, s)


def test_a_full_session_still_runs(client):
    s = begin(client, constraints={"max_cpu_percent": 100, "max_memory_mb": 512})
    got = run(client, s, "try:\n    f = open('big', 'wb')\n    for _ in range(1000): f.write(b'x' * (1 << 20))\nexcept OSError as e: print(e.errno)\n"
              "try: f.close()\nexcept OSError: pass")
    assert got["status"] == "ok" and got["stdout"] in ("27\n", "28\n"), got
    run(client, s, "try:\n    f = open('/tmp/more', 'wb')\n    for _ in range(1000): f.write(b'x' * (1 << 20)); f.flush()\nexcept OSError: pass")
    r = client.put(f"/v1/sandbox/sessions/{s['id']}/files", {"files": [{"path": "x", "content_base64": b64("x" * 3_000_000)}]})
    assert r.status_code == 507, r.text
    assert run(client, s, "import os\nos.remove('big')\nlen(os.listdir('.'))")["value"]["text"] == "0"
    end(client, s)


def test_a_snapshot_outlives_its_session(client):
    long = "/".join(["d" * 60] * 3) + "/" + "f" * 60 + ".txt"
    s = begin(client, files=[{"path": "a.txt", "content_base64": b64("alpha")}, {"path": long, "content_base64": b64("long")}])
    run(client, s, "import os\nos.symlink('a.txt', 'link')\nopen('empty', 'w')\nopen('code.bin', 'wb').write(bytes(range(256)) * 5)")
    r = client.post(f"/v1/sandbox/sessions/{s['id']}/snapshots")
    assert r.status_code == 201, r.text
    kept = r.json()
    assert client.get(f"/v1/sandbox/sessions/{s['id']}/snapshots").json()["items"] == [kept]
    run(client, s, "open('a.txt', 'w').write('changed')")
    end(client, s)
    assert client.post(f"/v1/sandbox/sessions/{s['id']}/snapshots").status_code == 409
    tar = client.get(f"/v1/sandbox/artifacts/{kept['id']}")
    assert len(tar.content) == kept["size"]
    with tarfile.open(fileobj=io.BytesIO(tar.content)) as t:
        inside = {m.name: t.extractfile(m).read() for m in t}
    assert inside == {"a.txt": b"alpha", long: b"long", "empty": b"", "code.bin": bytes(range(256)) * 5}
    again = begin(client, snapshot_id=kept["id"], files=[{"path": "empty", "content_base64": b64("filled")}])
    got = run(client, again, f"open('a.txt').read(), open({long!r}).read(), len(open('code.bin', 'rb').read()), open('empty').read()")
    assert got["value"]["text"] == "('alpha', 'long', 1280, 'filled')"
    end(client, again)
    other = client.post("/v1/sandbox/executions", {"language": "shell", "code": "echo x >kept"}).json()["artifacts"][0]["id"]
    for snapshot in [other, s["id"]]:
        r = client.post("/v1/sandbox/sessions", {"language": "python", "snapshot_id": snapshot})
        assert r.status_code == 404 and r.json()["pointer"] == "/snapshot_id", r.text


def test_rich_values(client):
    s = begin(client)
    png = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
    got = run(client, s, f"class Rich:\n    def __repr__(self): return 'سلام \\udc80'\n    def _repr_html_(self): return '<b>bold</b>'\n"
              f"    def _repr_png_(self): return {png!r}\nRich()")
    assert got["value"] == {"text": "سلام \\udc80", "html": "<b>bold</b>", "png_base64": base64.b64encode(png).decode()}, got
    got = run(client, s, "class Bad:\n    def __repr__(self): raise OSError('no')\n    def _repr_html_(self): return 1 / 0\n    def _repr_png_(self): return b'none'\nBad()")
    assert got["status"] == "ok" and got["value"] is None and "OSError: no" in got["stderr"] and "ZeroDivisionError" in got["stderr"]
    got = run(client, s, "'x' * 10_000_000")
    assert got["status"] == "ok" and 1000 < len(got["value"]["text"]) <= 1 << 20
    assert run(client, s, "_[:3]")["value"]["text"] == "'xxx'"
    got = run(client, s, "input(), input()", stdin="one\ntwo\n")
    assert got["value"]["text"] == "('one', 'two')", got
    assert run(client, s, "input()")["status"] == "error"
    end(client, s)


def test_figures_are_artifacts(client):
    s = begin(client)
    if run(client, s, "import matplotlib")["status"] != "ok":
        end(client, s)
        pytest.skip("the sandbox's Python has no matplotlib")
    got = run(client, s, "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.figure()\nplt.plot([3, 2])")
    assert [(f["path"], f["mime"]) for f in got["artifacts"]] == [("figure-1.png", "image/png"), ("figure-2.png", "image/png")], got
    end(client, s)


def test_processes_live_on_between_runs(client):
    s = begin(client)
    got = run(client, s, "import subprocess, time\np = subprocess.Popen(['sh', '-c', 'while :; do echo x >> ticks; sleep 0.02; done'], start_new_session=True)")
    assert got["status"] == "ok"
    first = int(run(client, s, "time.sleep(0.2); len(open('ticks').read())")["value"]["text"])
    assert run(client, s, "time.sleep(60)", constraints={"max_execution_time_s": 0.2})["status"] == "timeout"
    assert int(run(client, s, "len(open('ticks').read())")["value"]["text"]) > first
    end(client, s)


def test_limits_are_those_of_the_whole_session(client):
    s = begin(client, constraints={"max_cpu_percent": 100, "max_memory_mb": 64})
    assert run(client, s, "a = b'x' * (30 << 20)")["status"] == "ok"
    got = run(client, s, "b = b'x' * (60 << 20)")
    assert got["status"] == "memory_limit", got
    assert wait_for_end(client, s)["end_reason"] == "memory_limit"
    r = client.post("/v1/sandbox/sessions", {"language": "python", "constraints": {"max_memory_mb": 1_000_000}})
    assert r.status_code == 400 and r.json()["pointer"] == "/constraints/max_memory_mb"


def test_what_cannot_be_interrupted_ends_with_its_session(client):
    s = begin(client)
    start = time.monotonic()
    got = run(client, s, "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", constraints={"max_execution_time_s": 0.2})
    assert got["status"] == "timeout" and time.monotonic() - start < 2
    assert wait_for_end(client, s)["end_reason"] == "stuck"


def test_a_program_that_has_not_heard_of_its_end_yet_keeps_its_session(client):
    """As on a busy host: it has no CPU when it is interrupted, and stops when it can."""
    s = begin(client)
    assert run(client, s, "x = 41")["status"] == "ok"
    got = run(client, s, "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\ntime.sleep(0.45)\n"
              "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])\ntime.sleep(60)", constraints={"max_execution_time_s": 0.2})
    assert got["status"] == "timeout" and got["usage"]["wall_ms"] < 2000, got
    assert run(client, s, "print(x + 1)")["stdout"] == "42\n"
    end(client, s)


def test_one_that_sleeps_and_never_hears_ends_with_its_session(client):
    s = begin(client)
    start = time.monotonic()
    got = run(client, s, "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\ntime.sleep(60)",
              constraints={"max_execution_time_s": 0.2})
    assert got["status"] == "timeout" and time.monotonic() - start < 3, got
    assert wait_for_end(client, s)["end_reason"] == "stuck"


def test_idle_sessions_and_old_ones_end(client):
    idle, old = begin(client, idle_timeout_s=0.4), begin(client, lifetime_s=0.8)
    assert run(client, idle, "1")["status"] == "ok"
    assert run(client, old, "import time; time.sleep(30)")["status"] == "timeout"
    assert wait_for_end(client, idle)["end_reason"] == "idle"
    assert wait_for_end(client, old)["end_reason"] == "lifetime"
    for name in ["idle_timeout_s", "lifetime_s"]:
        r = client.post("/v1/sandbox/sessions", {"language": "python", name: 80000 if name == "lifetime_s" else 7200})
        assert r.status_code == 400 and r.json()["pointer"] == f"/{name}", r.text


def test_a_session_that_speaks_out_of_turn_ends_alone(client):
    other = begin(client)
    for code in ["import os\nos.write(6, b'\\xff\\xff\\xff\\xff')\nimport time; time.sleep(5)", "import os\nos.write(6, b'\\2\\0\\0\\0{}')\nimport time; time.sleep(5)",
                 "import os\nos.write(6, b'\\4\\0\\0\\0null')\nimport time; time.sleep(5)", "import os\nos.close(6)\nimport time; time.sleep(5)"]:
        s = begin(client)
        start = time.monotonic()
        got = run(client, s, code)
        assert got["status"] == "error" and time.monotonic() - start < 3, got
        assert wait_for_end(client, s)["end_reason"] in ("protocol", "exited")
    assert run(client, other, "6 * 7")["value"]["text"] == "42"
    end(client, other)


def test_deleting_cancels_what_runs_and_what_waits(client):
    s = begin(client)
    got = []
    threads = [threading.Thread(target=lambda: got.append(client.post("/v1/sandbox/executions", {
        "language": "python", "session_id": s["id"], "code": "import time; time.sleep(60)"}))) for _ in range(2)]
    for t in threads:
        t.start()
        time.sleep(0.2)
    end(client, s)
    for t in threads:
        t.join(5)
    assert sorted(r.status_code for r in got) == [200, 409]
    assert next(r for r in got if r.status_code == 200).json()["status"] == "cancelled"


def test_what_is_refused(client):
    s = begin(client)
    for body, status in [({"language": "shell"}, 400), ({"language": "cobol"}, 400), ({}, 400), ({"language": "python", "lifetime_s": 0}, 400),
                         ({"language": "python", "files": [{"path": "../x", "content_base64": ""}]}, 400)]:
        r = client.post("/v1/sandbox/sessions", body)
        assert r.status_code == status and r.json()["pointer"] is not None, r.text
    r = client.post("/v1/sandbox/executions", {"language": "shell", "session_id": s["id"], "code": "true"})
    assert r.status_code == 400 and r.json()["pointer"] == "/language"
    for wrong in ["no-such", "01890000-0000-7000-8000-000000000000"]:
        assert client.post("/v1/sandbox/executions", {"language": "python", "session_id": wrong, "code": "1"}).status_code == 404
    got = run(client, s, "import os", policy="strict")
    assert got["status"] == "blocked" and got["session_id"] == s["id"]
    end(client, s)


def test_a_repeated_request_makes_one_session(client):
    headers = {"Idempotency-Key": "one-session"}
    a = client.post("/v1/sandbox/sessions", {"language": "python"}, headers=headers)
    b = client.post("/v1/sandbox/sessions", {"language": "python"}, headers=headers)
    assert a.status_code == b.status_code == 201 and a.json()["id"] == b.json()["id"] and b.headers["idempotent-replayed"] == "true"
    end(client, a.json())


def test_a_repeated_change_of_files_is_answered_alike(client):
    s = begin(client)
    at, headers = f"/v1/sandbox/sessions/{s['id']}", {"Idempotency-Key": f"change-{s['id']}"}
    body = {"files": [{"path": "a.txt", "content_base64": "YQ=="}]}
    for call, status in [(lambda h: client.put(f"{at}/files", body, headers=h), 204),
                         (lambda h: client.delete(f"{at}/file", params={"path": "a.txt"}, headers=h), 204),
                         (lambda h: client.delete(at, headers=h), 200)]:
        first, again = call(headers), call(headers)
        assert first.status_code == again.status_code == status, (first.text, again.text)
        assert first.content == again.content
        assert "idempotent-replayed" not in first.headers and again.headers["idempotent-replayed"] == "true"
    other = client.delete(f"{at}/file", params={"path": "b.txt"}, headers=headers)
    assert other.status_code == 422, other.text


def test_sessions_are_listed_newest_first(client):
    made = [begin(client) for _ in range(3)]
    page = client.get("/v1/sandbox/sessions?limit=2").json()
    rest = client.get("/v1/sandbox/sessions", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert [x["id"] for x in page["items"] + rest["items"]] == [s["id"] for s in reversed(made)]
    for s in made:
        end(client, s)


def test_a_tenant_has_so_many_sessions_and_no_more(start):
    c = Client(start(env={"NEXUS_SANDBOX_MAX_SESSIONS": "1"}))
    s = begin(c)
    r = c.post("/v1/sandbox/sessions", {"language": "python"})
    assert r.status_code == 400 and "sandbox.max_sessions" in r.json()["detail"]
    end(c, s)
    end(c, begin(c))
    c.close()


def test_a_session_is_lost_with_its_server_and_its_snapshot_is_not(start, tmp_path):
    first = start(home=tmp_path / "home")
    c = Client(first)
    s = begin(c, files=[{"path": "a", "content_base64": b64("kept")}])
    kept = c.post(f"/v1/sandbox/sessions/{s['id']}/snapshots").json()
    first.stop(kill=True)
    second = start(home=tmp_path / "home")
    c = Client(second)
    assert c.get(f"/v1/sandbox/sessions/{s['id']}").json()["state"] == "lost"
    assert end_reason(c, s) == "server_lost"
    again = begin(c, snapshot_id=kept["id"])
    assert run(c, again, "open('a').read()")["value"]["text"] == "'kept'"
    second.close()
    c = Client(start(home=tmp_path / "home"))
    assert end_reason(c, again) == "stopped"


def test_sessions_leave_nothing_behind(client, server):
    end(client, begin(client))
    before = server.descriptors()
    for _ in range(5):
        s = begin(client)
        run(client, s, "import subprocess; subprocess.Popen(['sleep', '60'])")
        end(client, s)
    deadline = time.monotonic() + 5
    while server.descriptors() > before:
        assert time.monotonic() < deadline, (before, server.descriptors())
        time.sleep(0.1)
