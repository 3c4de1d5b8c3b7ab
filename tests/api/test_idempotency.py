"""A write that is repeated is done once."""
import threading
import time
import uuid

import pytest


def key():
    return {"Idempotency-Key": str(uuid.uuid4())}


def test_a_repeated_task_is_replayed(client):
    k = key()
    first = client.post("/v1/tasks", {"input": "5 + 5", "wait": True}, headers=k)
    again = client.post("/v1/tasks", {"input": "5 + 5", "wait": True}, headers=k)
    assert again.status_code == first.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    other = client.post("/v1/tasks", {"input": "5 + 5", "wait": True}, headers=key())
    assert other.json()["id"] != first.json()["id"]


def test_another_body_is_refused(client):
    k = key()
    client.post("/v1/tasks", {"input": "5 + 5", "wait": True}, headers=k)
    r = client.post("/v1/tasks", {"input": "5 + 6", "wait": True}, headers=k)
    assert r.status_code == 422 and r.json()["code"] == "NX-IDEMPOTENCY"


def test_a_key_at_work_is_refused_with_retry_after(client):
    k, results = key(), []
    body = {"input": "sleep", "wait": 3, "plan": {"steps": [
        {"id": "wait", "tool": "code.run", "input": {"language": "shell", "code": "sleep 2"}}]}}

    def first():
        from nexus_server import Client
        c = Client(client.server, contract=client.contract)
        results.append(c.post("/v1/tasks", body, headers=k))
        c.close()
    t = threading.Thread(target=first)
    t.start()
    time.sleep(0.5)
    r = client.post("/v1/tasks", body, headers=k)
    t.join()
    assert r.status_code == 409 and int(r.headers["retry-after"]) >= 1
    assert results[0].status_code in (200, 202)
    again = client.post("/v1/tasks", body, headers=k)
    assert again.json()["id"] == results[0].json()["id"]


def test_many_at_once_make_one_task(client):
    k, ids, codes = key(), set(), set()

    def post():
        from nexus_server import Client
        c = Client(client.server, contract=client.contract)
        for _ in range(50):
            r = c.post("/v1/tasks", {"input": "7 * 7", "wait": True}, headers=k)
            codes.add(r.status_code)
            if r.status_code == 200:
                ids.add(r.json()["id"])
                break
            time.sleep(0.05)
        c.close()
    threads = [threading.Thread(target=post) for _ in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(ids) == 1 and codes <= {200, 409}


def test_a_failed_request_leaves_the_key_free(client):
    k = key()
    assert client.post("/v1/tasks", {"input": ""}, headers=k).status_code == 400
    assert client.post("/v1/tasks", {"input": "1 + 1", "wait": True}, headers=k).status_code == 200


def test_the_scope_is_tenant_method_and_path(client, tenants):
    k = key()
    a = tenants.a.post("/v1/tasks", {"input": "1 + 1", "wait": True}, headers=k)
    b = tenants.b.post("/v1/tasks", {"input": "1 + 1", "wait": True}, headers=k)
    assert a.json()["id"] != b.json()["id"] and "idempotent-replayed" not in b.headers
    t = client.task()["id"]
    assert client.post(f"/v1/tasks/{t}/feedback", {"rating": 4}, headers=k).status_code == 200


def test_documents_memories_and_ratings_are_replayed_with_their_answers(client):
    name = f"doc-{uuid.uuid4()}"
    task = client.task()["id"]
    for path, body in [("/v1/knowledge/documents", {"documents": [{"id": name, "text": "A sentence about idempotency."}]}),
                       ("/v1/memory", {"user_id": "idem", "session_id": "s", "text": "I like walnuts"}),
                       ("/v1/memory", {"messages": [{"user_id": "idem", "text": "one"}, {"user_id": "idem", "text": "two"}]}),
                       (f"/v1/tasks/{task}/feedback", {"rating": 3}),
                       ("/v1/agents", {"name": f"a{uuid.uuid4().hex[:8]}", "description": "d", "capabilities": ["text"], "tools": ["math.eval"]}),
                       ("/v1/knowledge/graph", {"entities": [{"id": name, "type": "Thing", "properties": {}}]})]:
        k = key()
        first, again = client.post(path, body, headers=k), client.post(path, body, headers=k)
        assert first.status_code < 300, (path, first.text)
        assert again.headers.get("idempotent-replayed") == "true", path
        assert (again.status_code, again.json()) == (first.status_code, first.json()), path
        assert client.post(path, {**body, "x": 1}, headers=k).status_code in (400, 422)


def test_an_execution_is_replayed_and_ran_once(client):
    k = key()
    body = {"language": "shell", "code": "head -c 8 /dev/urandom | od -An -tx1"}
    first, again = client.post("/v1/sandbox/executions", body, headers=k), client.post("/v1/sandbox/executions", body, headers=k)
    assert first.status_code == 200 and again.headers["idempotent-replayed"] == "true"
    assert first.json()["stdout"] == again.json()["stdout"] and first.json()["id"] == again.json()["id"]


def test_a_replay_survives_a_restart(start, tmp_path):
    from nexus_server import Client
    k = key()
    s = start(home=tmp_path / "h")
    first = Client(s).post("/v1/tasks", {"input": "8 + 8", "wait": True}, headers=k).json()
    s.stop(kill=True)
    s = start(home=tmp_path / "h")
    again = Client(s).post("/v1/tasks", {"input": "8 + 8", "wait": True}, headers=k)
    assert again.json()["id"] == first["id"] and again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("value", ["", "x" * 256, "with space", "caf\u00e9"])
def test_a_key_that_is_none_is_refused(client, value):
    r = client.request("POST", "/v1/tasks", json={"input": "1 + 1"}, headers={"Idempotency-Key": value.encode()})
    assert r.status_code == 400
