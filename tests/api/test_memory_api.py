"""Memory and sessions, as clients see them."""
import uuid

import pytest


@pytest.fixture
def user():
    return f"u-{uuid.uuid4()}"


def test_a_turn_is_stored_recalled_corrected_pinned_and_deleted(client, user):
    r = client.post("/v1/memory", {"user_id": user, "session_id": "s", "role": "user", "text": "My sister lives in Aleppo",
                                   "importance": 0.9, "metadata": {"k": 1}, "occurred_at": "2026-01-02T03:04:05Z"})
    assert r.status_code == 200, r.text
    i = r.json()["id"]
    got = client.get(f"/v1/memory/{i}").json()
    assert got["text"] == "My sister lives in Aleppo"
    ranked = client.post("/v1/memory/recall", {"user_id": user, "query": "where does my sister live"}).json()["ranked"]
    assert any("Aleppo" in m["text"] for m in ranked)
    assert client.patch(f"/v1/memory/{i}", {"text": "My sister lives in Homs"}).status_code == 200
    assert client.get(f"/v1/memory/{i}").json()["text"] == "My sister lives in Homs"
    assert client.post(f"/v1/memory/{i}/pin", {"pinned": True}).status_code == 200
    assert client.request("POST", f"/v1/memory/{i}/pin").status_code == 200
    assert client.delete(f"/v1/memory/{i}").status_code == 200
    assert client.get(f"/v1/memory/{i}").status_code == 404
    assert client.delete(f"/v1/memory/{i}").status_code == 404


def test_several_turns_are_stored_at_once(client, user):
    r = client.post("/v1/memory", {"messages": [{"user_id": user, "session_id": "s", "text": f"turn {i}"} for i in range(5)]})
    assert r.status_code == 200 and len({m["id"] for m in r.json()["items"]}) == 5, r.text
    sessions = client.get("/v1/sessions", params={"user_id": user}).json()["items"]
    assert len(sessions) == 1
    session = client.get(f"/v1/sessions/{sessions[0]['id']}").json()
    assert session["user_id"] == user
    got, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/v1/sessions/{session['id']}/turns", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        got += [t["text"] for t in page["items"]]
        cursor = page["next_cursor"]
    assert got == [f"turn {i}" for i in range(5)]


@pytest.mark.parametrize("body, pointer", [
    ({}, "/text"), ({"user_id": "u"}, "/text"), ({"user_id": "u", "text": 5}, "/text"), ({"user_id": "u", "text": "x", "role": "god"}, "/role"),
    ({"user_id": "u", "text": "x", "importance": 2}, "/importance"), ({"user_id": "u", "text": "x", "occurred_at": "now"}, "/occurred_at"),
    ({"messages": []}, "/messages"), ({"text": "x", "messages": [{"text": "y"}]}, "/messages"), ({"messages": [{"text": 5}]}, "/messages/0/text"),
    ({"user_id": "u", "text": "x", "nosuch": 1}, "/nosuch")])
def test_a_wrong_turn_is_refused(client, body, pointer):
    r = client.post("/v1/memory", body)
    assert r.status_code == 400 and r.json()["pointer"] == pointer, r.text


def test_a_turn_that_is_too_long_is_refused(client, user):
    r = client.post("/v1/memory", {"user_id": user, "text": "x" * 70000})
    assert r.status_code == 413 and "memory.max_text_bytes" in r.json()["detail"], r.text


def test_a_user_is_forgotten(client, user):
    client.post("/v1/memory", {"user_id": user, "session_id": "s", "text": "I keep bees"})
    assert client.post("/v1/memory/forget", {"user_id": user}).status_code == 200
    assert client.post("/v1/memory/recall", {"user_id": user, "query": "bees"}).json()["ranked"] == []
    assert client.post("/v1/memory/forget", {}).status_code == 400


def test_users_do_not_see_each_other(client, user):
    client.post("/v1/memory", {"user_id": user, "session_id": "s", "text": "The code of the safe is 4711"})
    got = client.post("/v1/memory/recall", {"user_id": user + "x", "query": "code of the safe"}).json()
    assert got["ranked"] == []
    for body in [{}, {"user_id": user}, {"user_id": user, "query": " "}, {"user_id": user, "query": "x", "limit": 0}]:
        assert client.post("/v1/memory/recall", body).status_code == 400


def test_recall_filters_by_metadata_role_agent_layer_and_time(client, user):
    turns = [{"role": "user", "text": "The weir was built of oak", "metadata": {"year": 1950}, "occurred_at": "2026-01-02T00:00:00Z"},
             {"role": "assistant", "agent_id": "librarian", "text": "The weir is of stone now", "metadata": {"year": 1960}},
             {"role": "user", "text": "The weir leaks", "importance": 0.9}]
    r = client.post("/v1/memory", {"messages": [{"user_id": user, "session_id": "s", **t} for t in turns]})
    assert r.status_code == 200, r.text

    def texts(filters):
        r = client.post("/v1/memory/recall", {"user_id": user, "query": "weir", "filters": filters})
        assert r.status_code == 200, r.text
        return sorted(m["text"].split()[-1] for m in r.json()["ranked"])

    assert texts(None) == texts({}) == ["leaks", "now", "oak"]
    assert texts({"year": {"gte": 1955}}) == ["now"]
    assert texts({"year": {"in": [1950, 1960]}, "role": "user"}) == ["oak"]
    assert texts({"agent_id": "librarian"}) == ["now"]
    assert texts({"occurred_at": {"lte": "2026-01-02T03:00:00+03:00"}}) == ["oak"]
    got = client.post("/v1/memory/recall", {"user_id": user, "query": "weir", "filters": {"layer": "episodic"}}).json()
    assert [m["text"] for m in got["episodic"]] == ["The weir leaks"] and got["working"] == []


@pytest.mark.parametrize("filters, pointer", [
    ({"year": {"above": 3}}, "/filters/year"), ({"layer": "dreams"}, "/filters/layer"), ({"role": 5}, "/filters/role"),
    ({"occurred_at": {"gte": "soon"}}, "/filters/occurred_at"), ({"agent_id": {"lte": "x"}}, "/filters/agent_id"), ([], "/filters")])
def test_a_filter_that_cannot_be_is_refused(client, user, filters, pointer):
    r = client.post("/v1/memory/recall", {"user_id": user, "query": "weir", "filters": filters})
    assert r.status_code == 400 and r.json()["pointer"] == pointer, r.text


def test_arabic_with_marks_is_remembered_and_recalled_by_a_task(client, user):
    def ask(text):
        r = client.post("/v1/tasks", {"input": text, "user_id": user, "session_id": "s", "wait": True})
        assert r.status_code == 200, r.text
        assert r.json()["state"] == "succeeded", r.text
        return r.json()

    assert ask("تَذَكَّرْ أنّني أعيش في صور")["analysis"]["intent"] == "remember"
    got = client.post("/v1/memory/recall", {"user_id": user, "query": "أين أعيش؟"}).json()
    assert any("صور" in m["text"] for m in got["semantic"]), got
    about = ask("ماذا تعرف عنّي؟")
    assert about["analysis"]["intent"] == "recall" and "صور" in about["result"]["text"]
    assert "35" in ask("ما هو ٥ × ٧؟")["result"]["text"]
