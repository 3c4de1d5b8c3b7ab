"""The server as a process: ports, directories, signals."""
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest
from nexus_server import Client, Server


def serve(nexus, *args, timeout=60):
    return subprocess.run([str(nexus), "serve", *args], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, "NEXUS_MODEL_EMBEDDING": "none"})


def test_a_port_in_use_names_its_owner_and_the_way_out(nexus, server, tmp_path):
    address = server.url.removeprefix("http://")
    r = serve(nexus, "--home", str(tmp_path / "h"), "--listen", address)
    assert r.returncode != 0
    assert address.split(":")[1] in r.stderr and str(server.pid) in r.stderr and "--listen" in r.stderr


def test_a_second_server_on_the_directory_is_refused(nexus, server):
    r = serve(nexus, "--home", str(server.home), "--listen", "127.0.0.1:0")
    assert r.returncode != 0
    assert str(server.home) in r.stderr and str(server.pid) in r.stderr, r.stderr


def test_a_newer_database_is_refused_and_left_alone(nexus, start, tmp_path):
    home = tmp_path / "h"
    start(home=home).stop()
    db = sqlite3.connect(home / "nexus.db")
    db.execute("PRAGMA user_version = 9999")
    db.commit()
    db.close()
    before = (home / "nexus.db").read_bytes()
    r = serve(nexus, "--home", str(home), "--listen", "127.0.0.1:0")
    assert r.returncode != 0 and "newer" in r.stderr, r.stderr
    assert (home / "nexus.db").read_bytes() == before


def test_a_wrong_address_is_refused(nexus, tmp_path):
    for address in ["nonsense:port", "127.0.0.1:99999", "127.0.0.1:", "300.1.2.3:1"]:
        r = serve(nexus, "--home", str(tmp_path / "h"), "--listen", address)
        assert r.returncode != 0 and address.split(":")[0] in r.stderr, (address, r.stderr)


def test_told_to_stop_while_connections_arrive_it_ends_well(start):
    for _ in range(8):
        s = start()
        over = threading.Event()
        callers = [threading.Thread(target=connect_until, args=(s.url, over)) for _ in range(4)]
        for c in callers:
            c.start()
        time.sleep(0.05)
        code = s.stop()
        over.set()
        for c in callers:
            c.join()
        assert code == 0, s.logged()[-500:]


def connect_until(url, over):
    host, port = url.removeprefix("http://").split(":")
    while not over.is_set():
        try:
            with socket.create_connection((host, int(port)), timeout=5) as c:
                c.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                while c.recv(4096):
                    pass
        except OSError:
            time.sleep(0.002)


def test_terminated_it_answers_what_it_has_and_ends(start):
    for sig in (signal.SIGTERM, signal.SIGINT):
        s = start()
        c = Client(s)
        answers = []
        body = {"input": "sleep", "wait": 30, "plan": {"steps": [
            {"id": "w", "tool": "code.run", "input": {"language": "shell", "code": "sleep 1.5; echo done"}}]}}
        t = threading.Thread(target=lambda: answers.append(c.post("/v1/tasks", body)))
        t.start()
        time.sleep(0.6)
        began = time.monotonic()
        s.process.send_signal(sig)
        t.join()
        assert s.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 15
        assert answers and answers[0].status_code in (200, 202), answers


def test_streams_do_not_hold_up_the_end(start):
    s = start()
    host, port = s.url.removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port))) for _ in range(50)]
    for x in sockets:
        x.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in x.recv(65536)
    began = time.monotonic()
    assert s.stop() == 0
    assert time.monotonic() - began < 5


def test_killed_it_has_everything_that_was_acknowledged(start, tmp_path):
    s = start(home=tmp_path / "h")
    c = Client(s)
    ids = [c.post("/v1/tasks", {"input": f"{i} + 1"}).json()["id"] for i in range(50)]
    s.stop(kill=True)
    c = Client(start(home=tmp_path / "h"))
    deadline = time.monotonic() + 30
    for i in ids:
        while c.get(f"/v1/tasks/{i}").json()["finished_at"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert c.get(f"/v1/tasks/{i}").json()["state"] == "succeeded"


def test_on_a_full_disk_writes_are_refused_and_what_was_acknowledged_stays(start, tmp_path):
    s = start(home=tmp_path / "h")
    c = Client(s)
    before = c.task("1 + 1")["id"]
    _, hard = resource.prlimit(s.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(s.pid, resource.RLIMIT_FSIZE, (64, hard))  # no file may grow: to the server it is a full disk
    for path, body in [("/v1/tasks", {"input": "2 + 2", "wait": True}),
                       ("/v1/knowledge/documents", {"documents": [{"id": "d", "text": "A sentence."}]}),
                       ("/v1/memory", {"user_id": "u", "text": "I like walnuts"})]:
        r = c.post(path, body)
        assert r.status_code == 507 and r.json()["code"] == "NX-NO-SPACE", (path, r.text)
    assert c.get(f"/v1/tasks/{before}").json()["state"] == "succeeded"
    resource.prlimit(s.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY if hard < 0 else hard, hard))
    after = c.task("3 + 3")["id"]
    assert c.get("/v1/knowledge/documents/d").status_code == 404
    assert s.stop() == 0
    c = Client(start(home=tmp_path / "h"))
    assert {before, after} == {t["id"] for t in c.get("/v1/tasks").json()["items"]}


def can_hide_files():
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_hide_files(), reason="no mount namespace can be had here")
def test_without_an_interpreter_its_language_is_refused_and_the_rest_runs(nexus, start, tmp_path):
    hidden = [f"{d}/{p}" for d in ("/usr/bin", "/usr/local/bin") for p in ("python3", "node", "nodejs", "gcc", "sqlite3")]
    hide = " && ".join(f"{{ test ! -e {p} || mount --bind /dev/null {p}; }}" for p in hidden)
    program = tmp_path / "nexus"
    program.write_text(f"#!/bin/sh\nexec unshare -m sh -c '{hide} && exec \"$@\"' sh {nexus} \"$@\"\n")
    program.chmod(0o755)
    c = Client(Server(program))
    try:
        r = c.post("/v1/sandbox/executions", {"language": "python", "code": "print(1)"})
        assert r.status_code == 503 and r.json()["code"] == "NX-MISSING", r.text
        assert "python" in r.json()["detail"] and "apt-get install" in r.json()["hint"]
        told = {x["name"]: x for x in c.get("/v1/sandbox/languages").json()["items"]}
        for language, package in (("javascript", "nodejs"), ("c", "gcc libc6-dev"), ("sql", "sqlite3")):
            r = c.post("/v1/sandbox/executions", {"language": language, "code": ""})
            assert r.status_code == 503 and r.json()["code"] == "NX-MISSING" and package in r.json()["hint"], r.text
            assert told[language]["available"] is False and told[language]["package"] == package
        assert told["python"]["available"] is False and told["shell"]["available"] is True
        assert c.post("/v1/sandbox/executions", {"language": "shell", "code": "echo 1"}).json()["stdout"] == "1\n"
        task = c.post("/v1/tasks", {"input": "x", "wait": True, "plan": {"steps": [
            {"id": "a", "tool": "code.run", "input": {"language": "python", "code": "print(1)"}}]}}).json()
        assert task["state"] == "failed" and task["error"]["code"] == "NX-MISSING", task
        assert c.task("2 + 2")["state"] == "succeeded"
    finally:
        c.server.close()
