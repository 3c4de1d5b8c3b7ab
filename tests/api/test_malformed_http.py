"""What is not HTTP, or HTTP that cannot be read. What reaches the server's own code gets a problem document. What the library
cannot read it answers itself, with a page, and closes the connection; which is which stands in src/api/README.md."""
import json
import re
import socket
import time

import pytest

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def exchange(server, sent):
    """(what came until the server closed or fell silent, whether it closed)."""
    host, port = server.url.removeprefix("http://").split(":")
    got = b""
    with socket.create_connection((host, int(port)), timeout=20) as s:
        try:
            s.sendall(sent)
            while part := s.recv(65536):
                got += part
                s.settimeout(1)
        except TimeoutError:
            return got, False
        except OSError:
            pass  # it was closed before all was sent
    return got, True


def lives_on(client):
    assert client.get("/healthz").status_code == 200
    assert client.task()["state"] == "succeeded"


@pytest.mark.parametrize("sent, status, part", [
    (b"BREW /v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "BREW"),
    (b"get /v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "get"),
    (b"G@T() /v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "G@T()"),
    (b"A" * 3000 + b" /v1/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "AAA"),
    (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "path"),
    (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "path"),
    (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "path"),
    (GET + b"Host: localhost\r\n\r\n", 400, "Host came more than once"),
    (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}1", 400, "Content-Length came more than once"),
    (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "exclude each other"),
    (POST + b"Transfer-Encoding: gzip\r\n\r\nabc", 501, "`gzip`"),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "`gzip, chunked`"),
    (CHUNKED + b"2;x=y\r\n{}\r\n0\r\n\r\n", 400, "input"),
])
def test_what_can_be_read_gets_a_problem_document(server, client, sent, status, part):
    got, _ = exchange(server, sent)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), got[:300]
    assert b"Content-Type: application/problem+json" in head
    problem = json.loads(body)
    assert problem["status"] == status and problem["code"].startswith("NX-") and part in problem["detail"], problem
    lives_on(client)


@pytest.mark.parametrize("sent, status", [
    (b"GET /\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTQ/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"A" * 40000, 414),
    (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (GET + b"X: y\r\n" * 5000 + b"\r\n", 431),
    (GET + b"X: " + b"y" * 40000 + b"\r\n\r\n", 431),
    (POST + b"Content-Length: -5\r\n\r\n", 400),
    (POST + b"Content-Length: five\r\n\r\n", 400),
    (POST + b"Content-Length: 5x\r\n\r\n12345", 400),
    (POST + b"Content-Length: \r\n\r\n", 400),
    (POST + b"Content-Length: 2, 2\r\n\r\n{}", 400),
    (POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 413),
    (CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", 400),
    (CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", 400),
    (CHUNKED + b"5\r\n{\"input\":1}\r\n0\r\n\r\n", 400),
    (CHUNKED + b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n", 413),
])
def test_what_the_library_cannot_read_it_refuses_and_closes(server, client, sent, status):
    got, closed = exchange(server, sent)
    assert closed
    if got:  # a reset that overtakes the answer takes it away
        assert got.startswith(b"HTTP/1.1 %d " % status), got[:300]
        head, _, page = got.rpartition(b"\r\n\r\n")
        assert b"Connection: close" in head and b"Content-Type" not in head
        assert page.startswith(b"<html>") and not re.search(rb"/v1|localhost|microhttpd|\d\.\d\.\d", page), page
    lives_on(client)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n"])
def test_what_has_no_target_is_closed_without_an_answer(server, client, sent):
    assert exchange(server, sent) == (b"", True)
    lives_on(client)


def test_half_a_request_is_closed_when_its_time_is_over(start):
    from nexus_server import Client
    server = start(args=["--api-idle-timeout", "1s"])
    host, port = server.url.removeprefix("http://").split(":")
    for sent in [b"\0" * 100 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: local", CHUNKED + b"5\r\nab", POST + b"Content-Length: 9\r\n\r\n{"]:
        began = time.monotonic()
        with socket.create_connection((host, int(port)), timeout=20) as s:
            s.sendall(sent)
            while s.recv(65536):
                pass
        assert time.monotonic() - began < 10, sent
    lives_on(Client(server))
