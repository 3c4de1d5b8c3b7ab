"""What is granted to programs and sessions in an image: directories of the host and a network, as without one."""
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
import test_sandbox_network as network
from docker_engine import NoEngine, image_tar
from nexus_server import Client, Server
from test_sandbox_images import bring, layout, special, tar_of

web = network.web
LIMITS = {"max_cpu_percent": 100}


@pytest.fixture(scope="module")
def granting(nexus, tmp_path_factory):
    """A client of a server that may grant directories below `host`, with an image that stands in their way."""
    try:
        base = image_tar()
    except NoEngine as why:
        pytest.skip(str(why))
    host = tempfile.mkdtemp(prefix="nexus-both-", dir="/var")
    os.chmod(host, 0o755)
    for d in ("read/a", "write/b"):
        os.makedirs(f"{host}/{d}")
        if os.geteuid() == 0:
            os.chown(f"{host}/{d}", 12345, 12345)
    Path(host, "read/a/in.txt").write_text("given\n")
    s = Server(nexus, home=tmp_path_factory.mktemp("grants") / "home", args=["--sandbox-read-roots", f"{host}/read", "--sandbox-write-roots", f"{host}/write"])
    c = Client(s)
    try:
        r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": {"file_system_access": {"read": [f"{host}/read/a"]}}})
        if r.status_code == 503:
            pytest.skip(f"no directory can be granted here: {r.json()['detail']}")
        tmp = tmp_path_factory.mktemp("layouts")
        # what the grants are mounted over, and who the image says is the proxy
        own = tar_of((f"{host}/read/a/in.txt"[1:], b"of the image\n"), (f"{host}/write/b/out"[1:], b"of the image\n"))
        layout(tmp / "plain", [base, own], config={"Env": ["http_proxy=http://192.0.2.1:1", "HTTPS_PROXY=http://192.0.2.1:1", "NO_PROXY=*",
                                                           "APP=here"], "User": "4242", "WorkingDir": "/opt"})
        layout(tmp / "linked", [base, tar_of(special("srv", tarfile.SYMTYPE, "/usr"), special("var", tarfile.SYMTYPE, "usr/lib"))])
        for name in ("plain", "linked"):
            r = bring(c, name, tmp / name)
            assert r.status_code == 201, r.text
            shutil.rmtree(tmp / name)
        c.host = host
        yield c
    finally:
        c.close()
        s.close()
        shutil.rmtree(host)


@pytest.fixture(scope="module")
def networked(granting):
    r = granting.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": {"network_access": True}})
    if r.status_code != 200:
        pytest.skip(f"no network can be granted on this host: {r.text}")
    return granting


def files_of(client):
    return {"read": [f"{client.host}/read/a"], "write": [f"{client.host}/write/b"]}


def clear(client):
    for f in Path(client.host, "write/b").iterdir():
        f.unlink()


def run(client, code, language="shell", session=None, image=None, **constraints):
    body = {"language": language, "code": code, "policy": "off"}
    if image:
        body |= {"image": image, "constraints": {**LIMITS, **constraints}}
    if session:
        body |= {"session_id": session["id"]}
    r = client.post("/v1/sandbox/executions", body)
    assert r.status_code == 200, r.text
    return r.json()


def begin(client, image, **constraints):
    r = client.post("/v1/sandbox/sessions", {"language": "python", "image": image, "constraints": {**LIMITS, **constraints}})
    assert r.status_code == 201, r.text
    return r.json()


def end(client, session):
    assert client.delete(f"/v1/sandbox/sessions/{session['id']}").status_code == 200


USE = ("cat {0}/read/a/in.txt; read x <{0}/read/a/in.txt; echo $x.$x >{0}/write/b/out; cat {0}/write/b/out\n"
       "for f in {0}/read/a/no {0}/read/no {0}/no; do echo x 2>/dev/null >$f && echo wrote $f; done; ls {0}")


@pytest.mark.parametrize("image", ["plain", "linked"])
def test_directories_are_read_and_written_in_an_image(granting, image):
    got = run(granting, USE.format(granting.host), image=image, file_system_access=files_of(granting))
    assert got["status"] == "ok" and got["stdout"] == "given\ngiven.given\nread\nwrite\n", got
    out = Path(granting.host, "write/b/out")
    assert out.read_text() == "given.given\n"
    if os.geteuid() == 0:
        assert out.stat().st_uid == 12345
    clear(granting)


def test_without_a_grant_an_image_has_nothing_of_the_host(granting):
    got = run(granting, f"cat {granting.host}/read/a/in.txt; ls {granting.host}/write/b; true", image="linked")
    assert got["stdout"] == "", got
    r = granting.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "image": "plain",
                                                 "constraints": {"file_system_access": {"read": ["/etc"]}}})
    assert r.status_code == 403 and r.json()["pointer"] == "/constraints/file_system_access/read/0", r.text


@pytest.mark.parametrize("image", ["plain", "linked"])
def test_directories_are_a_sessions_in_an_image(granting, image):
    s = begin(granting, image, file_system_access=files_of(granting))
    got = run(granting, f"t = open('{granting.host}/read/a/in.txt').read(); open('{granting.host}/write/b/s', 'w').write(t + 'more')", "python", s)
    assert got["status"] == "ok", got
    got = run(granting, f"print(open('{granting.host}/write/b/s').read())\nopen('{granting.host}/read/a/no', 'w')", "python", s)
    assert got["stdout"] == "given\nmore\n" and "Read-only" in got["stderr"], got
    # processes and terminals of the session have what it has
    r = granting.post(f"/v1/sandbox/sessions/{s['id']}/terminal", {"command": ["sh", "-c", USE.format(granting.host)]})
    assert r.status_code == 201, r.text
    where = f"/v1/sandbox/sessions/{s['id']}/processes/{r.json()['id']}"
    deadline = time.monotonic() + 20
    while granting.get(where).json()["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = granting.get(where + "/output").json()["text"]
    assert seen.startswith("given\r\ngiven.given\r\n") and "wrote" not in seen, seen
    assert sorted(f.name for f in Path(granting.host, "write/b").iterdir()) == ["out", "s"]
    end(granting, s)
    clear(granting)


FETCH = """
import socket
def ask(text):
    s = socket.create_connection(('127.0.0.1', 3128), 10)
    s.sendall(text.encode())
    got = b''
    while b := s.recv(65536):
        got += b
    return got.decode('latin-1').split('\\r\\n')
def fetch(where):
    got = ask(f'GET http://{where}/x HTTP/1.1\\r\\nHost: {where}\\r\\nConnection: close\\r\\n\\r\\n')
    print(got[0].split()[1], got[-1])
"""


def test_a_network_reaches_what_was_allowed_in_an_image(networked, web):
    here = f"127.0.0.1:{network.port(web)}"
    got = run(networked, FETCH + f"fetch({here!r})\nfetch('10.0.0.1')\nimport os\nprint(os.environ['http_proxy'], os.environ['HTTPS_PROXY'], "
              "os.environ['APP'], '*' in os.environ.get('NO_PROXY', ''))", "python", image="plain", network_access={"allow": [here]})
    lines = got["stdout"].splitlines()
    assert lines[0] == f"200 hello from {network.port(web)} /x" and lines[1].startswith("403"), got
    assert "192.0.2.1" not in lines[-1] and "127.0.0.1:3128" in lines[-1] and lines[-1].endswith(" here False"), got
    assert got["enforced"]["network"] == "proxy" and got["usage"]["network_refused"] == 1 and got["usage"]["network_bytes_in"] > 30


def test_a_library_finds_the_proxy_in_an_image(networked, web):
    here = f"127.0.0.1:{network.port(web)}"
    got = run(networked, network.FETCH.format(url=f"http://{here}/lib"), "python", image="plain", network_access={"allow": [here]})
    assert got["stdout"] == f"hello from {network.port(web)} /lib\n", got


def test_without_a_grant_an_image_has_no_network(networked):
    got = run(networked, "import socket\ntry: socket.create_connection(('127.0.0.1', 3128), 2)\nexcept OSError as e: print('none')", "python", image="plain")
    assert got["stdout"] == "none\n" and got["enforced"]["network"] != "proxy", got


def test_a_network_and_directories_are_a_sessions_in_an_image_that_is_removed(networked, web, tmp_path):
    here = f"127.0.0.1:{network.port(web)}"
    layout(tmp_path / "oci", [image_tar()])
    assert bring(networked, "leaving", tmp_path / "oci").status_code == 201
    s = begin(networked, "leaving", network_access={"allow": [here]}, file_system_access=files_of(networked))
    assert networked.delete("/v1/sandbox/images/leaving").status_code == 204
    got = run(networked, FETCH + f"fetch({here!r})\nopen('{networked.host}/write/b/kept', 'w').write('kept')", "python", s)
    assert got["stdout"] == f"200 hello from {network.port(web)} /x\n" and got["enforced"]["network"] == "proxy", got
    got = run(networked, f"fetch('10.0.0.1'); print(open('{networked.host}/write/b/kept').read())", "python", s)
    assert got["stdout"].startswith("403") and got["stdout"].endswith("kept\n") and got["usage"]["network_refused"] == 1, got
    end(networked, s)
    assert Path(networked.host, "write/b/kept").read_text() == "kept"
    clear(networked)


def test_the_shell_of_an_image_has_what_it_was_granted(networked, nexus, web):
    here = f"127.0.0.1:{network.port(web)}"
    text = f"cat {networked.host}/read/a/in.txt >{networked.host}/write/b/shell\necho $http_proxy $APP; exit 5\n"
    r = subprocess.run([str(nexus), "sandbox", "shell", "--image", "plain", "--read", f"{networked.host}/read/a", "--write", f"{networked.host}/write/b",
                        "--allow", here], input=text, text=True, capture_output=True, timeout=60, env={**os.environ, "NEXUS_URL": networked.server.url})
    assert r.returncode == 5 and "127.0.0.1:3128 here" in r.stdout, r
    assert Path(networked.host, "write/b/shell").read_text() == "given\n"
    clear(networked)
    assert [x for x in networked.get("/v1/sandbox/sessions").json()["items"] if x["state"] == "active"] == []
