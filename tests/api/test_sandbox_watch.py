"""Watches of a session's files: what changes is told, as it was, and nothing is lost in silence."""
import base64
import json
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest
from nexus_server import Client
from test_sandbox_sessions import begin, end, run


class Watch:
    """A stream of changes, read by a thread of its own."""

    def __init__(self, stream):
        self.stream, self.events = stream, []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        with suppress(httpx.HTTPError):  # the test closes it
            for e in self.stream:
                self.events.append((e["event"], json.loads(e["data"])))

    def said(self):
        return [(k, d.get("from"), d.get("path"), d.get("is_directory")) for k, d in list(self.events)]

    def wait_for(self, kind, path, within=10, **more):
        deadline = time.monotonic() + within
        while True:
            for k, d in list(self.events):
                if k == kind and (path is None or d.get("path") == path) and all(d.get(n) == v for n, v in more.items()):
                    return d
            assert time.monotonic() < deadline, (kind, path, self.events)
            time.sleep(0.02)

    def kinds(self, path):
        return [k for k, d in list(self.events) if d.get("path") == path]


@contextmanager
def watching(client, session, **query):
    with client.events(f"/v1/sandbox/sessions/{session['id']}/files/watch", params=query) as s:
        assert s.response.status_code == 200, s.response.read()
        w = Watch(s)
        w.wait_for("ready", None)
        yield w


@pytest.fixture
def session(client):
    s = begin(client)
    yield s
    client.delete(f"/v1/sandbox/sessions/{s['id']}")


def test_files_are_told_as_they_come_change_and_go(client, session):
    with watching(client, session) as w:
        run(client, session, "open('a.txt', 'w').write('1')")
        w.wait_for("created", "a.txt", is_directory=False)
        w.wait_for("modified", "a.txt")
        run(client, session, "import os; os.rename('a.txt', 'b.txt')")
        w.wait_for("moved", "b.txt", **{"from": "a.txt"})
        run(client, session, "os.remove('b.txt')")
        w.wait_for("deleted", "b.txt")
        run(client, session, "open('/tmp/elsewhere', 'w').write('x'); os.chmod('.', 0o700)")
        run(client, session, "open('last', 'w').close()")
        w.wait_for("created", "last")
    assert [k for k, *_ in w.said()] == ["ready", "created", "modified", "moved", "deleted", "created"], w.said()


def test_directories_that_are_made_are_watched_with_what_is_in_them(client, session):
    with watching(client, session) as w:
        run(client, session, "import os, shutil\nos.makedirs('x/y/z')\nopen('x/y/z/deep', 'w').write('1')")
        for path, is_dir in (("x", True), ("x/y", True), ("x/y/z", True), ("x/y/z/deep", False)):
            w.wait_for("created", path, is_directory=is_dir)
        time.sleep(0.1)
        run(client, session, "open('x/y/z/later', 'w').write('1')")
        w.wait_for("created", "x/y/z/later")
        run(client, session, "os.rename('x/y', 'moved')")
        w.wait_for("moved", "moved", **{"from": "x/y"})
        run(client, session, "open('moved/z/after', 'w').write('1')")
        w.wait_for("created", "moved/z/after")
        run(client, session, "shutil.rmtree('moved')")
        w.wait_for("deleted", "moved/z/after")
        w.wait_for("deleted", "moved", is_directory=True)
        run(client, session, "os.makedirs('moved')\nopen('moved/again', 'w').close()")
        w.wait_for("created", "moved/again")


def test_what_leaves_is_deleted_and_no_longer_followed(client, session):
    run(client, session, "import os\nos.makedirs('gone/sub')\nopen('file', 'w').close()")
    with watching(client, session) as w:
        run(client, session, "os.rename('gone', '/tmp/gone'); os.rename('file', '/tmp/file')")
        w.wait_for("deleted", "gone", is_directory=True)
        w.wait_for("deleted", "file", is_directory=False)
        run(client, session, "open('/tmp/gone/sub/secret', 'w').close()\nos.rename('/tmp/file', 'back')")
        w.wait_for("created", "back")
        run(client, session, "os.rename('/tmp/gone', 'home')")
        w.wait_for("created", "home/sub/secret")
    assert not any("gone/sub" in (d.get("path") or "") for _, d in w.events)


def test_files_that_clients_give_are_told_once(client, session):
    with watching(client, session) as w:
        body = {"files": [{"path": "notes/b.txt", "content_base64": base64.b64encode(b"beta").decode()}]}
        assert client.put(f"/v1/sandbox/sessions/{session['id']}/files", body).status_code == 204
        w.wait_for("created", "notes/b.txt")
        assert client.delete(f"/v1/sandbox/sessions/{session['id']}/file", params={"path": "notes/b.txt"}).status_code == 204
        w.wait_for("deleted", "notes/b.txt")
    assert not any(".upload" in json.dumps(d) for k, d in w.events if k != "created"), w.events


def test_only_the_directory_that_was_asked_for_is_watched(client, session):
    run(client, session, "import os; os.makedirs('in/side'); os.mkdir('out')")
    with watching(client, session, path="in") as w:
        run(client, session, "open('out/x', 'w').close(); open('in/y', 'w').close(); open('in/side/z', 'w').close()")
        w.wait_for("created", "in/side/z")
        assert w.kinds("in/y") == ["created"] and w.kinds("out/x") == []
        run(client, session, "import shutil; shutil.rmtree('in')")
        w.wait_for("deleted", "in")
        w.thread.join(5)
        assert not w.thread.is_alive()  # nothing is left to be watched


@pytest.mark.parametrize("path, status", [("nowhere", 404), ("file", 404), ("link", 404), ("../", 400), ("/etc", 400), ("a/../b", 400)])
def test_what_is_no_directory_is_refused(client, session, path, status):
    run(client, session, "import os; open('file', 'w').close(); os.symlink('/tmp', 'link')")
    r = client.get(f"/v1/sandbox/sessions/{session['id']}/files/watch", params={"path": path})
    assert r.status_code == status, r.text


def test_links_do_not_lead_a_watch_outside(client, session):
    run(client, session, "import os; os.makedirs('/tmp/there'); os.symlink('/tmp/there', 'here')")
    with watching(client, session) as w:
        run(client, session, "open('/tmp/there/x', 'w').close(); os.symlink('/tmp', 'new'); open('/tmp/there/y', 'w').close()")
        w.wait_for("created", "new", is_directory=False)
        run(client, session, "open('end', 'w').close()")
        w.wait_for("created", "end")
    assert {d.get("path") for _, d in w.events} == {None, "new", "end"}


def test_the_number_of_directories_is_limited_by_name(start):
    client = Client(start(args=["--sandbox-max-watches", "4"]))
    s = begin(client)
    run(client, s, "import os\nfor i in range(3): os.mkdir(str(i))")
    with watching(client, s) as w:
        run(client, s, "os.mkdir('more')")
        w.wait_for("created", "more")
        assert "sandbox.max_watches" in w.wait_for("overflow", None)["reason"]
        run(client, s, "open('0/still', 'w').close()")
        w.wait_for("created", "0/still")
    r = client.get(f"/v1/sandbox/sessions/{s['id']}/files/watch")
    assert r.status_code == 400 and "sandbox.max_watches" in r.json()["detail"], r.text


def test_changes_that_nobody_reads_overflow_and_say_so(start):
    client = Client(start(args=["--api-stream-buffer-bytes", "16KiB"]))
    s = begin(client)
    run(client, s, "import os; os.mkdir('d')")
    code = "for i in range(40000):\n    f = f'd/{i % 2000}-{\"x\" * 100}'\n    open(f, 'w').close()\n    os.remove(f)\n"
    with client.events(f"/v1/sandbox/sessions/{s['id']}/files/watch") as stream:
        lines = iter(stream)
        assert next(lines)["event"] == "ready"
        run(client, s, code, constraints={"max_execution_time_s": 60})  # meanwhile the stream is not read
        kinds = []
        for e in lines:
            kinds.append(e["event"])
            if e["event"] == "overflow":
                break
    assert "overflow" in kinds and "reset" not in kinds
    with watching(client, s) as w:
        run(client, s, "open('fine', 'w').close()")
        w.wait_for("created", "fine")


def test_names_that_are_no_text_are_left_out(client, session):
    with watching(client, session) as w:
        run(client, session, "open(b'\\xff\\xfe', 'w').close(); open('سلام \"<b>\\\\n', 'w').close()")
        w.wait_for("created", 'سلام "<b>\\n')
    assert len(w.events) == 2, w.events


def test_the_end_of_the_session_ends_the_watch_and_leaves_nothing(server, client, session):
    before = server.descriptors()
    with watching(client, session) as w:
        end(client, session)
        w.thread.join(5)
        assert not w.thread.is_alive()
    assert client.get(f"/v1/sandbox/sessions/{session['id']}/files/watch").status_code == 404
    deadline = time.monotonic() + 5
    while server.descriptors() > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_streams_of_a_session_are_limited(start):
    client = Client(start(args=["--sandbox-max-session-streams", "1"]))
    s = begin(client)
    with client.events(f"/v1/sandbox/sessions/{s['id']}/files/watch") as first:
        assert first.next()["event"] == "ready"
        r = client.get(f"/v1/sandbox/sessions/{s['id']}/files/watch")
        assert r.status_code == 400 and "sandbox.max_session_streams" in r.json()["detail"]
    deadline = time.monotonic() + 5
    while True:
        with client.events(f"/v1/sandbox/sessions/{s['id']}/files/watch") as stream:
            if stream.response.status_code == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_crowd_of_watches_and_changes_at_once(client, session):
    code = ("import os, random, shutil\nr = random.Random(7)\nfor i in range(3000):\n"
            "    a, b = ('/'.join(r.choice('abc') for _ in range(r.randint(1, 5))) for _ in range(2))\n"
            "    try:\n        k = r.random()\n"
            "        if k < 0.4: os.makedirs(a)\n        elif k < 0.6: os.rename(a, b)\n"
            "        elif k < 0.8: shutil.rmtree(a)\n        elif k < 0.9: open(a, 'w').write('x')\n"
            "        else: os.rename(a, f'/tmp/{i}')\n"
            "    except OSError: pass\n")
    with watching(client, session) as one, watching(client, session) as two:
        run(client, session, code, constraints={"max_execution_time_s": 60})
        run(client, session, "shutil.rmtree('end', True)\nos.makedirs('end/of')\nopen('end/of/it', 'w').close()")
        for w in (one, two):
            w.wait_for("created", "end/of/it", within=30)
    assert client.get(f"/v1/sandbox/sessions/{session['id']}").json()["state"] == "active"
