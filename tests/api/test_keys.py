"""Keys: made, shown once, scoped, revoked."""
import datetime
import re
import time

from nexus_server import Client


def test_the_first_key_closes_the_server(start):
    server = start()
    c = Client(server)
    assert c.get("/readyz").json()["keys_required"] is False
    for body in [{"name": "k", "scopes": ["tasks:read"]}, {"name": "k", "scopes": ["admin"], "user_id": "u"},
                 {"name": "k", "scopes": ["admin"], "tenant": "other"}]:
        assert c.post("/v1/keys", body).status_code == 409, body
    made = c.post("/v1/keys", {"name": "me", "scopes": ["admin"]})
    assert made.status_code == 201
    key = made.json()["key"]
    assert re.fullmatch(r"nxk_[A-Za-z0-9_-]{43}", key) and key.startswith(made.json()["prefix"])
    assert c.get("/v1/tasks").status_code == 401
    assert c.get("/readyz").json()["keys_required"] is True
    me = c.with_key(key)
    assert me.get("/v1/tasks").status_code == 200
    listed = me.get("/v1/keys")
    assert key not in listed.text and listed.json()["items"][0]["prefix"] == key[:12]
    database = b"".join(p.read_bytes() for p in server.home.glob("nexus.db*"))
    assert key.encode() not in database and key[20:].encode() not in database


def test_a_revoked_key_is_dead_at_once(tenants):
    made = tenants.admin.post("/v1/keys", {"name": "short", "scopes": ["tasks:read"]}).json()
    c = tenants.open.with_key(made["key"])
    assert c.get("/v1/tasks").status_code == 200
    assert tenants.admin.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert c.get("/v1/tasks").status_code == 401
    assert tenants.admin.delete(f"/v1/keys/{made['id']}").status_code == 404
    assert made["id"] not in [k["id"] for k in tenants.admin.get("/v1/keys").json()["items"]]


def test_the_last_admin_cannot_be_revoked(start):
    c = Client(start())
    made = c.post("/v1/keys", {"name": "me", "scopes": ["admin"]}).json()
    me = c.with_key(made["key"])
    r = me.delete(f"/v1/keys/{made['id']}")
    assert r.status_code == 409 and "last" in r.json()["detail"]
    second = me.post("/v1/keys", {"name": "second", "scopes": ["admin"]}).json()
    assert me.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert me.get("/v1/keys").status_code == 401
    assert c.with_key(second["key"]).get("/v1/keys").status_code == 200


def test_a_key_expires(tenants):
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)).isoformat()
    made = tenants.admin.post("/v1/keys", {"name": "soon", "scopes": ["tasks:read"], "expires_at": soon})
    assert made.status_code == 201, made.text
    c = tenants.open.with_key(made.json()["key"])
    assert c.get("/v1/tasks").status_code == 200
    time.sleep(2.2)
    r = c.get("/v1/tasks")
    assert r.status_code == 401 and "expired" in r.json()["detail"]
    past = tenants.admin.post("/v1/keys", {"name": "p", "scopes": ["admin"], "expires_at": "2020-01-01T00:00:00Z"})
    assert past.status_code == 400 and past.json()["pointer"] == "/expires_at"


def test_a_wrong_key_request_is_refused(tenants):
    for body, pointer in [({}, "/name"), ({"name": "x"}, "/scopes"), ({"name": "x", "scopes": []}, "/scopes"),
                          ({"name": "x", "scopes": ["task:read"]}, "/scopes/0"), ({"name": " ", "scopes": ["admin"]}, "/name"),
                          ({"name": "x", "scopes": "admin"}, "/scopes"), ({"name": "x" * 200, "scopes": ["admin"]}, "/name")]:
        r = tenants.admin.post("/v1/keys", body)
        assert r.status_code in (400, 413) and r.json()["pointer"] == pointer, (body, r.text)


def test_only_the_default_tenant_makes_keys_of_others(tenants):
    r = tenants.a.post("/v1/keys", {"name": "x", "scopes": ["admin"], "tenant": "b"})
    assert r.status_code == 403
    r = tenants.a.post("/v1/keys", {"name": "x", "scopes": ["tasks:read"]})
    assert r.status_code == 201
    assert tenants.open.with_key(r.json()["key"]).get("/v1/tasks").status_code == 200


def test_the_text_of_a_key_is_not_replayed(tenants):
    k = {"Idempotency-Key": "one-key-only"}
    first = tenants.admin.post("/v1/keys", {"name": "idem", "scopes": ["tasks:read"]}, headers=k)
    again = tenants.admin.post("/v1/keys", {"name": "idem", "scopes": ["tasks:read"]}, headers=k)
    assert again.status_code == first.status_code == 201
    assert again.json()["id"] == first.json()["id"] and "key" not in again.json()


def test_keys_are_listed_in_pages(tenants):
    for i in range(4):
        tenants.b.post("/v1/keys", {"name": f"page {i}", "scopes": ["tasks:read"]})
    got, cursor = [], ""
    while cursor is not None:
        page = tenants.b.get("/v1/keys", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        got += [k["name"] for k in page["items"]]
        cursor = page["next_cursor"]
    assert [n for n in got if n.startswith("page")] == [f"page {i}" for i in range(4)]
    assert len(got) == len(set(got))


def test_the_list_shows_when_a_key_was_last_used(tenants):
    made = tenants.b.post("/v1/keys", {"name": "idle", "scopes": ["tasks:read"]}).json()

    def last_used():
        items = tenants.b.get("/v1/keys", params={"limit": 200}).json()["items"]
        return next(k["last_used_at"] for k in items if k["id"] == made["id"])
    assert made["last_used_at"] is None and last_used() is None
    assert tenants.open.with_key(made["key"]).get("/v1/tasks").status_code == 200
    deadline = time.monotonic() + 10  # it is written beside the request
    while last_used() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first = last_used()
    assert first >= made["created_at"]
    assert tenants.open.with_key(made["key"]).get("/v1/tasks").status_code == 200
    time.sleep(0.2)
    assert last_used() == first, "one write a minute is enough"
