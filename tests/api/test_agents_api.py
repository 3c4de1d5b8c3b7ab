"""Agents, tools and models, as clients see them."""
import uuid

import pytest

SPEC = {"description": "adds numbers", "capabilities": ["calculation"], "tools": ["math.eval"]}


def test_agents_are_listed_stored_changed_and_deleted(client):
    names = {a["name"] for a in client.get("/v1/agents").json()["items"]}
    assert {"researcher", "coder", "analyst", "librarian"} <= names
    n = f"adder-{uuid.uuid4().hex[:6]}"
    r = client.post("/v1/agents", {"name": n, **SPEC})
    assert r.status_code == 201 and r.json()["name"] == n, r.text
    got = client.get(f"/v1/agents/{n}").json()
    assert got["origin"] == "stored" and got["spec"]["tools"] == ["math.eval"]
    assert client.put(f"/v1/agents/{n}", {"name": n, **SPEC, "description": "adds well"}).status_code == 200
    assert client.get(f"/v1/agents/{n}").json()["description"] == "adds well"
    assert client.put(f"/v1/agents/{n}", {"name": "other", **SPEC}).status_code == 400
    assert client.delete(f"/v1/agents/{n}").status_code == 200
    assert client.get(f"/v1/agents/{n}").status_code == 404
    assert client.delete(f"/v1/agents/{n}").status_code == 404
    assert client.delete("/v1/agents/researcher").status_code in (404, 409)
    assert client.get("/v1/agents/researcher").status_code == 200


@pytest.mark.parametrize("spec", [{}, {"name": "x"}, {"name": 5, **SPEC}, {"name": "x", **SPEC, "tools": "math.eval"},
                                  {"name": "x", **SPEC, "command": "rm -rf /"}, {"name": "../x", **SPEC}])
def test_a_wrong_spec_is_refused(client, spec):
    r = client.post("/v1/agents", spec)
    assert 400 <= r.status_code < 500 and r.json()["pointer"], r.text


def test_tools_show_the_schemas_of_their_inputs(client):
    tools = {t["name"]: t for t in client.get("/v1/tools").json()["items"]}
    assert {"math.eval", "knowledge.search", "code.run", "memory.recall", "memory.store", "text.summarize"} <= set(tools)
    assert client.get("/v1/tools/math.eval").json() == tools["math.eval"]
    assert tools["math.eval"]["effects"] == "none" and tools["math.eval"]["input_schema"]["type"] == "object"
    assert client.get("/v1/tools/math.evil").status_code == 404


def test_models_are_listed(client):
    assert isinstance(client.get("/v1/models").json()["items"], list)
