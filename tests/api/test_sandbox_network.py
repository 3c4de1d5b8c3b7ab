"""Networks that were granted: what gets through the proxy, what does not, and what is told of it."""
import http.server
import json
import re
import shutil
import socket
import socketserver
import sqlite3
import threading
import time

import pytest

from nexus_server import Client
from test_sandbox_api import run
import test_sandbox_sessions as sessions

LIMITS = {"max_cpu_percent": 100, "max_memory_mb": 512, "max_execution_time_s": 30}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def answer(self, body, **headers):
        self.send_response(200)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        if self.path.startswith("/bytes/"):
            return self.answer(b"x" * int(self.path.split("/")[2]))
        self.answer(f"hello from {self.server.server_address[1]} {self.path}".encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        self.answer(json.dumps({"got": len(body)}).encode())


class Threaded(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def web():
    s = Threaded(("127.0.0.1", 0), Handler)
    s.seen = []
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield s
    s.shutdown()


@pytest.fixture(scope="module")
def granted(client):
    """The same client, where a network can be granted at all."""
    r = client.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": {"network_access": True}})
    if r.status_code != 200:
        pytest.skip(f"no network can be granted on this host: {r.text}")
    return client


def port(web):
    return web.server_address[1]


def go(client, code, access, language="python", **more):
    return run(client, code, language, policy="off", constraints={**LIMITS, "network_access": access}, **more)


FETCH = """
import urllib.request, urllib.error, sys
try:
    print(urllib.request.urlopen({url!r}, timeout=20).read().decode())
except urllib.error.HTTPError as e:
    print(e.code, e.reason)
except Exception as e:
    print('failed', e)
"""

# A bare client: no library decides for it what goes through the proxy.
ASK = """
import socket
def ask(text):
    s = socket.create_connection(('127.0.0.1', 3128), 10)
    s.sendall(text if isinstance(text, bytes) else text.encode())
    got = b''
    while b := s.recv(65536):
        got += b
        if b' 200 Connection established' in got:
            break
    return got.decode('latin-1')
"""


def connect(client, target, access):
    """The first line of the answer to CONNECT."""
    got = go(client, ASK + f"print(ask('CONNECT {target} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n').split('\\r\\n')[0])", access)
    assert got["status"] == "ok", got
    return got["stdout"].strip(), got


# ---- what gets through ----

def test_python_fetches_what_was_allowed(granted, web):
    got = go(granted, FETCH.format(url=f"http://127.0.0.1:{port(web)}/a?b=c"), {"allow": [f"127.0.0.1:{port(web)}"]})
    assert got["stdout"] == f"hello from {port(web)} /a?b=c\n", got
    assert got["enforced"]["network"] == "proxy"
    assert got["usage"]["network_bytes_in"] > 30 and got["usage"]["network_bytes_out"] > 30
    assert got["usage"]["network_refused"] == 0
    seen = web.seen[-1][2]
    assert seen["Host"] == f"127.0.0.1:{port(web)}" and not [k for k in seen if k.lower().startswith("proxy")]


def test_a_name_is_resolved_by_the_proxy(granted, web):
    got = go(granted, FETCH.format(url=f"http://localhost:{port(web)}/n"), {"allow": [f"LOCALHOST.:{port(web)}"]})
    assert got["stdout"] == f"hello from {port(web)} /n\n", got


@pytest.mark.skipif(not shutil.which("curl"), reason="apt-get install curl")
def test_curl_forwards_tunnels_and_speaks_socks(granted, web):
    here = f"127.0.0.1:{port(web)}"
    code = f"""
curl -sS http://{here}/forward; echo
curl -sS --proxytunnel http://{here}/tunnel; echo
curl -sS --proxy socks5h://127.0.0.1:3128 http://localhost:{port(web)}/name; echo
curl -sS --proxy socks5://127.0.0.1:3128 http://{here}/address; echo
curl -sS --data-binary @- http://{here}/post < /code/main.sh; echo
curl -sS http://{here}/1 http://{here}/2; echo
"""
    got = go(granted, code, {"allow": [here, f"localhost:{port(web)}"]}, "shell")
    lines = got["stdout"].splitlines()
    p = f"hello from {port(web)}"
    assert lines[:4] == [f"{p} /forward", f"{p} /tunnel", f"{p} /name", f"{p} /address"], got
    assert json.loads(lines[4])["got"] > 100 and lines[5] == f"{p} /1{p} /2", got
    assert got["usage"]["network_refused"] == 0


@pytest.mark.skipif(not shutil.which("node"), reason="apt-get install nodejs")
def test_node_fetches_by_connect(granted, web):
    code = f"""
const http = require('http');
http.request({{host: '127.0.0.1', port: 3128, method: 'CONNECT', path: '127.0.0.1:{port(web)}'}})
  .on('connect', (res, socket) => {{
    http.get({{createConnection: () => socket, path: '/node', headers: {{host: 'x'}}}}, r => r.on('data', d => console.log(res.statusCode, String(d))).on('end', () => socket.end()));
  }}).end();
"""
    got = go(granted, code, {"allow": [f"127.0.0.1:{port(web)}"]}, "javascript")
    assert got["stdout"] == f"200 hello from {port(web)} /node\n", got


def test_bytes_are_counted(granted, web):
    n = 3_000_000
    code = f"import urllib.request\nprint(len(urllib.request.urlopen('http://127.0.0.1:{port(web)}/bytes/{n}').read()))"
    got = go(granted, code, {"allow": [f"127.0.0.1:{port(web)}"]})
    assert got["stdout"] == f"{n}\n", got
    assert n <= got["usage"]["network_bytes_in"] <= n + 1000
    stored = granted.get(f"/v1/sandbox/executions/{got['id']}").json()
    assert stored["usage"]["network_bytes_in"] == got["usage"]["network_bytes_in"]


def test_many_connections_at_once(granted, web):
    code = f"""
import urllib.request
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(24) as pool:
    print(sum(pool.map(lambda i: len(urllib.request.urlopen('http://127.0.0.1:{port(web)}/bytes/50000').read()), range(200))))
"""
    got = go(granted, code, {"allow": [f"127.0.0.1:{port(web)}"]})
    assert got["stdout"] == f"{200 * 50000}\n", got


# ---- what does not ----

REFUSED = {
    "loopback": "127.0.0.1:80", "loopback, another": "127.255.255.254:443", "private 10": "10.0.0.1:80",
    "private 172": "172.16.0.1:80", "private 192": "192.168.1.1:443", "carrier-grade NAT": "100.64.0.1:80",
    "link-local": "169.254.169.254:80", "multicast": "224.0.0.1:80", "unspecified": "0.0.0.0:80", "this network": "0.1.2.3:80",
    "broadcast": "255.255.255.255:80", "reserved": "240.0.0.1:80", "documentation": "192.0.2.1:80",
    "loopback 6": "[::1]:80", "unspecified 6": "[::]:80", "link-local 6": "[fe80::1]:80", "unique local": "[fd00::1]:80",
    "site-local": "[fec0::1]:80", "multicast 6": "[ff02::1]:80", "v4-mapped": "[::ffff:127.0.0.1]:80",
    "v4-mapped public": "[::ffff:8.8.8.8]:80", "v4-compatible": "[::127.0.0.1]:80", "NAT64": "[64:ff9b::7f00:1]:80",
    "6to4": "[2002:7f00:1::]:80", "Teredo": "[2001:0:7f00:1::]:80", "documentation 6": "[2001:db8::1]:80",
    "a short form": "127.1:80", "a number": "2130706433:80", "hexadecimal": "0x7f000001:80", "octal": "0177.0.0.1:80",
    "a name": "localhost:80", "a name with a dot": "localhost.:443",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_addresses_that_are_not_public_are_refused(granted, kind):
    line, got = connect(granted, REFUSED[kind], True)
    assert re.match(r"HTTP/1.1 (403 Refused by the sandbox: (its address is|it is an address)|502 No such host)", line), line
    if " 403 " in line:
        assert got["usage"]["network_refused"] == 1


def test_what_is_not_allowed_is_refused(granted, web):
    here = f"127.0.0.1:{port(web)}"
    for access, why in [({"allow": ["example.com"]}, "not in the allow list"),
                        ({"allow": ["127.0.0.1"]}, "not in the allow list"),  # without a port: 80 and 443
                        ({"allow": ["127.0.0.1:*"]}, "must name"),
                        ({"allow": ["127.0.0.0/8:*"]}, "must name"),
                        ({"allow": [f"0.0.0.0/0:{port(web)}"]}, "must name"),
                        ({"allow": ["*:*"]}, "must name"),
                        ({"allow": [here], "deny": ["127.0.0.1"]}, "deny list"),
                        ({"allow": [here], "deny": [f"127.0.0.0/8:{port(web)}"]}, "deny list"),
                        ({"allow": [here], "deny": ["*"]}, "deny list")]:
        line, _ = connect(granted, here, access)
        assert " 403 " in line and why in line, (access, line)
    for access in ({"allow": [here], "deny": [f"127.0.0.1:{port(web) ^ 1}"]}, {"allow": [f"127.0.0.0/8:{port(web)}"]}):
        line, _ = connect(granted, here, access)
        assert " 200 " in line, (access, line)


def test_a_name_that_means_a_denied_address_is_refused(granted, web):
    line, _ = connect(granted, f"localhost:{port(web)}", {"allow": [f"localhost:{port(web)}"], "deny": ["127.0.0.1", "::1"]})
    assert " 403 " in line and "deny list" in line
    line, _ = connect(granted, "localhost:80", {"allow": ["*"]})
    assert " 403 " in line and "loopback" in line
    line, _ = connect(granted, "localhost:443", {"allow": ["localhost"]})
    assert " 403 " in line and "loopback" in line


def test_a_name_is_denied_in_every_form(granted):
    for host in ("example.invalid", "EXAMPLE.invalid", "example.invalid.", "example.invalid.."):
        line, _ = connect(granted, f"{host}:443", {"allow": ["*"], "deny": ["Example.Invalid"]})
        assert re.search(" 403 .*deny list" if ".." not in host else " 400 ", line), (host, line)


def test_this_hosts_own_address_is_not_public(granted):
    """Whatever it is: the way to it begins and ends here."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.connect(("192.88.99.1", 9))
        own = s.getsockname()[0]
    except OSError:
        pytest.skip("this host has no address but loopback")
    finally:
        s.close()
    line, _ = connect(granted, f"{own}:80", True)
    assert " 403 " in line, line


def test_wildcards_are_below_a_name_and_not_the_name(granted):
    for target, ok in [("a.example.invalid:443", True), ("example.invalid:443", False), ("bexample.invalid:443", False),
                       ("a.b.example.invalid:80", True), ("a.example.invalid:8443", False)]:
        line, _ = connect(granted, target, {"allow": ["*.Example.invalid"]})
        assert (" 502 No such host" in line) == ok, (target, line)


def test_there_is_no_way_round_the_proxy(granted, web):
    code = f"""
import socket
for family, to in ((socket.AF_INET, ('127.0.0.1', {port(web)})), (socket.AF_INET, ('8.8.8.8', 53)), (socket.AF_INET6, ('::1', {port(web)})),
                   (socket.AF_INET6, ('2001:4860:4860::8888', 53))):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            s = socket.socket(family, kind)
            s.settimeout(3)
            s.connect(to)
            s.send(b'x')
            s.recv(1)
            print('open', to)
        except OSError as e:
            print('held')
try:
    socket.getaddrinfo('example.com', 80)
    print('open')
except OSError:
    print('held')
for family in (socket.AF_NETLINK, socket.AF_PACKET):
    try:
        socket.socket(family, socket.SOCK_RAW)
        print('open', family)
    except OSError:
        print('held')
print(sorted(n for n in open('/proc/net/dev').read().split() if n.endswith(':')) if __import__('os').path.exists('/proc/net/dev') else ['lo:'])
"""
    got = go(granted, code, True)
    assert got["stdout"] == "held\n" * 11 + "['lo:']\n", got


def test_without_a_grant_there_is_no_proxy(granted):
    got = run(granted, "import os, socket\nprint([k for k in os.environ if 'proxy' in k.lower()])\ntry:\n    socket.create_connection(('127.0.0.1', 3128), 2)\n    print('open')\nexcept OSError:\n    print('held')", policy="off")
    assert got["stdout"] == "[]\nheld\n" and got["enforced"]["network"] != "proxy"
    assert got["usage"]["network_bytes_in"] == 0


def test_two_runs_cannot_meet(server, granted):
    """One listens on every address it has; the other looks for it at the same time."""
    serve = """
import socket, time
s = socket.socket(); s.bind(('0.0.0.0', 4000)); s.listen()
s.settimeout(4)
try:
    s.accept(); print('met')
except OSError:
    print('alone')
"""
    look = ASK + """
import time
met = False
for _ in range(10):
    time.sleep(0.2)
    try:
        socket.create_connection(('127.0.0.1', 4000), 1); met = True
    except OSError:
        pass
print('met' if met else 'alone')
print(ask('CONNECT 127.0.0.1:4000 HTTP/1.1\\r\\n\\r\\n').split('\\r\\n')[0])
"""
    other = Client(server, contract=granted.contract)
    out = []
    t = threading.Thread(target=lambda: out.append(go(other, serve, True)["stdout"]))
    t.start()
    got = go(granted, look, {"allow": ["127.0.0.1:4000"]})
    t.join()
    other.close()
    # The one's listener is not there for the other: not by loopback, and not by the proxy, which is in the host's network.
    assert got["stdout"].startswith("alone\nHTTP/1.1 502") and out == ["alone\n"], (got, out)


# ---- bad clients ----

@pytest.mark.parametrize("text", [
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT x HTTP/1.1\r\n\r\n", "CONNECT x:0 HTTP/1.1\r\n\r\n",
    "CONNECT x:99999 HTTP/1.1\r\n\r\n", "CONNECT a b:1 HTTP/1.1\r\n\r\n", "CONNECT u@h:80 HTTP/1.1\r\n\r\n",
    "GET http://h\x01/ HTTP/1.1\r\n\r\n", "GET http://h/ HTTP/2\r\n\r\n", "GET https://h/ HTTP/1.1\r\n\r\n", "\r\n\r\n",
    "GET http://h/ HTTP/1.1\nHost: x\n\n", "GET http://h/ HTTP/1.1\r\nHost : x\r\n\r\n", "GET http://h/ HTTP/1.1\r\n" + "a: b\r\n" * 200, "GET http://[::1/ HTTP/1.1\r\n\r\n", "x" * 20000])
def test_malformed_requests_get_an_answer(granted, text):
    got = go(granted, ASK + f"print(ask({text!r}).split('\\r\\n')[0])", True)
    assert re.match(r"HTTP/1.1 4(00|31) ", got["stdout"]), got


def test_socks_says_why(granted):
    code = """
import socket
def ask(*parts):
    s = socket.create_connection(('127.0.0.1', 3128), 10)
    got = []
    for p in parts:
        s.sendall(p)
        got.append(s.recv(100).hex())
    return got
G = b'\\x05\\x01\\x00'
print(ask(b'\\x05\\x01\\x02'))
print(ask(G, b'\\x05\\x02\\x00\\x01\\x7f\\x00\\x00\\x01\\x00\\x50'))
print(ask(G, b'\\x05\\x01\\x00\\x09\\x7f\\x00\\x00\\x01\\x00\\x50'))
print(ask(G, b'\\x05\\x01\\x00\\x01\\x7f\\x00\\x00\\x01\\x00\\x50'))
print(ask(G, b'\\x05\\x01\\x00\\x04' + b'\\0' * 15 + b'\\x01\\x00\\x50'))
print(ask(G, b'\\x05\\x01\\x00\\x03\\x09localhost\\x00\\x50'))
"""
    got = go(granted, code, True)
    rest = "00010000" + "0000" + "0000"
    want = [["05ff"]] + [["0500", f"05{c}{rest}"] for c in ("07", "08", "02", "02", "02")]
    assert got["stdout"].splitlines() == [str(w) for w in want], got


# ---- what is told, limits, the end ----

def audited(server):
    db = sqlite3.connect(f"file:{server.home}/nexus.db?mode=ro", uri=True)
    rows = db.execute("SELECT object, detail FROM audit WHERE action = 'sandbox.network_refused' ORDER BY id").fetchall()
    db.close()
    return rows


def test_each_refusal_is_told_once(start):
    s = start()
    c = Client(s)
    _, got = connect(c, "10.9.8.7:80", True)
    c.close()
    lines = [x for x in s.logged().splitlines() if "a connection was refused" in x]
    assert len(lines) == 1 and got["id"] in lines[0] and "10.9.8.7" in lines[0] and "private" in lines[0], lines
    assert audited(s) == [(got["id"], "10.9.8.7:80: its address is private, which the allow list must name with its port")]


def test_limits_of_a_granted_run(start, web):
    s = start(env={"NEXUS_SANDBOX_NETWORK_MAX_BYTES": "1MiB", "NEXUS_SANDBOX_NETWORK_MAX_CONNECTIONS": "2", "NEXUS_SANDBOX_NETWORK_IDLE": "1s"})
    c = Client(s)
    here = f"127.0.0.1:{port(web)}"
    code = f"""
import urllib.request
for n in (1000, 5000000, 10):
    try:
        print(len(urllib.request.urlopen('http://{here}/bytes/%d' % n, timeout=10).read()))
    except Exception as e:
        print(type(e).__name__)
"""
    got = go(c, code, {"allow": [here]})
    assert got["stdout"].split()[0] == "1000" and got["stdout"].split()[2] == "HTTPError", got
    assert got["usage"]["network_bytes_in"] < (1 << 20) + 200000 and got["usage"]["network_refused"] == 2
    # Idle connections are closed, so that one who waits for a place gets it.
    code = f"""
import socket, time, urllib.request
idle = [socket.create_connection(('127.0.0.1', 3128)) for _ in range(2)]
began = time.monotonic()
print(urllib.request.urlopen('http://{here}/late', timeout=10).read().decode(), 0.5 < time.monotonic() - began < 5)
"""
    got = go(c, code, {"allow": [here]})
    assert got["stdout"] == f"hello from {port(web)} /late True\n", got
    c.close()


def test_look_ups_are_counted(start):
    s = start(env={"NEXUS_SANDBOX_NETWORK_MAX_LOOKUPS": "3"})
    c = Client(s)
    code = ASK + "for i in range(5): print(ask(f'CONNECT n{i}.invalid:443 HTTP/1.1\\r\\n\\r\\n').split('\\r\\n')[0])"
    lines = go(c, code, True)["stdout"].splitlines()
    assert [x.split()[1] for x in lines] == ["502"] * 3 + ["403"] * 2 and "network_max_lookups" in lines[4], lines
    c.close()


def test_an_operator_may_grant_public_addresses_alone(start, web):
    s = start(env={"NEXUS_SANDBOX_NETWORK_PRIVATE": "false"})
    c = Client(s)
    for target in (f"127.0.0.1:{port(web)}", f"localhost:{port(web)}"):
        line, _ = connect(c, target, {"allow": [target]})
        assert " 403 " in line and "only public ones" in line, line
    c.close()


# ---- sessions ----

def test_a_session_has_one_network_for_all_its_runs(start, web):
    s = start()
    c = Client(s)
    here = f"127.0.0.1:{port(web)}"
    session = sessions.begin(c, constraints={"max_cpu_percent": 100, "network_access": {"allow": [here], "deny": ["10.0.0.0/8"]}})
    assert session["constraints"]["network_access"] == {"allow": [here], "deny": ["10.0.0.0/8"]}
    got = sessions.run(c, session, FETCH.format(url=f"http://{here}/one") + "x = 1", policy="off")
    assert got["stdout"] == f"hello from {port(web)} /one\n" and got["enforced"]["network"] == "proxy", got
    assert 30 < got["usage"]["network_bytes_in"] < 1000 and got["usage"]["network_refused"] == 0
    got = sessions.run(c, session, FETCH.format(url="http://10.0.0.1/"), policy="off")
    assert got["stdout"].startswith("403 Refused") and got["usage"]["network_refused"] == 1, got
    assert audited(s) == [(got["id"], "10.0.0.1:80: it is in the deny list")]
    got = sessions.run(c, session, FETCH.format(url=f"http://{here}/bytes/100000"), policy="off")
    assert 100_000 < got["usage"]["network_bytes_in"] < 101_000, got
    got = sessions.run(c, session, "x", policy="off")
    assert got["usage"]["network_bytes_in"] == 0 and got["usage"]["network_refused"] == 0, got
    sessions.end(c, session)
    c.close()


def test_a_session_without_a_grant_has_no_network(client, web):
    session = sessions.begin(client)
    assert "network_access" not in session["constraints"]
    got = sessions.run(client, session, FETCH.format(url=f"http://127.0.0.1:{port(web)}/"), policy="off")
    assert got["stdout"].startswith("failed") and got["enforced"]["network"] == "namespace", got
    sessions.end(client, session)


def test_a_run_in_a_session_cannot_have_another_network(client):
    session = sessions.begin(client)
    r = client.post("/v1/sandbox/executions", {"language": "python", "session_id": session["id"], "code": "1", "constraints": {"network_access": True}})
    assert r.status_code == 422 and r.json()["pointer"] == "/constraints/network_access" and "session" in r.json()["detail"], r.text
    sessions.end(client, session)


def test_what_cannot_be_granted_to_a_session_is_refused(client, start):
    r = client.post("/v1/sandbox/sessions", {"language": "python", "constraints": {"network_access": {"allow": ["a b"]}}})
    assert r.status_code == 400 and r.json()["pointer"] == "/constraints/network_access/allow/0", r.text
    c = Client(start(env={"NEXUS_SANDBOX_NETWORK": "false"}))
    r = c.post("/v1/sandbox/sessions", {"language": "python", "constraints": {"network_access": True}})
    assert r.status_code == 403 and "sandbox.network" in r.json()["detail"], r.text
    c.close()


def test_an_operator_may_grant_none(start):
    s = start(env={"NEXUS_SANDBOX_NETWORK": "false"})
    c = Client(s)
    r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": {"network_access": True}})
    assert r.status_code == 403 and "sandbox.network" in r.json()["detail"], r.text
    c.close()


@pytest.mark.parametrize("access,pointer", [
    ("yes", ""), (1, ""), ([], ""), ({}, "/allow"), ({"allow": []}, "/allow"), ({"allow": "x"}, "/allow"), ({"allow": ["a b"]}, "/allow/0"),
    ({"allow": ["x:0"]}, "/allow/0"), ({"allow": ["x:70000"]}, "/allow/0"), ({"allow": ["x", 1]}, "/allow/1"),
    ({"allow": ["x"], "deny": ["10.0.0.0/33"]}, "/deny/0"), ({"allow": ["x"], "more": 1}, ""), ({"allow": ["x"] * 33}, "/allow"),
    ({"allow": ["http://x/"]}, "/allow/0"), ({"allow": ["a*b.com"]}, "/allow/0"), ({"allow": ["é.com"]}, "/allow/0")])
def test_what_cannot_be_granted_is_refused_with_its_place(client, access, pointer):
    r = client.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": {"network_access": access}})
    assert r.status_code == 400 and r.json()["pointer"].endswith("/constraints/network_access" + pointer), r.text


def test_the_proxy_ends_with_the_run(granted):
    def proxies():
        import pathlib
        found = []
        for p in pathlib.Path("/proc").glob("[0-9]*/comm"):
            try:
                if p.read_text().strip() == "nexus-proxy":
                    found.append(p.parent.name)
            except OSError:
                pass
        return set(found)

    before = proxies()
    got = go(granted, "import time\ntime.sleep(0.5)", True)
    assert got["status"] == "ok"
    got = run(granted, "while True: pass", constraints={"network_access": True, "max_execution_time_s": 0.3})
    assert got["status"] == "timeout"
    end = time.monotonic() + 5
    while proxies() - before and time.monotonic() < end:
        time.sleep(0.05)
    assert not proxies() - before
