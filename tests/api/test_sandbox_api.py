"""Executions, their streams, the scanner, as clients see them."""
import json
import threading
import time

import pytest


def run(client, code, language="python", **more):
    r = client.post("/v1/sandbox/executions", {"language": language, "code": code, **more})
    assert r.status_code == 200, r.text
    return r.json()


def test_a_program_runs(client):
    got = run(client, "print(6 * 7)")
    assert got["status"] == "ok" and got["exit_code"] == 0 and got["stdout"] == "42\n" and got["usage"]["wall_ms"] > 0
    stored = client.get(f"/v1/sandbox/executions/{got['id']}").json()
    assert stored["stdout"] == "42\n" and stored["status"] == "ok"


def test_input_files_and_artifacts(client):
    got = run(client, "import sys\nopen('out.txt','w').write(open('in.txt').read().upper() + sys.stdin.read())",
              stdin="tail", files=[{"path": "in.txt", "content_base64": "aGVsbG8="}])
    assert got["status"] == "ok", got
    kept = {f["path"]: f for f in got["artifacts"]}
    r = client.get(f"/v1/sandbox/artifacts/{kept['out.txt']['id']}")
    assert r.content == b"HELLOtail" and r.headers["content-disposition"] == "attachment"


def test_limits_are_told(client):
    assert run(client, "sleep 30", "shell", constraints={"max_execution_time_s": 0.3})["status"] == "timeout"
    assert run(client, "exit 3", "shell")["exit_code"] == 3
    got = run(client, "echo bad >&2; kill -9 $$", "shell")
    assert got["status"] == "error" and got["signal"] == 9 and got["stderr"].startswith("bad")


def test_more_cpu_than_granted_is_slowed_down_or_ended(client):
    burn = "import time\ne = time.time() + 1.5\nwhile time.time() < e: pass"
    got = run(client, burn, constraints={"max_cpu_percent": 20})
    assert got["status"] == "ok" and got["limits_met"] == ["cpu"], got
    got = run(client, burn, constraints={"max_cpu_percent": 20, "cpu_policy": "kill"})
    assert got["status"] == "cpu_limit" and got["limits_met"] == ["cpu"], got
    assert run(client, "print(1)")["limits_met"] == []
    r = client.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": {"cpu_policy": "nice"}})
    assert r.status_code == 400 and r.json()["pointer"] == "/constraints/cpu_policy", r.text


def test_a_full_disk_is_told(client):
    got = run(client, "cat /dev/zero > f; cat /dev/zero > g; exit 1", "shell")
    assert got["status"] == "error" and "disk" in got["limits_met"] and "artifacts" in got["limits_met"], got


def test_what_the_scanner_blocks_does_not_run(client):
    got = run(client, "import os\nprint('ran')", policy="strict")
    assert got["status"] == "blocked" and got["stdout"] == "" and got["scan"]["findings"]


def test_the_scanner_reads_and_never_runs(client):
    got = client.post("/v1/sandbox/scan", {"language": "python", "code": "import os\nos.system('touch /tmp/ran')", "policy": "strict"}).json()
    assert got["is_safe"] is False and got["risk_level"] != "none" and got["findings"][0]["line"] == 1
    got = client.post("/v1/sandbox/scan", {"language": "python", "code": "print('import os')", "policy": "strict"}).json()
    assert got["is_safe"] is True and got["findings"] == []
    for body in [{}, {"language": "python"}, {"language": "python", "code": 1}, {"language": "python", "code": "", "policy": "x"}]:
        assert client.post("/v1/sandbox/scan", body).status_code == 400


def test_languages_say_what_is_there(client):
    got = {x["name"]: x for x in client.get("/v1/sandbox/languages").json()["items"]}
    assert got["python"]["available"] and got["shell"]["available"]


PROGRAMS = {
    "javascript": ("console.log(6 * 7)", "42\n"),
    "c": ('#include <stdio.h>\nint main(void) { printf("%d\\n", 6 * 7); return 0; }', "42\n"),
    "sql": ("SELECT sum(n) AS total FROM sales WHERE n > 9;", "total\n42\n"),
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_other_languages_run_or_say_what_is_missing(client, language):
    code, out = PROGRAMS[language]
    body = {"language": language, "code": code, "files": [{"path": "sales.csv", "content_base64": "bgo5CjMwCjEyCg=="}]}
    told = {x["name"]: x for x in client.get("/v1/sandbox/languages").json()["items"]}[language]
    r = client.post("/v1/sandbox/executions", body)
    if not told["available"]:
        assert r.status_code == 503 and r.json()["code"] == "NX-MISSING" and told["package"] in r.json()["hint"], r.text
        pytest.skip(f"{language} cannot be run here: apt-get install {told['package']}")
    assert r.status_code == 200, r.text
    got = r.json()
    assert got["status"] == "ok" and got["stdout"] == out, got
    assert got["scan"]["is_safe"] and (got["scan"]["scanned"] or not got["scan"]["findings"])


def test_what_does_not_compile_has_a_status_of_its_own(client):
    if not {x["name"]: x for x in client.get("/v1/sandbox/languages").json()["items"]}["c"]["available"]:
        pytest.skip("c cannot be run here: apt-get install gcc libc6-dev")
    got = run(client, "int main(void) { return x; }", "c")
    assert got["status"] == "compile_error" and got["exit_code"] == 1 and "undeclared" in got["stderr"]


def test_output_is_streamed(client):
    body = {"language": "shell", "stream": True, "code": "for i in 1 2 3; do echo line $i; sleep 0.1; done; echo oops >&2"}
    with client.events("/v1/sandbox/executions", method="POST", json=body) as s:
        got = [{**e, "json": json.loads(e["data"])} for e in s]
    assert got[0]["event"] == "started" and got[-1]["event"] == "result"
    assert "".join(e["json"]["text"] for e in got if e["event"] == "stdout") == "line 1\nline 2\nline 3\n"
    assert "".join(e["json"]["text"] for e in got if e["event"] == "stderr") == "oops\n"
    assert got[-1]["json"]["stdout"] == "line 1\nline 2\nline 3\n" and got[-1]["json"]["id"] == got[0]["json"]["id"]
    assert len([e for e in got if e["event"] == "stdout"]) >= 2


def test_characters_are_never_cut_in_a_stream(client):
    body = {"language": "python", "stream": True, "code": "import sys\nfor b in 'سلام €😀'.encode() + b'\\xff':\n"
            "    sys.stdout.buffer.write(bytes([b])); sys.stdout.flush()"}
    with client.events("/v1/sandbox/executions", method="POST", json=body) as s:
        got = [{**e, "json": json.loads(e["data"])} for e in s]
    assert "".join(e["json"]["text"] for e in got if e["event"] == "stdout") == "سلام €😀\ufffd"


def test_a_stream_that_cannot_start_says_why(client):
    with client.events("/v1/sandbox/executions", method="POST", json={"language": "cobol", "stream": True, "code": "x"}) as s:
        if s.response.status_code == 200:
            got = [e for e in s]
            assert got[-1]["event"] == "error" and json.loads(got[-1]["data"])["code"].startswith("NX-")
        else:
            assert s.response.status_code == 400


def test_a_run_is_cancelled_by_its_id(client):
    body = {"language": "shell", "stream": True, "code": "echo here; sleep 60"}
    with client.events("/v1/sandbox/executions", method="POST", json=body) as s:
        i = json.loads(s.next()["data"])["id"]
        assert client.get(f"/v1/sandbox/executions/{i}").json()["status"] == "running"
        start = time.monotonic()
        assert client.delete(f"/v1/sandbox/executions/{i}").status_code == 202
        last = [e for e in s][-1]
        assert time.monotonic() - start < 5
    assert last["event"] == "result" and json.loads(last["data"])["status"] == "cancelled"
    assert client.delete(f"/v1/sandbox/executions/{i}").json()["status"] == "cancelled"


def test_a_stream_that_is_left_cancels_its_run(client):
    with client.events("/v1/sandbox/executions", method="POST", json={"language": "shell", "stream": True, "code": "sleep 60"}) as s:
        i = json.loads(s.next()["data"])["id"]
    deadline = time.monotonic() + 5
    while client.get(f"/v1/sandbox/executions/{i}").json()["status"] != "cancelled":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_another_tenant_cannot_cancel_what_runs(tenants):
    with tenants.a.events("/v1/sandbox/executions", method="POST", json={"language": "shell", "stream": True, "code": "sleep 2"}) as s:
        i = json.loads(s.next()["data"])["id"]
        assert tenants.b.get(f"/v1/sandbox/executions/{i}").status_code == 404
        assert tenants.b.delete(f"/v1/sandbox/executions/{i}").status_code == 404
        last = [e for e in s][-1]
    assert json.loads(last["data"])["status"] == "ok"


def test_many_runs_at_once(client):
    from nexus_server import Client
    out = []

    def work(n):
        c = Client(client.server, contract=client.contract)
        got = run(c, f"echo {n}", "shell", constraints={"max_cpu_percent": 100})
        out.append("right" if got["stdout"] == f"{n}\n" else got)
        c.close()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert out == ["right"] * 12
