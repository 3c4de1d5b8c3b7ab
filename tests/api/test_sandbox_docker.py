"""The Docker backend, against a real engine that these tests start."""
import base64
import json
import subprocess
import threading
import time

import pytest
from docker_engine import IMAGE, Engine, NoEngine
from nexus_server import Client, Server


@pytest.fixture(scope="module")
def engine():
    try:
        e = Engine()
    except NoEngine as why:
        pytest.skip(str(why))
    yield e
    e.close()


def options(engine, image=IMAGE):
    return ["--sandbox-backend", "docker", "--sandbox-docker-socket", str(engine.socket), "--sandbox-docker-image", image]


@pytest.fixture(scope="module")
def client(nexus, engine):
    s = Server(nexus, args=options(engine))
    c = Client(s)
    yield c
    c.close()
    s.close()


def run(client, code, language="python", **more):
    more["constraints"] = {"max_cpu_percent": 100, "max_memory_mb": 128, **more.get("constraints", {})}
    r = client.post("/v1/sandbox/executions", {"language": language, "code": code, "policy": "off", **more})
    assert r.status_code == 200, r.text
    return r.json()


def wait_until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_runs_in_a_container_and_nothing_stays(client, engine):
    got = run(client, "import os\nprint(6 * 7, os.getuid(), os.getgid(), os.listdir('/work'), os.uname().nodename)")
    assert got["status"] == "ok" and got["stdout"] == "42 65534 65534 [] sandbox\n", got
    usage, held = got["usage"], got["enforced"]
    assert usage["wall_ms"] > 0 and usage["cpu_ms"] > 0 and usage["max_rss_bytes"] > 1 << 20 and usage["start_ms"] > 0
    assert held["memory"].startswith("cgroup") and held["network"] == "namespace" and held["syscalls"] == "seccomp"
    assert held["degraded"] is False
    wait_until(lambda: engine.containers() == [] and engine.volumes() == [])


def test_input_files_and_artifacts(client):
    long_name = "deep/" + "n" * 120 + "/سلام.txt"
    files = [{"path": p, "content_base64": base64.b64encode(b).decode()}
             for p, b in [("in.txt", b"hello"), (long_name, b"long"), ("same.txt", b"same")]]
    got = run(client, f"""
import os, sys
os.makedirs('a/b')
open('a/b/out.txt', 'w').write(open('in.txt').read().upper() + sys.stdin.read() + open('{long_name}').read())
open('in.txt', 'a').write(' and more')
os.symlink('/etc/passwd', 'link'); os.mkfifo('fifo')
os.truncate(os.open('sparse', os.O_CREAT | os.O_RDWR), 50 << 20)
""", stdin="tail", files=files)
    assert got["status"] == "ok", got
    kept = {f["path"]: f for f in got["artifacts"]}
    assert set(kept) == {"a/b/out.txt", "in.txt"}, kept
    assert client.get(f"/v1/sandbox/artifacts/{kept['a/b/out.txt']['id']}").content == b"HELLOtaillong"
    assert client.get(f"/v1/sandbox/artifacts/{kept['in.txt']['id']}").content == b"hello and more"


LIMITS = {
    "timeout": ("import time\nopen('kept', 'w').write('x')\ntime.sleep(60)", {"max_execution_time_s": 1}),
    "memory_limit": ("x = []\nwhile True: x.append(bytearray(1 << 20))", {"max_memory_mb": 48}),
    "output_limit": ("import os\nwhile True: os.write(1, b'x' * 65536); os.write(2, b'y' * 65536)", {}),
    "process_limit": ("import os, time\nwhile True:\n    try:\n        if os.fork() == 0: time.sleep(60)\n    except OSError: pass", {}),
    "error": ("raise SystemExit(3)", {}),
}


@pytest.mark.parametrize("status", LIMITS)
def test_limits_have_the_statuses_of_the_native_backend(client, status):
    code, constraints = LIMITS[status]
    got = run(client, code, constraints={"max_execution_time_s": 15, **constraints})
    assert got["status"] == status, got
    if status == "timeout":
        assert got["signal"] == 9 and [f["path"] for f in got["artifacts"]] == ["kept"]
    if status == "output_limit":
        assert got["truncated"] and max(len(got["stdout"]), len(got["stderr"])) == 1 << 20


def test_a_child_that_is_killed_for_memory_ends_the_run(client):
    got = run(client, "import os\nif os.fork() == 0:\n    x = []\n    while True: x.append(bytearray(1 << 20))\nos.wait()\nprint('went on')",
              constraints={"max_memory_mb": 48})
    assert got["status"] == "memory_limit", got


def test_processor_time_is_a_share(client):
    got = run(client, "import time\nt = time.monotonic()\nwhile time.monotonic() - t < 2.5: pass",
              constraints={"max_cpu_percent": 20})
    assert got["status"] == "ok" and got["usage"]["cpu_ms"] < 1200, got["usage"]


def test_every_writable_place_has_a_size(client):
    got = run(client, """
import os
for place in ('/work', '/tmp', '/dev/shm'):
    n = 0
    try:
        with open(place + '/fill', 'wb') as f:
            while n < 400: n += f.write(bytes(1 << 20)) >> 20
    except OSError: pass
    os.remove(place + '/fill')
    print(place, n <= 65)
for place in ('/', '/usr', '/etc', '/var', '/code', '/run', '/proc/sys', '/sys'):
    try: open(place + '/x', 'w'); print('wrote', place)
    except OSError: pass
""", constraints={"max_memory_mb": 512})
    assert got["stdout"].splitlines() == ["/work True", "/tmp True", "/dev/shm True"], got


def test_walls(client):
    got = run(client, """
import os, socket
def held(what, f):
    try: f()
    except OSError: print('held', what)
    else: print('OPEN', what)
for line in open('/proc/self/status'):
    if line.split(':')[0] in ('CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp'): print(*line.split())
held('kill the keeper', lambda: [os.kill(int(p), 9) for p in os.listdir('/proc') if p.isdigit() and int(p) < os.getpid() - 1])
held('connect', lambda: socket.create_connection(('127.0.0.1', %d), timeout=2))
held('route', lambda: socket.create_connection(('192.0.2.1', 80), timeout=2))
held('mount', lambda: os.mkdir('/work/m') or os.chroot('/work/m'))
print(sorted(os.listdir('/sys/class/net')) == ['lo'] if os.path.exists('/sys/class/net') else True)
print([k for k in os.environ if 'NEXUS' in k])
""" % int(client.server.url.rsplit(":", 1)[1]))
    lines = got["stdout"].splitlines()
    assert "OPEN" not in got["stdout"] and lines.count("CapEff: 0000000000000000") == 1 and "NoNewPrivs: 1" in lines, got
    assert "CapBnd: 0000000000000000" in lines and "Seccomp: 2" in lines and lines[-2:] == ["True", "[]"], got


def test_what_a_program_leaves_running_ends_with_it(client):
    start = time.monotonic()
    got = run(client, "(sleep 60; echo late > late.txt) & echo done", "shell")
    assert got["status"] == "ok" and got["stdout"] == "done\n" and got["artifacts"] == []
    assert time.monotonic() - start < 15
    got = run(client, "exec >&- 2>&-; sleep 1; echo x > made; kill -9 -1; exit 5", "shell")
    assert (got["exit_code"], got["signal"]) in [(5, None), (None, 9)] and [f["path"] for f in got["artifacts"]] == ["made"], got


def test_signals_and_what_the_image_lacks(client):
    got = run(client, "echo bad >&2; kill -9 $$", "shell")
    assert got["status"] == "error" and got["signal"] == 9 and got["stderr"].startswith("bad")
    r = client.post("/v1/sandbox/executions", {"language": "javascript", "code": "1"})
    assert r.status_code == 503 and r.json()["code"] == "NX-MISSING", r.text


def test_output_is_streamed_and_a_run_cancelled(client, engine):
    body = {"language": "shell", "stream": True, "code": "echo here; sleep 60; echo never"}
    with client.events("/v1/sandbox/executions", method="POST", json=body) as s:
        i = json.loads(s.next()["data"])["id"]
        assert json.loads(s.next()["data"])["text"] == "here\n"
        start = time.monotonic()
        assert client.delete(f"/v1/sandbox/executions/{i}").status_code == 202
        last = [e for e in s][-1]
        assert time.monotonic() - start < 5
    assert json.loads(last["data"])["status"] == "cancelled"
    wait_until(lambda: engine.containers() == [])


def test_many_at_once(client):
    out = []

    def work(n):
        c = Client(client.server, contract=client.contract)
        out.append(run(c, f"echo {n}", "shell")["stdout"] == f"{n}\n")
        c.close()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert out == [True] * 6


def test_the_death_of_the_server_ends_its_containers_and_the_next_clears_what_stays(nexus, engine, tmp_path):
    s = Server(nexus, home=tmp_path / "home", args=options(engine))
    c = Client(s)
    body = {"language": "shell", "stream": True, "code": "echo here; sleep 600"}
    with c.events("/v1/sandbox/executions", method="POST", json=body) as stream:
        stream.next()
        stream.next()
        label = engine.containers()[0]["Labels"]["nexus.home"]
        s.stop(kill=True)
    c.close()
    wait_until(lambda: engine.containers() == [])
    made = engine.http.post("/containers/create", params={"name": "nexus-left"},
                            json={"Image": IMAGE, "Cmd": ["/bin/sh"], "Labels": {"nexus.home": label}})
    other = engine.http.post("/containers/create", json={"Image": IMAGE, "Cmd": ["/bin/sh"], "Labels": {"nexus.home": "0"}})
    assert made.status_code == other.status_code == 201
    s = Server(nexus, home=tmp_path / "home", args=options(engine))
    wait_until(lambda: [x["Id"] for x in engine.containers()] == [other.json()["Id"]])
    engine.http.delete(f"/containers/{other.json()['Id']}")
    s.close()


def test_images_come_from_a_registry(nexus, engine):
    try:
        image = engine.push_to_registry()
    except NoEngine as why:
        pytest.skip(str(why))
    s = Server(nexus, args=options(engine, image))
    c = Client(s)
    assert run(c, "print('pulled')")["stdout"] == "pulled\n"
    c.close()
    s.close()


def test_an_engine_that_is_not_there_is_told(nexus, engine, tmp_path):
    s = Server(nexus, args=["--sandbox-backend", "docker", "--sandbox-docker-socket", str(tmp_path / "none")])
    c = Client(s)
    r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "true"})
    assert r.status_code == 503 and r.json()["code"] == "NX-SANDBOX" and "none" in r.json()["detail"], r.text
    c.close()
    s.close()
    s = Server(nexus, args=options(engine, "127.0.0.1:1/missing:1"))
    c = Client(s)
    r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "true"})
    assert r.status_code == 503 and "missing" in r.json()["detail"], r.text
    c.close()
    s.close()


def test_doctor_shows_the_engine(nexus, engine, tmp_path):
    out = subprocess.run([str(nexus), "doctor", "--json", "--home", str(tmp_path), *options(engine)], capture_output=True,
                         text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}).stdout
    rows = {r["what"]: r for r in json.loads(out)}
    assert rows["docker engine"]["ok"] and "version" in rows["docker engine"]["detail"], rows
    assert rows["docker image"]["ok"] and rows["docker image"]["detail"] == IMAGE


# ---- NEXUS itself in a container that has no privilege ----

INSIDE = """
import os, socket
reached = []
for path in ('/etc/hostname', '/nexus/nexus', '/data/nexus.db', '/proc/1/environ'):
    try: open(path, 'rb').read(1); reached.append(path)
    except OSError: pass
try: socket.socket(); reached.append('a socket')
except OSError: pass
try: os.kill(1, 0); reached.append('a signal')
except OSError: pass
if os.fork() == 0:
    os.setsid(); os.execv('/bin/sleep', ['sleep', '600'])
print(os.getuid(), reached or 'held')
"""


def run_inside(engine, nexus, tmp_path, allowed, user="0"):
    """What `nexus exec` says as a container's first process, with the engine's own filter and capabilities."""
    (tmp_path / "program.py").write_text(INSIDE)
    tmp_path.chmod(0o755)
    made = engine.http.post("/containers/create", json={
        "Image": IMAGE, "Tty": True, "User": user,
        "Cmd": ["/nexus/" + nexus.name, "exec", "--policy", "off", "/in/program.py"],
        "Env": ["NEXUS_HOME=/data", f"NEXUS_SANDBOX_WITHOUT_NAMESPACES={allowed}", "HOME=/data", "PATH=/usr/bin"],
        "HostConfig": {"NetworkMode": "none", "Tmpfs": {"/tmp": "exec,mode=1777", "/data": "mode=1777"},
                       "Binds": ["/usr:/usr:ro", f"{nexus.parent}:/nexus:ro", f"{tmp_path}:/in:ro"]}})
    assert made.status_code == 201, made.text
    at = f"/containers/{made.json()['Id']}"
    try:
        assert engine.http.post(at + "/start").status_code == 204
        status = engine.http.post(at + "/wait").json()["StatusCode"]
        return status, engine.http.get(at + "/logs", params={"stdout": 1, "stderr": 1}).text.replace("\r\n", "\n")
    finally:
        engine.http.delete(at, params={"force": 1})


def test_inside_a_container_without_privilege_programs_run_behind_fewer_walls(engine, nexus, tmp_path):
    status, text = run_inside(engine, nexus, tmp_path, "true")
    assert status == 0 and "1900000000 held\n" in text and "filesystem landlock" in text, text


def test_inside_a_container_nothing_runs_unless_the_operator_says_so(engine, nexus, tmp_path):
    status, text = run_inside(engine, nexus, tmp_path, "false")
    assert status != 0 and "sandbox.without_namespaces is false" in text, text
    status, text = run_inside(engine, nexus, tmp_path, "true", user="65534")
    assert status != 0 and "root, to give each run a user of its own" in text, text
