"""Who may ask from where."""
import socket

import httpx
import pytest


def raw(server, text):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(text)
        s.settimeout(10)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    return got


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8600", "127.0.0.1.evil.example", "localhost.evil.example",
                                  "0.0.0.0", "[::2]", "192.168.0.1", "127.0.0.1@evil", ""])
def test_a_foreign_host_gets_nothing_without_keys(client, host):
    before = client.get("/v1/tasks").json()
    for path in ["/v1/tasks", "/healthz", "/"]:
        r = client.get(path, headers={"Host": host})
        assert r.status_code in (400, 403), (host, path)
    assert client.request("POST", "/v1/tasks", json={"input": "1 + 1"}, headers={"Host": host}).status_code in (400, 403)
    assert client.get("/v1/tasks").json() == before


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8600", "LOCALHOST"])
def test_names_of_this_machine_are_taken(client, host):
    assert client.get("/v1/tasks", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1.evil.example", "null", "http://localhost:1",
                                    "file://", "chrome-extension://abc", ""])
def test_a_foreign_origin_gets_nothing(client, origin):
    before = client.get("/v1/tasks").json()
    for method, path in [("GET", "/v1/tasks"), ("POST", "/v1/tasks"), ("GET", "/metrics"), ("DELETE", "/v1/keys/x")]:
        r = client.request(method, path, json={"input": "1 + 1"} if method == "POST" else None, headers={"Origin": origin})
        assert r.status_code == 403, (origin, path)
        assert "access-control-allow-origin" not in r.headers
    assert client.get("/v1/tasks").json() == before


def test_a_foreign_origin_gets_nothing_with_a_key_either(tenants):
    r = tenants.a.get("/v1/tasks", headers={"Origin": "http://evil.example"})
    assert r.status_code == 403


def test_the_own_origin_is_taken(client):
    assert client.get("/v1/tasks", headers={"Origin": client.server.url}).status_code == 200


def test_a_cross_site_request_is_refused_where_no_origin_is_sent(client):
    assert client.get("/v1/tasks", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_listed_origins_and_hosts_are_taken(start):
    from nexus_server import Client
    s = start(args=["--api-allowed-origins", "https://app.example, https://b.example", "--api-allowed-hosts", "nexus.lan"])
    c = Client(s)
    r = c.get("/v1/tasks", headers={"Origin": "https://app.example"})
    assert r.status_code == 200 and r.headers["access-control-allow-origin"] == "https://app.example"
    assert "Origin" in r.headers["vary"]
    pre = c.request("OPTIONS", "/v1/tasks", headers={"Origin": "https://app.example",
                                                     "Access-Control-Request-Method": "POST"})
    assert pre.status_code == 204 and "POST" in pre.headers["access-control-allow-methods"]
    assert "authorization" in pre.headers["access-control-allow-headers"]
    assert c.get("/v1/tasks", headers={"Origin": "https://evil.example"}).status_code == 403
    assert c.get("/v1/tasks", headers={"Host": "nexus.lan:8600"}).status_code == 200


def test_headers_that_come_twice_are_refused(server):
    for line in [b"Host: localhost\r\nHost: evil.example", b"Host: localhost\r\nAuthorization: a\r\nAuthorization: b",
                 b"Host: localhost\r\nOrigin: http://a\r\nOrigin: http://b"]:
        got = raw(server, b"GET /v1/tasks HTTP/1.1\r\n" + line + b"\r\nConnection: close\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 400"), got[:200]


def test_length_and_chunks_exclude_each_other(server):
    got = raw(server, b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
              b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400"), got[:200]


def test_a_public_address_is_refused_without_keys(nexus, tmp_path):
    import subprocess
    r = subprocess.run([str(nexus), "serve", "--home", str(tmp_path / "h"), "--listen", "0.0.0.0:0"],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode != 0
    assert "other machines" in r.stderr and "key" in r.stderr


def test_a_public_address_is_taken_with_a_key(start, tmp_path):
    from nexus_server import Client
    home = tmp_path / "h"
    s = start(home=home)
    key = Client(s).post("/v1/keys", {"name": "me", "scopes": ["admin"]}).json()["key"]
    s.stop()
    s = start(home=home, listen="0.0.0.0:0")
    url = s.url.replace("0.0.0.0", "127.0.0.1")
    assert httpx.get(url + "/v1/tasks").status_code == 401
    assert httpx.get(url + "/v1/tasks", headers={"Authorization": f"Bearer {key}"}).status_code == 200
