"""Event streams: durable numbers, resumption, snapshots, slow clients."""
import json
import socket
import time

import pytest


def seqs(events):
    return [int(e["id"]) for e in events if "id" in e and e["event"] not in ("snapshot", "reset")]


def test_the_stream_of_a_finished_task_tells_it_all_and_ends(client):
    task = client.task("2 + 2")
    with client.events(f"/v1/tasks/{task['id']}/events") as s:
        got = [{**e, "json": json.loads(e["data"])} for e in s]
    assert got[0]["event"] == "snapshot" and got[0]["json"]["task"]["id"] == task["id"]
    types = [e["event"] for e in got]
    assert "task.accepted" in types and types[-1] == "task.succeeded"
    assert seqs(got) == sorted(set(seqs(got)))
    for e in got[1:]:
        assert e["json"]["task_id"] == task["id"] and e["json"]["type"] == e["event"] and e["json"]["seq"] == int(e["id"])


def test_a_stream_is_resumed_after_the_last_event(client):
    task = client.task("2 + 2")
    path = f"/v1/tasks/{task['id']}/events"
    with client.events(path) as s:
        whole = seqs(list(s))
    for i, seq in enumerate(whole[:-1]):
        with client.events(path, {"Last-Event-ID": str(seq)}) as s:
            assert seqs(list(s)) == whole[i + 1:]
        with client.events(f"{path}?last_event_id={seq}") as s:
            assert seqs(list(s)) == whole[i + 1:]
    r = client.get(path, headers={"Last-Event-ID": str(whole[-1])})
    assert r.status_code == 204


def test_events_come_as_they_happen(client):
    with client.events("/v1/events") as s:
        first = s.next()
        assert first["event"] == "snapshot" and int(first["id"]) == json.loads(first["data"])["seq"]
        task = client.task("3 + 4")["id"]
        got = s.until("task.succeeded")
    assert {e["json"]["task_id"] for e in got} == {task}
    assert seqs(got) == sorted(seqs(got)) and seqs(got)[0] > int(first["id"])


def test_one_stream_may_be_of_one_task(client):
    task = client.task("3 + 4")["id"]
    with client.events(f"/v1/events?task={task}") as s:
        got = s.until("task.succeeded")
    assert {e["json"]["task_id"] for e in got[1:]} == {task}


def test_a_reader_that_comes_back_misses_nothing(client):
    with client.events("/v1/events") as s:
        last = int(s.next()["id"])
    made = [client.task(f"{i} + 1")["id"] for i in range(100)]
    with client.events("/v1/events", {"Last-Event-ID": str(last)}) as s:
        done, numbers = [], []
        for e in s:
            if "id" in e:
                numbers.append(int(e["id"]))
            if e["event"] == "task.succeeded":
                done.append(json.loads(e["data"])["task_id"])
            if len(done) == len(made):
                break
    assert done == made
    assert numbers == list(range(last + 1, last + 1 + len(numbers)))


def test_a_number_of_the_future_is_reset(client):
    with client.events("/v1/events", {"Last-Event-ID": "999999999"}) as s:
        first, second = s.next(), s.next()
    assert first["event"] == "reset" and second["event"] == "snapshot"


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 40])
def test_a_number_that_is_none_is_refused(client, last):
    assert client.get("/v1/events", headers={"Last-Event-ID": last}).status_code == 400


def test_streams_stay_in_their_tenant(tenants):
    with tenants.b.events("/v1/events") as s:
        s.next()
        tenants.a.task("1 + 1")
        mine = tenants.b.task("1 + 2")["id"]
        got = s.until("task.succeeded")
    assert {e["json"]["task_id"] for e in got} == {mine}


def test_a_client_that_does_not_read_is_dropped_with_a_reset(start):
    from nexus_server import Client
    server = start(args=["--api-stream-buffer-bytes", "16KiB"])
    c = Client(server)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.3)
        for i in range(2500):  # more than the buffers of both sockets take
            c.post("/v1/tasks", {"input": f"{i} + 1", "wait": True, "metadata": {"pad": "x" * 500}})
        slow.settimeout(20)
        got = b""
        while b"event: reset" not in got[-4000:]:
            part = slow.recv(65536)
            if not part:
                break
            got += part
    assert b"event: reset" in got
    assert c.task()["state"] == "succeeded"
