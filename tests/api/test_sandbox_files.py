"""Directories of the host that were granted: what a request may ask for, and what it gets."""
import json
import os
import shutil
import subprocess
import tempfile
import threading

import pytest

from nexus_server import Client
from test_sandbox_api import run


@pytest.fixture
def host():
    """Two roots with a directory each; not below /tmp, where programs have their own."""
    top = tempfile.mkdtemp(prefix="nexus-files-", dir="/var/tmp")
    os.chmod(top, 0o755)
    for d in ("read/a", "write/b"):
        os.makedirs(f"{top}/{d}")
        if os.geteuid() == 0:
            os.chown(f"{top}/{d}", 12345, 12345)
    with open(f"{top}/read/a/in.txt", "w") as f:
        f.write("given\n")
    yield top
    shutil.rmtree(top)


@pytest.fixture
def granting(host, start):
    """A client of a server that may grant them."""
    s = start(env={"NEXUS_SANDBOX_READ_ROOTS": f"{host}/read", "NEXUS_SANDBOX_WRITE_ROOTS": f"{host}/write:/nowhere"})
    c = Client(s)
    r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": {"file_system_access": {"read": [f"{host}/read/a"]}}})
    if r.status_code == 503:
        pytest.skip(f"no directory can be granted here: {r.json()['detail']}")
    yield c
    c.close()


def ask(client, access, code="echo ran", **more):
    return client.post("/v1/sandbox/executions", {"language": "shell", "code": code, "constraints": {"file_system_access": access}, **more})


def test_directories_are_read_and_written(granting, host):
    got = ask(granting, {"read": [f"{host}/read/a"], "write": [f"{host}/write/b/"]},
              f"cat {host}/read/a/in.txt; tr a-z A-Z <{host}/read/a/in.txt >{host}/write/b/out.txt; ls {host}; echo mine >mine")
    assert got.status_code == 200, got.text
    got = got.json()
    assert got["status"] == "ok" and got["stdout"] == "given\nread\nwrite\n", got
    assert [f["path"] for f in got["artifacts"]] == ["mine"]
    with open(f"{host}/write/b/out.txt") as f:
        assert f.read() == "GIVEN\n"
    if os.geteuid() == 0:
        assert os.stat(f"{host}/write/b/out.txt").st_uid == 12345
    asked = granting.get(f"/v1/sandbox/executions/{got['id']}").json()
    assert asked["status"] == "ok"


def test_everything_is_every_root(granting, host, start):
    r = ask(granting, True)
    assert r.status_code in (403, 404) and r.json()["pointer"] == "/constraints/file_system_access", r.text
    c = Client(start(env={"NEXUS_SANDBOX_READ_ROOTS": f"{host}/read", "NEXUS_SANDBOX_WRITE_ROOTS": f"{host}/write/b"}))
    assert ask(c, True, f"ls {host}/read; echo x >{host}/write/b/x; ls {host}/write/b").json()["stdout"] == "a\nx\n"
    c.close()


@pytest.mark.parametrize("access", [False, None, {}, {"read": []}, {"read": [], "write": []}])
def test_nothing_is_nothing(granting, host, access):
    got = ask(granting, access, f"ls {host} 2>/dev/null || echo none").json()
    assert got["stdout"] == "none\n", got


@pytest.mark.parametrize("access,status,pointer", [
    ({"read": ["{}/read/missing"]}, 404, "/read/0"),
    ({"read": ["{}/read/a", "{}/read/a"]}, 400, "/read/1"),
    ({"read": ["{}/read/a/in.txt"]}, 400, "/read/0"),
    ({"read": ["{}"]}, 403, "/read/0"),
    ({"read": ["/etc"]}, 403, "/read/0"),
    ({"write": ["{}/read/a"]}, 403, "/write/0"),
    ({"read": ["{}/read/../read/a"]}, 400, "/read/0"),
    ({"read": ["read/a"]}, 400, "/read/0"),
    ({"read": [""]}, 400, "/read/0"),
    ({"read": ["{}/read/a\nb"]}, 400, "/read/0"),
    ({"read": ["{}/read/link"]}, 403, "/read/0"),
    ({"read": [7]}, 400, "/read/0"),
    ({"read": "{}/read/a"}, 400, "/read"),
    ({"read": ["{}/read/a"] * 9}, 400, "/read"),
    ({"read": ["/" + "x" * 5000]}, 400, "/read/0"),
    ({"execute": ["{}/read/a"]}, 400, ""),
    (["{}/read/a"], 400, ""),
    ("all", 400, ""),
])
def test_what_is_refused_is_pointed_at(granting, host, access, status, pointer):
    os.symlink("a", f"{host}/read/link")
    access = json.loads(json.dumps(access).replace("{}", host))
    r = ask(granting, access)
    assert r.status_code == status and r.json()["pointer"] == "/constraints/file_system_access" + pointer, r.text


def test_a_path_ends_where_it_ends(granting, host):
    assert ask(granting, {"read": [f"{host}/read/a\0b"]}).status_code == 400
    for name in ("a b", "ünïcode سلام", "quote'\"$(x)", "-rf", "%s%n", "colon:x", "x" * 255):
        os.makedirs(f"{host}/read/{name}")
        got = ask(granting, {"read": [f"{host}/read/{name}"]}, f"ls {host}/read").json()
        assert got["status"] == "ok" and len(got["stdout"].splitlines()) == 1, got


def test_without_roots_nothing_is_granted(client):
    for access in (True, {"read": ["/srv"]}, {"write": ["/srv"]}):
        r = ask(client, access)
        assert r.status_code == 403 and "roots" in r.json()["detail"], r.text


def test_the_servers_own_directory_is_not_granted(host, start):
    home = f"{host}/write/nexus"
    s = start(home=home, env={"NEXUS_SANDBOX_READ_ROOTS": host, "NEXUS_SANDBOX_WRITE_ROOTS": host})
    c = Client(s)
    for path in (home, f"{home}/artifacts", f"{host}/write", host):
        r = ask(c, {"read": [path]})
        assert r.status_code == 403 and "server's own data" in r.json()["detail"], r.text
    assert ask(c, {"read": [f"{host}/read", f"{host}/write/b"]}).status_code == 200
    c.close()


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_a_session_has_its_directories_in_every_run(granting, host, language):
    if language not in {x["name"] for x in granting.get("/v1/sandbox/languages").json()["items"] if x["available"]}:
        pytest.skip(f"no {language} on this host")
    access = {"read": [f"{host}/read/a"], "write": [f"{host}/write/b"]}
    r = granting.post("/v1/sandbox/sessions", {"language": language, "constraints": {"file_system_access": access, "max_cpu_percent": 100}})
    assert r.status_code == 201 and r.json()["constraints"]["file_system_access"] == access, r.text
    s = r.json()["id"]
    code = {"python": ["t = open('{}/read/a/in.txt').read()", "open('{}/write/b/s', 'w').write(t + 'more'); print(open('{}/write/b/s').read())"],
            "javascript": ["var fs = require('fs'), t = fs.readFileSync('{}/read/a/in.txt', 'utf8')", "fs.writeFileSync('{}/write/b/s', t + 'more'); console.log(fs.readFileSync('{}/write/b/s', 'utf8'))"]}
    for line in code[language]:
        got = run(granting, line.replace("{}", host), language, session_id=s)
        assert got["status"] == "ok", got
    assert got["stdout"] == "given\nmore\n"
    with open(f"{host}/write/b/s") as f:
        assert f.read() == "given\nmore"
    assert granting.get(f"/v1/sandbox/sessions/{s}").json()["constraints"]["file_system_access"] == access
    granting.delete(f"/v1/sandbox/sessions/{s}")


def test_a_session_is_refused_what_a_run_is(granting, host):
    for access, status, pointer in (({"read": ["/etc"]}, 403, "/read/0"), ({"write": [f"{host}/write/b", f"{host}/write/none"]}, 404, "/write/1"), ("all", 400, "")):
        r = granting.post("/v1/sandbox/sessions", {"language": "python", "constraints": {"file_system_access": access}})
        assert r.status_code == status and r.json()["pointer"] == "/constraints/file_system_access" + pointer, r.text


def test_a_run_has_what_its_session_has(granting, host):
    s = granting.post("/v1/sandbox/sessions", {"language": "python"}).json()
    r = granting.post("/v1/sandbox/executions", {"language": "python", "session_id": s["id"], "code": "1",
                                                 "constraints": {"file_system_access": {"read": [f"{host}/read/a"]}}})
    assert r.status_code == 422 and r.json()["pointer"] == "/constraints/file_system_access", r.text
    granting.delete(f"/v1/sandbox/sessions/{s['id']}")


def test_many_at_once_get_their_own(granting, host):
    out = []
    for i in range(12):
        os.makedirs(f"{host}/write/d{i}")
        if os.geteuid() == 0:
            os.chown(f"{host}/write/d{i}", 20000 + i, 20000 + i)

    def work(i):
        c = Client(granting.server, contract=granting.contract)
        got = ask(c, {"write": [f"{host}/write/d{i}"]}, f"echo {i} >{host}/write/d{i}/f; ls {host}/write").json()
        out.append(got["stdout"] if got.get("status") == "ok" else got)
        c.close()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(out) == sorted(f"d{i}\n" for i in range(12))
    for i in range(12):
        with open(f"{host}/write/d{i}/f") as f:
            assert f.read() == f"{i}\n"


def test_the_scanner_lets_a_program_clear_what_it_may_write(granting, host):
    os.makedirs(f"{host}/write/b/old/deep")
    if os.geteuid() == 0:
        for d in ("old", "old/deep"):
            os.chown(f"{host}/write/b/{d}", 12345, 12345)
    code = f"rm -rf {host}/write/b/old && ls {host}/write/b"
    assert run(granting, code, "shell")["status"] == "blocked"
    got = ask(granting, {"write": [f"{host}/write/b"]}, code).json()
    assert got["status"] == "ok" and not os.path.exists(f"{host}/write/b/old"), got
    assert ask(granting, {"write": [f"{host}/write/b"]}, code, policy="strict").json()["status"] == "blocked"
    assert ask(granting, {"write": [f"{host}/write/b"]}, "rm -rf /").json()["status"] == "blocked"


def test_other_runs_see_nothing_of_it(granting, host):
    ask(granting, {"write": [f"{host}/write/b"]}, f"echo x >{host}/write/b/f")
    assert run(granting, f"ls {host}/write 2>/dev/null || echo none", "shell")["stdout"] == "none\n"


def test_the_command_line_grants(granting, host, nexus):
    env = {**os.environ, "NEXUS_HOME": f"{host}/none", "NEXUS_URL": granting.server.url}
    script = f"{host}/copy.sh"
    with open(script, "w") as f:
        f.write(f"cat {host}/read/a/in.txt | tee {host}/write/b/copy\n")
    p = subprocess.run([str(nexus), "exec", "--quiet", "--language", "shell", "--read", f"{host}/read/a", "--write", f"{host}/write/b", script],
                       env=env, capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and p.stdout == "given\n", p
    assert os.path.exists(f"{host}/write/b/copy")
    p = subprocess.run([str(nexus), "exec", "--quiet", "--language", "shell", "--read", "/etc", script], env=env, capture_output=True, text=True, timeout=60)
    assert p.returncode != 0 and "sandbox.read_roots" in p.stderr, p
