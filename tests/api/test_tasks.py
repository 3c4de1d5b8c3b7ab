"""Tasks: submitted, waited for, listed, cancelled, rated, traced."""
import threading
import time
import uuid

import pytest


def test_a_task_that_is_waited_for_answers_with_its_result(client):
    r = client.post("/v1/tasks", {"input": "What is 12.5% of 80?", "wait": True})
    task = r.json()
    assert r.status_code == 200 and task["state"] == "succeeded" and task["result"]["text"] == "10"
    assert r.headers["location"] == f"/v1/tasks/{task['id']}"
    assert client.get(r.headers["location"]).json()["result"] == task["result"]


def test_a_task_that_is_not_waited_for_is_durable_and_goes_on(client):
    r = client.post("/v1/tasks", {"input": "What is 6 * 7?"})
    assert r.status_code == 202 and r.headers["location"].endswith(r.json()["id"])
    deadline = time.monotonic() + 20
    while client.get(r.headers["location"]).json()["finished_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert client.get(r.headers["location"]).json()["result"]["text"] == "42"


def test_lists_are_paged_newest_first(client):
    made = [client.task(f"{i} + 1")["id"] for i in range(5)]
    got, cursor = [], None
    while True:
        page = client.get("/v1/tasks", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["items"]) <= 2
        got += [t["id"] for t in page["items"]]
        cursor = page["next_cursor"]
        if not cursor or len(got) >= 5:
            break
    assert got[:5] == made[::-1]
    assert len(set(got)) == len(got)


def test_lists_are_filtered(client):
    user = f"u-{uuid.uuid4()}"
    mine = client.task("1 + 1", user_id=user, session_id=f"s-{user}")["id"]
    assert [t["id"] for t in client.get("/v1/tasks", params={"user_id": user}).json()["items"]] == [mine]
    assert [t["id"] for t in client.get("/v1/tasks", params={"session_id": f"s-{user}"}).json()["items"]] == [mine]
    assert client.get("/v1/tasks", params={"user_id": user, "state": "failed"}).json()["items"] == []
    assert client.get("/v1/tasks", params={"state": "no-such"}).status_code == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=100000", "limit=x", "limit=1&limit=2", "nosuch=1",
                                   "cursor=abc", "cursor=" + "A" * 18, "limit=%zz", "user_id=%ff", "user_id=%00", "limit=1.5"])
def test_a_wrong_query_is_refused_where_it_is_wrong(client, query):
    r = client.get(f"/v1/tasks?{query}")
    assert r.status_code == 400, r.text
    assert r.json()["detail"]


def test_an_unknown_parameter_names_the_nearest(client):
    r = client.get("/v1/tasks?sate=failed")
    assert r.status_code == 400 and "state" in r.json().get("hint", "") + r.json()["detail"]


def test_a_trace_shows_the_stages(client):
    task = client.task("What is 3 * 3?")
    deadline = time.monotonic() + 10
    while True:
        trace = client.get(f"/v1/tasks/{task['id']}/trace").json()
        if len(trace["spans"]) >= 2 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert trace["task_id"] == task["id"] and trace["trace_id"] == task["trace_id"]
    assert len(trace["spans"]) >= 2
    logs = client.get(f"/v1/tasks/{task['id']}/logs").json()
    assert "task finished" in [line["message"] for line in logs["items"]], logs
    assert client.get(f"/v1/tasks/{uuid.uuid4()}/trace").status_code == 404
    assert client.get(f"/v1/tasks/{uuid.uuid4()}/logs").status_code == 404


def slow(client, seconds=20):
    r = client.post("/v1/tasks", {"input": "sleep", "plan": {"steps": [
        {"id": "wait", "tool": "code.run", "input": {"language": "shell", "code": f"sleep {seconds}"}}]}})
    assert r.status_code == 202, r.text
    return r.json()["id"]


def test_a_task_is_cancelled(client):
    task = slow(client)
    r = client.post(f"/v1/tasks/{task}/cancel")
    assert r.status_code == 200 and r.json()["cancel_requested_at"]
    deadline = time.monotonic() + 20
    while client.get(f"/v1/tasks/{task}").json()["state"] != "cancelled":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.post(f"/v1/tasks/{task}/cancel").status_code == 200


def test_a_result_is_rated(client):
    task = client.task()["id"]
    assert client.post(f"/v1/tasks/{task}/feedback", {"rating": 5, "comment": "right"}).json() == {"ok": True}
    for body in [{}, {"rating": 0}, {"rating": 6}, {"rating": "5"}, {"rating": 5, "extra": 1}]:
        r = client.post(f"/v1/tasks/{task}/feedback", body)
        assert r.status_code == 400 and r.json()["pointer"], body
    assert client.post(f"/v1/tasks/{uuid.uuid4()}/feedback", {"rating": 5}).status_code == 404


def test_a_wait_ends_with_202(client):
    start = time.monotonic()
    r = client.post("/v1/tasks", {"input": "sleep", "wait": 0.5, "plan": {"steps": [
        {"id": "wait", "tool": "code.run", "input": {"language": "shell", "code": "sleep 10"}}]}})
    assert r.status_code == 202 and r.json()["state"] in ("running", "queued")
    assert 0.4 < time.monotonic() - start < 8
    client.post(f"/v1/tasks/{r.json()['id']}/cancel")


def test_many_clients_at_once_each_get_their_own_answer(client):
    from nexus_server import Client
    wrong = []

    def work(n):
        c = Client(client.server, contract=client.contract)
        for i in range(20):
            t = c.task(f"{n} * 1000 + {i}")
            if t["result"]["text"] != str(n * 1000 + i):
                wrong.append(t)
        c.close()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong
