"""Clients that go away, clients that stay, clients that are many."""
import resource
import socket
import time

import httpx
import pytest
from nexus_server import Client

CLIENTS = 1000


def connect(server):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def settle(server, base, seconds):
    """Seconds until the descriptors are back at `base`."""
    start = time.monotonic()
    while server.descriptors() > base + 2:
        assert time.monotonic() - start < seconds, f"{server.descriptors()} descriptors, {base} before"
        time.sleep(0.01)
    return time.monotonic() - start


@pytest.fixture(scope="module", autouse=True)
def enough_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard > 0 else 8192, hard))


def test_a_thousand_streams_vanish_and_their_descriptors_with_them(start, request):
    server = start()
    c = Client(server)
    c.task()
    c.close()
    time.sleep(0.3)
    base = server.descriptors()
    sockets = [connect(server) for _ in range(CLIENTS)]
    for s in sockets:
        s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for s in sockets:
        got = b""
        while b"event: snapshot" not in got:
            got += s.recv(65536)
    assert server.descriptors() >= base + CLIENTS
    rss = server.rss()
    for s in sockets:
        s.close()
    sanitized = "san" in str(request.config.getoption("--build"))
    took = settle(server, base, 10 if sanitized else 1.0)
    print(f"{CLIENTS} streams: {rss / 1e6:.1f} MB resident, gone after {took * 1000:.0f} ms")
    if not sanitized:
        assert rss < 96 * 1024 * 1024
    assert Client(server).task()["state"] == "succeeded"


def test_a_client_that_stops_waiting_is_let_go_and_its_task_goes_on(server, client):
    client.close()  # its pooled connections
    base = server.descriptors()
    s = connect(server)
    body = (b'{"input":"sleep","wait":60,"plan":{"steps":[{"id":"w","tool":"code.run",'
            b'"input":{"language":"shell","code":"sleep 3; echo done"}}]}}')
    s.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
              % len(body) + body)
    time.sleep(0.7)
    s.close()
    time.sleep(1)
    c = Client(server, contract=client.contract)
    task = c.get("/v1/tasks?limit=1").json()["items"][0]
    assert task["state"] in ("running", "queued")
    deadline = time.monotonic() + 20
    while c.get(f"/v1/tasks/{task['id']}").json()["finished_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert c.get(f"/v1/tasks/{task['id']}").json()["state"] == "succeeded"
    c.close()
    settle(server, base, 3)
    client.http = httpx.Client(base_url=server.url, timeout=60)


def test_a_client_that_goes_away_cancels_its_run(client):
    with httpx.Client(base_url=client.server.url, timeout=0.7) as c:
        with pytest.raises(httpx.ReadTimeout):
            c.post("/v1/sandbox/executions", json={"language": "shell", "code": "sleep 50"})
    deadline = time.monotonic() + 5
    while 'nexus_sandbox_runs_total{status="cancelled"}' not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_requests_that_stop_halfway_cost_nothing(server, client):
    client.task()
    base = server.descriptors()
    for text in [b"GET", b"GET / HTTP/1.1\r\n", b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Content-Length: 100\r\n\r\n{\"input\"", b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                 b"Content-Type: application/json\r\n\r\n5\r\nabc"]:
        sockets = [connect(server) for _ in range(50)]
        for s in sockets:
            s.sendall(text)
        time.sleep(0.05)
        for s in sockets:
            s.close()
    settle(server, base, 3)


@pytest.mark.parametrize("text", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n",
                                  b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\n\r\n", b"A" * 40000,
                                  b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                  b"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
                                  b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                  b"Content-Length: -5\r\n\r\n",
                                  b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                  b"Content-Length: 99999999999999999999999\r\n\r\n"])
def test_what_is_not_http_is_refused_or_closed(server, client, text):
    with connect(server) as s:
        s.settimeout(10)
        try:
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
            got = s.recv(65536)
        except OSError:
            got = b""
    assert got == b"" or got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 5") or got.startswith(b"HTTP/1.0 4"), got[:80]
    assert client.get("/healthz").status_code == 200


def test_requests_may_be_pipelined(server):
    with connect(server) as s:
        one = b"GET /v1/tasks?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        s.sendall(one * 20 + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        s.settimeout(20)
        got = b""
        while part := s.recv(65536):
            got += part
    assert got.count(b"HTTP/1.1 200 OK") == 21


def test_connections_over_the_limit_are_refused_and_the_rest_served(start):
    server = start(args=["--api-max-connections", "16"])
    held = []
    for _ in range(64):
        try:
            held.append(connect(server))
        except OSError:
            break
    time.sleep(0.2)
    for s in held:
        s.close()
    time.sleep(0.3)
    assert Client(server).task()["state"] == "succeeded"
