"""The server as a process: ports, directories, signals."""
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from nexus_server import Client


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
