"""The two matrices: every operation without a key is refused, every id of another tenant is not found."""
import re
import uuid

import pytest

SCOPED = {"tasks:read", "tasks:write", "knowledge:read", "knowledge:write", "memory:read", "memory:write", "sandbox:run",
          "agents:read", "agents:write", "models:read", "models:use", "metrics:read", "admin"}


def fill(path, value="01890000-0000-7000-8000-000000000000"):
    return re.sub(r"{\w+\*?}", value, path)


def snapshot(tenants):
    a = tenants.a
    return [a.get("/v1/tasks").json(), a.get("/v1/knowledge/documents").json(), a.get("/v1/sessions").json(),
            a.get("/v1/agents").json(), a.get("/v1/keys").json()]


BODIES = {
    "submit_task": {"input": "1 + 1"}, "add_documents": {"documents": [{"text": "a document"}]},
    "store_memory": {"user_id": "u", "text": "a memory"}, "create_key": {"name": "k", "scopes": ["admin"]},
    "run_code": {"language": "shell", "code": "true"}, "create_sandbox_session": {"language": "python"},
    "put_sandbox_files": {"files": []}, "create_agent": {"name": "x", "description": "y"},
}


def test_every_operation_without_a_key_is_refused_with_no_effect(tenants, route_table):
    before = snapshot(tenants)
    seen = 0
    for route in route_table:
        if route["scope"] == "public":
            continue
        body = BODIES.get(route["operation"], {}) if route["method"] != "GET" else None
        r = tenants.open.request(route["method"], fill(route["path"]), json=body)
        assert r.status_code == 401, route
        assert r.headers["www-authenticate"].startswith("Bearer")
        seen += 1
    assert seen > 60
    assert snapshot(tenants) == before


WRONG = ["", "null", "Bearer", "Bearer x", "Bearer null", "Bearer undefined", "Basic YTpi", "Bearer nxk_", "Bearer nxk_" + "A" * 43,
         "Bearer ' OR 1=1 --", "Bearer \"; DROP TABLE api_keys; --", "nxk_x", "Bearer " + "A" * 4000, "Bearer nxk_%00",
         "bearer\tnxk_x", "Digest nxk_x"]


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_key_opens_nothing(tenants, value):
    r = tenants.open.get("/v1/tasks", headers={"Authorization": value})
    assert r.status_code == 401


def test_part_of_a_key_opens_nothing(tenants):
    key = tenants.a.key
    for wrong in [key[:-1], key + "A", key[:-1] + ("A" if key[-1] != "A" else "B"), key.upper(), key[4:]]:
        assert tenants.open.with_key(wrong).get("/v1/tasks").status_code == 401


def test_a_key_in_the_query_or_another_header_opens_nothing(tenants):
    key = tenants.a.key
    assert tenants.open.get(f"/v1/tasks?api_key={key}").status_code == 401
    assert tenants.open.get("/v1/tasks", headers={"x-api-key": key}).status_code == 401
    assert tenants.open.get("/v1/tasks", headers={"Cookie": f"key={key}"}).status_code == 401


def test_public_operations_are_few(route_table):
    public = {r["path"] for r in route_table if r["scope"] == "public"}
    assert public == {"/healthz", "/readyz", "/openapi.json", "/docs", "/"}


@pytest.fixture(scope="module")
def things(tenants):
    """An object of each kind in tenant a: operation → the ids that its path takes."""
    a = tenants.a
    task = a.task()["id"]
    docs = a.post("/v1/knowledge/documents", {"documents": [{"id": "doc-of-a", "text": "The lighthouse of Alpha is tall."}]})
    assert docs.status_code == 200, docs.text
    graph = a.post("/v1/knowledge/graph", {
        "entities": [{"id": "ent-of-a", "type": "Thing", "properties": {"name": "Alpha"}},
                     {"id": "ent2-of-a", "type": "Thing", "properties": {"name": "Beta"}}],
        "relationships": [{"id": "rel-of-a", "source_id": "ent-of-a", "target_id": "ent2-of-a",
                           "relationship_type": "RELATES_TO"}]})
    assert graph.status_code == 200, graph.text
    memory = a.post("/v1/memory", {"user_id": "u", "session_id": "s", "text": "the password of the house is swordfish"})
    assert memory.status_code == 200, memory.text
    session = a.get("/v1/sessions").json()["items"][0]["id"]
    agent = a.post("/v1/agents", {"name": "agent-of-a", "description": "an agent", "capabilities": ["text"], "tools": ["math.eval"]})
    assert agent.status_code == 201, agent.text
    key = [k["id"] for k in a.get("/v1/keys").json()["items"]][0]
    found = {"/v1/tasks/{id}": [task], "/v1/knowledge/documents/{id}": ["doc-of-a", docs.json()["ids"][0]],
             "/v1/knowledge/entities/{id}": ["ent-of-a"], "/v1/knowledge/relationships/{id}": ["rel-of-a"],
             "/v1/memory/{id}": [memory.json()["id"]], "/v1/sessions/{id}": [session], "/v1/agents/{name}": ["agent-of-a"],
             "/v1/keys/{id}": [key]}
    run = a.post("/v1/sandbox/executions", {"language": "shell", "code": "echo x > kept.txt"})
    if run.status_code == 200:
        found["/v1/sandbox/executions/{id}"] = [run.json()["id"]]
        found["/v1/sandbox/artifacts/{id}"] = [f["id"] for f in run.json()["artifacts"]]
    kept = a.post("/v1/sandbox/sessions", {"language": "python", "files": [{"path": "a", "content_base64": "YQ=="}]})
    if kept.status_code == 201:
        found["/v1/sandbox/sessions/{id}"] = [kept.json()["id"]]
    return found


# Writing under another tenant's name makes one's own object: what counts is that the other's is untouched.
NEEDED = {"rate_task": {"rating": 5}, "put_sandbox_files": {"files": []}, "start_sandbox_process": {"command": "true"},
          "write_sandbox_process_input": {"text": "x"}, "signal_sandbox_process": {"signal": "INT"},
          "resize_sandbox_terminal": {"rows": 24, "columns": 80}}
QUERIES = {"get_sandbox_file": "?path=a", "delete_sandbox_file": "?path=a"}
UPSERTS = {"put_entity", "put_relationship", "put_document", "put_agent"}
ALL_TENANTS = {"get_tool"}


def test_every_id_of_another_tenant_is_not_found(tenants, route_table, things):
    checked = 0
    for route in route_table:
        if "{" not in route["path"] or not route["implemented"] or route["operation"] in UPSERTS | ALL_TENANTS:
            continue
        base = re.match(r"(.*?{\w+})", route["path"])[1]
        for thing in things.get(base, []):
            body = NEEDED.get(route["operation"], {})
            path = route["path"].replace(re.search(r"{\w+}", base)[0], thing) + QUERIES.get(route["operation"], "")
            r = tenants.b.request(route["method"], path,
                                  json=body if route["method"] not in ("GET", "DELETE") else None)
            assert r.status_code == 404, (route, r.status_code, r.text[:300])
            checked += 1
    assert checked >= 20


def test_nothing_of_another_tenant_was_changed(tenants, things):
    for template, ids in things.items():
        if template == "/v1/keys/{id}":
            continue
        for i in ids:
            path = re.sub(r"{\w+}", i, template)
            assert tenants.a.get(path).status_code == 200, path


def test_lists_and_searches_stay_in_their_tenant(tenants, things):
    b = tenants.b
    assert things["/v1/tasks/{id}"][0] not in b.get("/v1/tasks?limit=200").text
    assert b.get("/v1/knowledge/documents").json()["items"] == []
    assert b.get("/v1/sessions").json()["items"] == []
    assert "agent-of-a" not in [x["name"] for x in b.get("/v1/agents").json()["items"]]
    hits = b.post("/v1/knowledge/search", {"query": "lighthouse of Alpha", "mode": "text"}).json()["hits"]
    assert hits == []
    recalled = b.post("/v1/memory/recall", {"user_id": "u", "query": "password of the house"}).json()
    assert recalled["ranked"] == []


def test_a_cursor_of_another_tenant_is_refused(tenants):
    for _ in range(3):
        tenants.a.task()
    cursor = tenants.a.get("/v1/tasks?limit=1").json()["next_cursor"]
    assert cursor
    assert tenants.a.get("/v1/tasks", params={"limit": 1, "cursor": cursor}).status_code == 200
    r = tenants.b.get("/v1/tasks", params={"limit": 1, "cursor": cursor})
    assert r.status_code == 400 and r.json()["pointer"] == "/cursor"


def test_every_operation_asks_for_its_scope(tenants, route_table):
    one_scope = {s: tenants.tenant("a", [s]) for s in SCOPED}
    for route in route_table:
        if route["scope"] == "public":
            continue
        assert route["scope"] in SCOPED
        wrong = next(s for s in sorted(SCOPED) if s not in (route["scope"], "admin"))
        body = {} if route["method"] != "GET" else None
        r = one_scope[wrong].request(route["method"], fill(route["path"]), json=body)
        assert r.status_code == 403 and route["scope"] in r.json()["detail"], route


def test_a_key_of_a_user_speaks_for_that_user_alone(tenants):
    ann = tenants.tenant("users", ["admin"], user="ann")
    any_user = tenants.tenant("users", ["admin"])
    mine = ann.task(user_id="ann")
    other = any_user.task(user_id="bob")
    assert mine["user_id"] == "ann" and ann.task()["user_id"] == "ann"
    assert ann.post("/v1/tasks", {"input": "1 + 1", "user_id": "bob"}).status_code == 403
    for path in ["", "/trace", "/logs", "/events"]:
        assert ann.get(f"/v1/tasks/{other['id']}{path}").status_code == 404, path
    assert ann.post(f"/v1/tasks/{other['id']}/cancel").status_code == 404
    assert ann.post(f"/v1/tasks/{other['id']}/feedback", {"rating": 1}).status_code == 404
    assert {t["user_id"] for t in ann.get("/v1/tasks").json()["items"]} == {"ann"}
    assert ann.get("/v1/tasks?user_id=bob").status_code == 403
    assert ann.get("/v1/events").status_code == 403
    theirs = any_user.post("/v1/memory", {"user_id": "bob", "session_id": "s", "text": "bob likes tea"}).json()["id"]
    assert ann.get(f"/v1/memory/{theirs}").status_code == 404
    assert ann.delete(f"/v1/memory/{theirs}").status_code == 404
    assert ann.post("/v1/memory", {"user_id": "bob", "text": "x"}).status_code == 403
    assert ann.post("/v1/memory/recall", {"user_id": "bob", "query": "tea"}).status_code == 403
    assert ann.post("/v1/memory/forget", {"user_id": "bob"}).status_code == 403
    assert any_user.get(f"/v1/memory/{theirs}").status_code == 200


def test_an_id_that_never_was_is_not_found(client, route_table):
    for route in route_table:
        if "{" not in route["path"] or not route["implemented"] or route["operation"] in UPSERTS:
            continue
        for value in [str(uuid.uuid4()), "no-such-thing", "%2e%2e", "x" * 300]:
            body = NEEDED.get(route["operation"], {})
            r = client.request(route["method"], fill(route["path"], value),
                               json=body if route["method"] not in ("GET", "DELETE") else None)
            assert r.status_code in (400, 404), (route, value, r.status_code, r.text[:200])
