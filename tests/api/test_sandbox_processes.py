"""Processes of a session: in the background and on a terminal, their output, their input and their ends."""
import base64
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import threading
import time

import pytest
from nexus_server import Client
from test_sandbox_sessions import begin, end, run


def path_of(process, *more):
    return "/".join((f"/v1/sandbox/sessions/{process['session_id']}/processes/{process['id']}", *more))


def launch(client, session, command, status=201, **more):
    r = client.post(f"/v1/sandbox/sessions/{session['id']}/processes", {"command": command, **more})
    assert r.status_code == status, r.text
    return r.json()


def terminal(client, session, status=201, **body):
    r = client.post(f"/v1/sandbox/sessions/{session['id']}/terminal", body or None)
    assert r.status_code == status, r.text
    return r.json()


def look(client, process):
    return client.get(path_of(process)).json()


def text_of(client, process, **query):
    return client.get(path_of(process, "output"), params=query).json()["text"]


def wait_until(found, within=10):
    deadline = time.monotonic() + within
    while not (got := found()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return got


def wait_for_exit(client, process, within=10):
    return wait_until(lambda: (p := look(client, process))["state"] == "exited" and p, within)


def say(client, process, text, **more):
    r = client.post(path_of(process, "input"), {"text": text, **more})
    assert r.status_code == 204, r.text


def wait_for_text(client, process, text, within=10):
    return wait_until(lambda: text in (got := text_of(client, process)) and got, within)


@pytest.fixture
def session(client):
    s = begin(client)
    yield s
    client.delete(f"/v1/sandbox/sessions/{s['id']}")


# ---- in the background ----

def test_a_process_runs_beside_the_interpreter_and_ends(client, session):
    p = launch(client, session, ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert p["pid"] > 1 and p["terminal"] is None and p["command"][0] == "sh"
    got = wait_for_exit(client, p)
    assert got["exit_code"] == 3 and got["signal"] is None and got["usage"]["max_rss_bytes"] > 0 and got["ended_at"]
    assert text_of(client, p) == "out\nerr\n" and got["output_start"] == 0 and got["output_end"] == 8
    assert [x["id"] for x in client.get(f"/v1/sandbox/sessions/{session['id']}/processes").json()["items"]] == [p["id"]]
    assert run(client, session, "print(1)")["stdout"] == "1\n"


def test_it_goes_on_while_runs_come_and_shares_their_files(client, session):
    p = launch(client, session, "while sleep 0.05; do date +%N >> ticks; done")
    assert run(client, session, "import time; time.sleep(0.5); print(len(open('ticks').readlines()) > 3)")["stdout"] == "True\n"
    assert look(client, p)["state"] == "running"
    r = client.post("/v1/sandbox/executions", {"language": "python", "session_id": session["id"], "code": "while True: pass",
                                               "constraints": {"max_execution_time_s": 0.3}})
    assert r.json()["status"] == "timeout"  # what interrupts the run leaves the process alone
    assert look(client, p)["state"] == "running"
    got = client.delete(path_of(p))
    assert got.status_code == 200 and got.json()["state"] == "exited" and got.json()["signal"] == 15, got.text
    assert client.delete(path_of(p)).json() == got.json()


def test_the_environment_and_the_directory_are_as_asked(client, session):
    run(client, session, "import os; os.mkdir('sub')")
    p = launch(client, session, 'echo "$A:$HOME:$TZ"; basename $PWD; tty', env={"A": "سلام", "TZ": "Asia/Baghdad"}, directory="sub")
    wait_for_exit(client, p)
    assert text_of(client, p) == "سلام:/work:Asia/Baghdad\nsub\nnot a tty\n"


@pytest.mark.parametrize("body, place", [
    ({"command": []}, "/command"), ({"command": [1]}, "/command"), ({"command": 7}, "/command"), ({"command": ""}, None),
    ({"command": [""]}, "/command"), ({"command": ["x" * 20000]}, "/command"), ({"command": ["a"] * 200}, "/command"),
    ({"command": "true", "env": {"A": 1}}, "/env/A"), ({"command": "true", "env": {"A=B": "x"}}, None),
    ({"command": "true", "env": {"A": "x" * 9000}}, "/env"), ({"command": "true", "directory": "../etc"}, "/directory"),
    ({"command": "true", "directory": "/etc"}, "/directory"), ({}, "/command"), ({"command": "true", "x": 1}, "/x"),
])
def test_what_is_no_command_is_refused_by_its_place(client, session, body, place):
    r = client.post(f"/v1/sandbox/sessions/{session['id']}/processes", body)
    if body == {"command": ""}:  # the shell does nothing, and well
        assert r.status_code == 201
        return
    assert r.status_code in (400, 413, 422), r.text
    assert place is None or r.json()["pointer"] == place, r.json()


def test_a_program_that_is_not_there_is_told(client, session):
    r = client.post(f"/v1/sandbox/sessions/{session['id']}/processes", {"command": ["no-such-program"]})
    assert r.status_code in (400, 422) and "No such file" in r.json()["detail"], r.text
    r = client.post(f"/v1/sandbox/sessions/{session['id']}/processes", {"command": ["true"], "directory": "nowhere"})
    assert r.status_code in (400, 422), r.text
    assert client.get(f"/v1/sandbox/sessions/{session['id']}/processes").json()["items"] == []


def test_input_is_read_until_its_end(client, session):
    p = launch(client, session, ["sort"])
    say(client, p, "b\n")
    r = client.post(path_of(p, "input"), {"base64": base64.b64encode(b"a\n\xff\n").decode(), "end": True})
    assert r.status_code == 204
    assert wait_for_exit(client, p)["exit_code"] == 0
    page = client.get(path_of(p, "output"), params={"encoding": "base64"}).json()
    assert sorted(base64.b64decode(page["base64"]).split(b"\n")) == [b"", b"a", b"b", b"\xff"]
    assert "\ufffd" in text_of(client, p)
    assert client.post(path_of(p, "input"), {"text": "more"}).status_code == 409


@pytest.mark.parametrize("body", [{}, {"text": "a", "base64": "YQ=="}, {"base64": "%"}])
def test_what_is_no_input_is_refused(client, session, body):
    p = launch(client, session, ["cat"])
    assert client.post(path_of(p, "input"), body).status_code in (400, 422)


def test_input_that_nobody_reads_is_refused_above_the_limit(client, session):
    p = launch(client, session, ["sleep", "60"])
    block = {"text": "x" * 600000}
    assert client.post(path_of(p, "input"), block).status_code == 204
    r = client.post(path_of(p, "input"), block)
    r = r if r.status_code != 204 else client.post(path_of(p, "input"), block)
    assert r.status_code in (429, 503) and "sandbox.process_input_bytes" in r.json()["detail"], r.text


def test_output_is_paged_and_characters_are_not_cut(client, session):
    p = launch(client, session, ["printf", "abسلام"])
    wait_for_exit(client, p)
    at, text = 0, ""
    while (page := client.get(path_of(p, "output"), params={"offset": at, "limit": 3}).json())["next_offset"] > at:
        assert page["offset"] == at
        at, text = page["next_offset"], text + page["text"]
    assert text == "abسلام" and at == 10
    assert client.get(path_of(p, "output"), params={"offset": 1 << 40}).json()["offset"] == 10


def test_a_flood_keeps_its_end_and_the_server_its_calm(client, session):
    p = launch(client, session, "i=0; while :; do i=$((i+1)); echo \"line $i of a flood that does not end, and more of it\"; done")
    wait_until(lambda: look(client, p)["output_start"] > 0, 30)
    began = time.monotonic()
    assert client.get("/v1/sandbox/sessions").status_code == 200 and time.monotonic() - began < 1
    page = client.get(path_of(p, "output"), params={"limit": 1048576}).json()
    assert page["offset"] > 0 and 200000 < len(page["text"]) <= 262144
    assert client.delete(path_of(p)).json()["state"] == "exited"


def test_its_output_is_followed_and_resumed(client, session):
    p = launch(client, session, "for i in 1 2 3; do echo line $i; sleep 0.1; done; printf 'س'; exit 5")
    with client.events(path_of(p, "stream")) as s:
        events = s.until("exit")
    assert "".join(e["json"]["text"] for e in events if e["event"] == "output") == "line 1\nline 2\nline 3\nس"
    assert events[-1]["json"]["exit_code"] == 5
    first = next(e for e in events if e["event"] == "output")
    assert int(first["id"]) == first["json"]["next_offset"]
    with client.events(path_of(p, "stream"), headers={"Last-Event-ID": first["id"]}) as s:
        rest = s.until("exit")
    whole = first["json"]["text"] + "".join(e["json"]["text"] for e in rest if e["event"] == "output")
    assert whole == "line 1\nline 2\nline 3\nس"
    with client.events(path_of(p, "stream"), params={"offset": 14, "encoding": "base64"}) as s:
        assert base64.b64decode(s.until("exit")[0]["json"]["base64"]) == "line 3\nس".encode()
    assert client.get(path_of(p, "stream"), headers={"Last-Event-ID": "x"}).status_code in (400, 422)


def test_a_follower_that_comes_late_is_told_what_was_dropped(client, session):
    p = launch(client, session, ["head", "-c", "1000000", "/dev/zero"])
    wait_for_exit(client, p)
    with client.events(path_of(p, "stream"), params={"encoding": "base64"}) as s:
        events = s.until("exit")
    assert events[0]["event"] == "dropped" and events[0]["json"] == {"from": 0, "to": 1000000 - 262144}
    assert sum(len(base64.b64decode(e["json"]["base64"])) for e in events if e["event"] == "output") == 262144


def test_a_signal_reaches_the_process_and_its_group(client, session):
    p = launch(client, session, "trap 'echo got it' USR1; echo ready; while :; do sleep 0.05; done")
    wait_for_text(client, p, "ready\n")
    assert client.post(path_of(p, "signal"), {"signal": "USR1"}).status_code == 200
    wait_for_text(client, p, "got it\n")
    assert client.post(path_of(p, "signal"), {"signal": "KILL"}).status_code == 200
    assert wait_for_exit(client, p)["signal"] == 9
    assert client.post(path_of(p, "signal"), {"signal": "KILL"}).status_code == 409
    assert client.post(path_of(p, "signal"), {"signal": "SEGV"}).status_code in (400, 422)


def test_one_that_ignores_the_request_is_killed_with_what_it_left(start):
    client = Client(start(args=["--sandbox-process-stop-grace", "200ms"]))
    s = begin(client)
    p = launch(client, s, "trap '' TERM HUP; (set -m; sleep 987 & sleep 986 &); while :; do sleep 0.05; done")
    count = "import glob\nprint(sum(b'98' in open(f, 'rb').read() for f in glob.glob('/proc/[0-9]*/cmdline') " \
            "if open(f, 'rb').read().startswith(b'sleep')))"
    wait_until(lambda: run(client, s, count)["stdout"] == "2\n")
    began = time.monotonic()
    got = client.delete(path_of(p)).json()
    assert got["signal"] == 9 and 0.15 < time.monotonic() - began < 3
    wait_until(lambda: run(client, s, count)["stdout"] == "0\n")


def test_a_start_that_the_guest_holds_up_is_given_up(start):
    """One that stops every new process before it has exec'ed; the kernel says which number comes next."""
    client = Client(start(args=["--sandbox-process-start-wait", "500ms"]))
    s = begin(client)
    code = ("import os, signal, subprocess\nr, w = os.pipe()\n"
            "if os.fork() == 0:\n"
            "    last = os.getpid()\n    os.write(w, b'x')\n"
            "    while True:\n"
            "        for pid in range(last + 1, last + 4):\n"
            "            try: os.kill(pid, signal.SIGSTOP); last = max(last, pid)\n"
            "            except OSError: pass\n"
            "os.read(r, 1)")
    run(client, s, code)
    path, held = f"/v1/sandbox/sessions/{s['id']}/processes", 0
    for _ in range(10):
        r = client.post(path, {"command": ["true"]})
        if r.status_code != 201:
            assert r.status_code in (408, 504) and "sandbox.process_start_wait" in r.json()["detail"], r.text
            held += 1
    if not held:
        pytest.skip("none was caught before its exec")
    wait_until(lambda: all(p["state"] == "exited" or p["pid"] for p in client.get(path).json()["items"]))
    assert run(client, s, "print(1)")["stdout"] == "1\n"
    end(client, s)


def test_the_end_of_the_session_ends_them(client, session):
    p = launch(client, session, ["sleep", "60"])
    ended = {}
    follower = threading.Event()

    def follow():
        with client.events(path_of(p, "stream")) as s:
            follower.set()
            ended["events"] = list(s)
    t = threading.Thread(target=follow)
    t.start()
    assert follower.wait(5)
    end(client, session)
    t.join(5)
    assert not t.is_alive() and ended["events"] == []
    assert client.get(path_of(p)).status_code == 404
    assert client.get(f"/v1/sandbox/sessions/{session['id']}/processes").status_code == 404


def test_their_number_is_limited_and_the_oldest_that_ended_is_forgotten(start):
    client = Client(start(args=["--sandbox-max-session-processes", "2"]))
    s = begin(client)
    a, b = (launch(client, s, ["sleep", "60"]) for _ in range(2))
    refused = launch(client, s, ["true"], status=400)
    assert "sandbox.max_session_processes" in refused["detail"]
    client.delete(path_of(a))
    done = [launch(client, s, ["true"]) for _ in range(1)]
    wait_for_exit(client, done[0])
    last = launch(client, s, ["true"])
    wait_for_exit(client, last)
    items = client.get(f"/v1/sandbox/sessions/{s['id']}/processes").json()["items"]
    assert [x["id"] for x in items] == [b["id"], done[0]["id"], last["id"]]


def test_they_are_behind_the_walls_and_limits_of_the_session(client, session):
    probe = ("import os, socket\n"
             "r = [open('/proc/self/status').read().split('Seccomp:')[1].split()[0], os.path.exists('/root'), os.getuid()]\n"
             "for what in (lambda: open('/work/../etc/shadow'), lambda: os.kill(1, 9), lambda: os.chroot('/')):\n"
             "    try: what(); r.append('done')\n"
             "    except OSError: r.append('held')\n"
             "r.append([os.readlink(f'/proc/self/ns/{n}') for n in ('mnt', 'pid', 'net')])\n"
             "r.append(sorted(os.listdir('/proc/self/fd'))[:3])\n"
             "r.append(len(os.listdir('/proc/self/fd')))\n"
             "print(r)")
    inside = run(client, session, probe)["stdout"]
    p = launch(client, session, ["python3", "-c", probe])
    wait_for_exit(client, p)
    mine, theirs = eval(text_of(client, p)), eval(inside)
    assert mine[:7] == theirs[:7], (mine, theirs)
    assert mine[8] == 4  # the standard ones, and the one that lists them


def test_the_sessions_limit_of_processes_holds_for_what_is_started(start):
    client = Client(start(args=["--sandbox-max-processes", "4"]))
    s = begin(client)
    seen = [client.post(f"/v1/sandbox/sessions/{s['id']}/processes", {"command": ["sleep", "60"]}) for _ in range(6)]
    refused = [r for r in seen if r.status_code != 201]
    assert 2 <= len(refused) < 6 and all("sandbox.max_processes" in r.json()["detail"] for r in refused), [r.text for r in refused]
    assert client.get(f"/v1/sandbox/sessions/{s['id']}").json()["state"] == "active"


def test_memory_of_a_process_counts_for_the_session(client):
    s = begin(client, constraints={"max_cpu_percent": 100, "max_memory_mb": 64})
    launch(client, s, ["python3", "-c", "x = bytearray(200 << 20)"])
    got = wait_until(lambda: (g := client.get(f"/v1/sandbox/sessions/{s['id']}").json())["state"] != "active" and g)
    assert got["end_reason"] == "memory_limit", got


def test_a_repeated_start_starts_once(client, session):
    path = f"/v1/sandbox/sessions/{session['id']}/processes"
    a = client.post(path, {"command": ["sleep", "60"]}, headers={"Idempotency-Key": "once"})
    b = client.post(path, {"command": ["sleep", "60"]}, headers={"Idempotency-Key": "once"})
    assert a.status_code == b.status_code == 201 and a.json() == b.json()
    assert b.headers["idempotent-replayed"] == "true"
    assert len(client.get(path).json()["items"]) == 1
    p = launch(client, session, ["cat"])
    for _ in range(2):
        assert client.post(path_of(p, "input"), {"text": "once\n"}, headers={"Idempotency-Key": "said"}).status_code == 204
    say(client, p, "", end=True)
    wait_for_exit(client, p)
    assert text_of(client, p) == "once\n"


def test_a_session_in_use_is_not_idle(client):
    s = begin(client, idle_timeout_s=0.8)
    p = launch(client, s, ["sleep", "60"])
    for _ in range(4):
        time.sleep(0.4)
        assert look(client, p)["state"] == "running"
    with client.events(path_of(p, "stream")):
        time.sleep(1.5)
        assert client.get(f"/v1/sandbox/sessions/{s['id']}").json()["state"] == "active"
    wait_until(lambda: client.get(f"/v1/sandbox/sessions/{s['id']}").json()["end_reason"] == "idle")


def test_processes_leave_nothing_behind(server, client, session):
    launch(client, session, ["true"])
    before = server.descriptors()
    for i in range(30):
        p = launch(client, session, ["true"]) if i % 2 else terminal(client, session, command=["true"])
        wait_for_exit(client, p)
    wait_until(lambda: server.descriptors() <= before + 2)


# ---- on a terminal ----

def test_a_terminal_is_a_shell_that_talks(client, session):
    t = terminal(client, session, rows=30, columns=100)
    assert t["terminal"] == {"rows": 30, "columns": 100} and t["command"] == []
    say(client, t, "stty size; echo $TERM; x=5; tty -s && echo y''es\n")
    wait_for_text(client, t, "yes\r\n")
    got = text_of(client, t)
    assert "30 100\r\n" in got and "xterm-256color\r\n" in got
    say(client, t, "echo x is $x\n")
    wait_for_text(client, t, "x is 5\r\n")
    say(client, t, "exit 3\n")
    assert wait_for_exit(client, t)["exit_code"] == 3


def test_keys_interrupt_and_jobs_are_controlled(client, session):
    t = terminal(client, session)
    say(client, t, "echo begun; sleep 100; echo slept\n")
    wait_for_text(client, t, "begun\r\n")
    time.sleep(0.3)
    say(client, t, "\x03")
    say(client, t, "echo still $((40 + 2)) here\n")
    wait_for_text(client, t, "still 42 here")
    assert "\nslept" not in text_of(client, t)
    say(client, t, "sleep 100\n")
    time.sleep(0.3)
    say(client, t, "\x1a")
    wait_for_text(client, t, "Stopped")
    got = client.delete(path_of(t)).json()
    assert got["state"] == "exited" and got["signal"] == 1


def test_a_new_size_is_told_to_the_program(client, session):
    t = terminal(client, session, command=["python3", "-uc", "import os, signal, time\n"
                                           "signal.signal(signal.SIGWINCH, lambda *_: print('now', tuple(os.get_terminal_size(0))))\n"
                                           "print('ready')\nwhile True: time.sleep(0.05)"])
    wait_for_text(client, t, "ready")
    r = client.post(path_of(t, "resize"), {"rows": 41, "columns": 123})
    assert r.status_code == 200 and r.json()["terminal"] == {"rows": 41, "columns": 123}
    wait_for_text(client, t, "now (123, 41)")
    assert client.post(path_of(t, "resize"), {"rows": 0, "columns": 1}).status_code in (400, 422)
    p = launch(client, session, ["sleep", "60"])
    assert client.post(path_of(p, "resize"), {"rows": 41, "columns": 123}).status_code == 409
    assert client.post(path_of(t, "input"), {"end": True}).status_code in (400, 422)


def test_a_terminal_cannot_type_for_others_nor_open_another(client, session):
    probe = ("import fcntl, os\nr = []\n"
             "for what in (0x5412, 0x541c, 0x5423, 0x5441, 0x5412 | 1 << 32):\n"
             "    for fd in (0, 1, 2):\n"
             "        try: fcntl.ioctl(fd, what & 0xffffffff, b'x'); r.append((fd, what))\n"
             "        except OSError: pass\n"
             "for f in ('/dev/ptmx', '/dev/pts', '/dev/tty', '/dev/console', '/dev/tty0', '/proc/self/fd/0', '/dev/pts/0'):\n"
             "    try: os.close(os.open(f, os.O_RDWR)); r.append(f)\n"
             "    except OSError: pass\n"
             "print(r or 'held')")
    t = terminal(client, session, command=["python3", "-c", probe])
    wait_for_exit(client, t)
    assert text_of(client, t) == "held\r\n"


def test_a_terminal_is_followed_as_bytes(client, session):
    t = terminal(client, session, command=["cat"])
    with client.events(path_of(t, "stream"), params={"encoding": "base64"}) as s:
        say(client, t, "سلام\n")
        seen = b""
        while seen.count("سلام".encode()) < 2:
            seen += base64.b64decode(json.loads(s.next()["data"])["base64"])
    say(client, t, "\x04")
    assert wait_for_exit(client, t)["exit_code"] == 0


# ---- whose they are ----

def test_they_are_not_found_by_others(tenants):
    mine, other = tenants.tenant("processes-a"), tenants.tenant("processes-b")
    s = begin(mine)
    p = launch(mine, s, ["sleep", "60"])
    for method, more in (("GET", ()), ("GET", ("output",)), ("GET", ("stream",)), ("DELETE", ())):
        assert other.request(method, path_of(p, *more)).status_code == 404
    assert other.post(path_of(p, "input"), {"text": "x"}).status_code == 404
    assert other.post(f"/v1/sandbox/sessions/{s['id']}/terminal").status_code == 404
    assert look(mine, p)["state"] == "running"
    end(mine, s)


# ---- the command ----

class LocalTerminal:
    """`nexus sandbox session shell` or `nexus sandbox shell` on a terminal of this test."""

    def __init__(self, nexus, url, *words, **env):
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (33, 111))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen([str(nexus), "sandbox", *words], stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, env={**os.environ, "NEXUS_URL": url, **env}, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.seen = ""

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, text, within=10):
        deadline = time.monotonic() + within
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def local(nexus, server, session):
    t = LocalTerminal(nexus, server.url, "session", "shell", session["id"])
    yield t
    t.close()


def test_the_local_terminal_is_the_sessions_until_the_shell_ends(local):
    local.wait_for("$ ")
    assert not local.is_restored()
    local.type("stty size; echo a''b\n")
    local.wait_for("33 111\r\n")
    local.wait_for("ab\r\n")
    local.type("sleep 100; echo sl''ept\n")
    time.sleep(0.5)
    local.type("\x03")
    local.type("echo go''es on\n")
    local.wait_for("goes on")
    assert "slept" not in local.seen
    termios.tcsetwinsize(local.slave, (44, 122))
    time.sleep(0.3)
    local.type("stty size\n")
    local.wait_for("44 122\r\n")
    local.type("exit 7\n")
    assert local.process.wait(10) == 7 and local.is_restored()


@pytest.mark.parametrize("how", ["key", "SIGTERM", "SIGHUP", "the session's end"])
def test_the_local_terminal_is_restored_on_every_way_out(client, session, local, how):
    local.wait_for("$ ")
    assert not local.is_restored()
    if how == "key":
        local.type("\x1d")
    elif how.startswith("SIG"):
        local.process.send_signal(getattr(signal, how))
    else:
        end(client, session)
    code = local.process.wait(10)
    assert local.is_restored()
    assert code == {"key": 129, "SIGTERM": -15, "SIGHUP": -1, "the session's end": 1}[how]


def test_a_shell_reads_what_is_no_terminal(nexus, server, session):
    r = subprocess.run([str(nexus), "sandbox", "session", "shell", session["id"]], input="echo $((6 * 7))\nexit 4\n", text=True,
                       capture_output=True, timeout=30, env={**os.environ, "NEXUS_URL": server.url})
    assert r.returncode == 4 and "42" in r.stdout, r
    r = subprocess.run([str(nexus), "sandbox", "session", "shell", "nope"], input="", text=True, capture_output=True, timeout=30,
                       env={**os.environ, "NEXUS_URL": server.url})
    assert r.returncode == 1 and "session" in r.stderr


# ---- a shell in a session of its own ----

def states(client):
    return {x["id"]: x["state"] for x in client.get("/v1/sandbox/sessions").json()["items"]}


@pytest.fixture
def own(nexus, client, server):
    """`nexus sandbox shell` on a terminal, and the id of its session."""
    before = states(client)
    t = LocalTerminal(nexus, server.url, "shell", "--memory", "300", "--cpu=100")
    t.wait_for("$ ", 30)
    (t.session,) = set(states(client)) - set(before)
    yield t
    t.close()


def test_a_shell_has_a_session_that_ends_with_it(client, own):
    assert not own.is_restored() and "ends with the shell" in own.seen
    own.type("stty size; pwd; echo left >file; sleep 600 & x=6\n")
    own.wait_for("33 111\r\n")
    own.wait_for("/work\r\n")
    assert states(client)[own.session] == "active"
    got = client.get(f"/v1/sandbox/sessions/{own.session}").json()
    assert got["language"] == "python", got
    own.type("echo $((x * 7))\n")
    own.wait_for("42\r\n")
    termios.tcsetwinsize(own.slave, (44, 122))
    time.sleep(0.3)
    own.type("stty size\n")
    own.wait_for("44 122\r\n")
    own.type("exit 7\n")
    assert own.process.wait(10) == 7 and own.is_restored()
    got = client.get(f"/v1/sandbox/sessions/{own.session}").json()
    assert got["state"] == "ended" and got["end_reason"] == "deleted", got


@pytest.mark.parametrize("how", ["key", "SIGTERM", "SIGHUP", "SIGINT", "twice", "the session's end"])
def test_its_session_ends_on_every_way_out(client, own, how):
    if how == "key":
        own.type("\x1d")
    elif how.startswith("SIG"):
        own.process.send_signal(getattr(signal, how))
    elif how == "twice":
        own.type("trap '' HUP TERM; sleep 600\n")
        time.sleep(0.3)
        own.process.send_signal(signal.SIGTERM)
        own.process.send_signal(signal.SIGTERM)
    else:
        client.delete(f"/v1/sandbox/sessions/{own.session}")
    code = own.process.wait(10)
    assert own.is_restored()
    assert code == {"key": 129, "SIGTERM": -15, "SIGHUP": -1, "SIGINT": -2, "twice": -15, "the session's end": 1}[how]
    if how != "twice":
        assert states(client).get(own.session, "ended") != "active"


def test_its_session_ends_with_the_terminal(client, nexus, server, own):
    os.close(own.master)  # as a window that is closed: SIGHUP
    try:
        assert own.process.wait(10) == -1
    finally:
        own.master = os.open("/dev/null", os.O_RDWR)
    wait_until(lambda: states(client).get(own.session, "ended") != "active")


def test_its_session_does_not_outlive_a_client_that_was_killed(client, nexus, server):
    before = states(client)
    t = LocalTerminal(nexus, server.url, "shell", "--idle", "0.5")
    try:
        t.wait_for("$ ", 30)
        (mine,) = set(states(client)) - set(before)
        time.sleep(1)
        assert states(client)[mine] == "active"  # somebody looks on
        t.process.kill()
        wait_until(lambda: client.get(f"/v1/sandbox/sessions/{mine}").json()["end_reason"] == "idle")
    finally:
        t.close()


def test_a_shell_of_its_own_reads_what_is_no_terminal(nexus, server, client, tmp_path):
    def shell(*words, text="", **env):
        return subprocess.run([str(nexus), "sandbox", "shell", *words], input=text, text=True, capture_output=True, timeout=60,
                              env={**os.environ, "NEXUS_URL": server.url, **env})
    before = [x for x, state in states(client).items() if state == "active"]
    r = shell("--memory", "200", text="echo $((6 * 7)); exit 4\n")
    assert r.returncode == 4 and "42" in r.stdout and r.stderr == "", r
    assert [x for x, state in states(client).items() if state == "active"] == before
    r = shell("now")
    assert r.returncode == 2 and "session shell ID" in r.stderr
    r = shell("--memory", "many")
    assert r.returncode == 2 and "--memory" in r.stderr and "nexus sandbox shell --help" in r.stderr
    r = shell("--image", "nope")
    assert r.returncode == 1 and "nope" in r.stderr
    r = shell("--language", "cobol")
    assert r.returncode == 1 and "cobol" in r.stderr
    r = shell("--read", "/etc")
    assert r.returncode in (1, 4) and "/etc" in r.stderr, r
    assert [x for x, state in states(client).items() if state == "active"] == before
    text = shell("--help").stdout
    assert text.startswith("nexus sandbox shell: ") and text.index("Examples") < text.index("Usage") < text.index("--allow HOST"), text
    assert subprocess.run([str(nexus), "help", "sandbox", "shell"], capture_output=True, text=True).stdout == text


def test_a_shell_works_without_a_server(nexus, tmp_path):
    r = subprocess.run([str(nexus), "sandbox", "shell"], input="echo $((6 * 7)); id -un; exit 3\n", text=True, capture_output=True,
                       timeout=60, env={**{k: v for k, v in os.environ.items() if k != "NEXUS_URL"}, "NEXUS_HOME": str(tmp_path / "home"),
                                        "NEXUS_LISTEN": "127.0.0.1:9", "NEXUS_MODEL_EMBEDDING": "none"})
    assert r.returncode == 3 and "42" in r.stdout and "sandbox" in r.stdout, r
