"""A granted network on hosts that can do less: it is granted behind fewer walls or refused, and the proxy's rules stay."""
import http.server
import threading

import pytest

from nexus_server import Client, Server

FETCH = """import urllib.request, urllib.error
for url in {urls!r}:
    try:
        print(urllib.request.urlopen(url, timeout=20).read().decode())
    except urllib.error.HTTPError as e:
        print(e.code)
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a):
        pass

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")


@pytest.fixture(scope="module")
def port():
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield s.server_address[1]
    s.shutdown()


@pytest.fixture
def forced(nexus):
    """A client of a server whose host lacks something; only a build with fault points can be made to."""
    made = []

    def make(force, **env):
        try:
            server = Server(nexus, env={"NEXUS_FAULTS": "1000000000", "NEXUS_SANDBOX_FORCE": force, **env})
        except RuntimeError:
            pytest.skip("this build has no fault points")
        made.extend([Client(server), server])
        return made[-2]

    yield make
    for x in made:
        x.close()


def go(client, code, access):
    return client.post("/v1/sandbox/executions", {"language": "python", "code": code, "policy": "off",
                                                  "constraints": {"max_cpu_percent": 100, "network_access": access}})


@pytest.mark.parametrize("force", ["no-cgroup", "no-landlock", "no-seccomp", "no-clone3", "no-pidfd", "no-proc", "no-cgroupns", "no-userns",
                                   "no-landlock,no-seccomp,no-cgroup"])
def test_a_network_is_granted_and_its_rules_hold(forced, port, force):
    c = forced(force)
    r = go(c, FETCH.format(urls=[f"http://127.0.0.1:{port}/", "http://10.0.0.1/"]), {"allow": [f"127.0.0.1:{port}", "*"]})
    if r.status_code != 200:
        assert go(c, "pass", False).status_code == r.status_code, r.text
        pytest.skip(f"nothing runs here: {r.json()['detail']}")
    assert r.json()["stdout"] == "hello\n403\n" and r.json()["enforced"]["network"] == "proxy", r.text


@pytest.mark.parametrize("force", ["no-netns", "no-namespaces"])
def test_without_network_namespaces_none_is_granted(forced, force):
    r = go(forced(force), "pass", True)
    assert r.status_code >= 400 and "namespace" in r.json()["detail"], r.text


def test_a_proxy_that_cannot_be_started_ends_its_run_alone(forced, port):
    c = forced("", NEXUS_FAULTS="sandbox_proxy=1")
    r = go(c, "pass", True)
    assert r.status_code >= 500 and "start the proxy" in r.json()["detail"], r.text
    r = go(c, FETCH.format(urls=[f"http://127.0.0.1:{port}/"]), {"allow": [f"127.0.0.1:{port}"]})
    assert r.json()["stdout"] == "hello\n", r.text
