"""Documents, search, questions and the graph, as clients see them."""
import base64
import json
import uuid

import pytest


def name():
    return f"d-{uuid.uuid4()}"


def text_of(word):
    return f"The harbour of {word} was built by Maria {word} in 1902. It has three piers and a lighthouse."


def test_documents_are_stored_found_changed_and_deleted(client):
    word, n = "Zanthor" + uuid.uuid4().hex[:6], name()
    r = client.post("/v1/knowledge/documents", {"documents": [
        {"id": n, "title": "Harbour", "text": text_of(word), "uri": "https://example.org/h", "metadata": {"year": 1902}}]})
    assert r.status_code == 200 and r.json()["inserted"] == 1 and len(r.json()["ids"]) == 1 and r.json()["chunks"] >= 1
    uid = r.json()["ids"][0]
    hits = client.post("/v1/knowledge/search", {"query": f"harbour of {word}", "mode": "text", "limit": 3}).json()
    assert hits["hits"] and hits["hits"][0]["document_id"] in (uid, n) and word in hits["hits"][0]["text"]
    for key in (n, uid):
        got = client.get(f"/v1/knowledge/documents/{key}").json()
        assert got["text"] == text_of(word)
    again = client.post("/v1/knowledge/documents", {"documents": [
        {"id": n, "title": "Harbour", "text": text_of(word), "uri": "https://example.org/h", "metadata": {"year": 1902}}]}).json()
    assert again["unchanged"] == 1 and again["ids"] == [uid]
    changed = client.put(f"/v1/knowledge/documents/{n}", {"text": "Something else entirely."}).json()
    assert changed["updated"] == 1 and changed["ids"] == [uid]
    assert client.post("/v1/knowledge/search", {"query": word, "mode": "text"}).json()["hits"] == []
    assert client.delete(f"/v1/knowledge/documents/{n}").status_code == 200
    assert client.get(f"/v1/knowledge/documents/{n}").status_code == 404
    assert client.delete(f"/v1/knowledge/documents/{n}").status_code == 404


def test_all_or_nothing(client):
    good, before = name(), client.get("/v1/knowledge/documents?limit=200").json()["items"]
    for bad, pointer in [({"text": ""}, "/documents/1"), ({}, "/documents/1/text"), ({"text": "x", "mime": "application/pdf"}, "/documents/1/mime"),
                         ({"text": "x", "content_base64": "eA=="}, "/documents/1/content_base64"),
                         ({"content_base64": "***"}, "/documents/1/content_base64"),
                         ({"content_base64": base64.b64encode(b"\xff\xfe\x00").decode()}, "/documents/1/content_base64"),
                         ({"text": "x", "colour": "red"}, "/documents/1/colour")]:
        r = client.post("/v1/knowledge/documents", {"documents": [{"id": good, "text": "A good one."}, bad]})
        assert 400 <= r.status_code < 500, (bad, r.text)
        assert r.json()["pointer"].startswith(pointer), (bad, r.text)
    assert client.get(f"/v1/knowledge/documents/{good}").status_code == 404
    assert client.get("/v1/knowledge/documents?limit=200").json()["items"] == before
    assert client.post("/v1/knowledge/documents", {"documents": []}).status_code == 400


def test_base64_and_stored_only(client):
    n, word = name(), "Base" + uuid.uuid4().hex[:6]
    r = client.post("/v1/knowledge/documents", {"wait": "stored", "index": ["text"], "documents": [
        {"id": n, "mime": "text/markdown", "content_base64": base64.b64encode(f"# {word}\n\nA page.".encode()).decode()}]})
    assert r.status_code == 200, r.text
    assert word in client.get(f"/v1/knowledge/documents/{n}").json()["text"]


def test_files_are_uploaded(client):
    word = "Upload" + uuid.uuid4().hex[:6]
    lines = "\n".join(json.dumps({"id": f"{word}-{i}", "text": f"Line {i} of {word}."}) for i in range(3))
    files = [("files", (f"{word}.txt", f"A text about {word}.", "text/plain")),
             ("files", (f"../../{word}.md", f"# {word}\n\nMarkdown.", "text/markdown")),
             ("files", (f"{word}.jsonl", lines, "application/x-ndjson"))]
    r = client.request("POST", "/v1/knowledge/documents", files=files, data={"options": '{"index":["text"],"wait":"indexed"}'})
    assert r.status_code == 200 and r.json()["inserted"] == 5, r.text
    assert client.get(f"/v1/knowledge/documents/{word}.md").json()["mime"] == "text/markdown"
    assert client.post("/v1/knowledge/search", {"query": word, "mode": "text"}).json()["hits"]


@pytest.mark.parametrize("filename, content, status", [
    ("a.pdf", b"%PDF-1.7", 415), ("a.txt", b"\xff\xfe", 400), ("a.jsonl", b"not json", 415), ("a.jsonl", b'{"text":1}', 415),
    ("a.bin", b"\0x", 415), ("a.txt", b"\x7fELF\x00", 400)])
def test_a_file_that_is_not_what_it_says_is_refused(client, filename, content, status):
    r = client.request("POST", "/v1/knowledge/documents", files=[("files", (filename, content, "text/plain"))])
    assert r.status_code in (status, 400, 415) and r.json()["detail"], r.text


@pytest.mark.parametrize("body", [b"", b"--x", b"--x\r\n\r\n\r\n--x--", b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--",
                                  b"--y\r\n\r\n--y--", b"--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--x--",
                                  b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\ncut"])
def test_a_broken_upload_is_refused(client, body):
    r = client.request("POST", "/v1/knowledge/documents", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert r.status_code == 400, r.text


def test_too_many_documents_are_refused_with_the_limit(start):
    from nexus_server import Client
    c = Client(start(args=["--knowledge-max-documents", "5", "--knowledge-max-document-bytes", "2KiB"]))
    r = c.post("/v1/knowledge/documents", {"documents": [{"text": f"text {i}"} for i in range(6)]})
    assert r.status_code == 400 and "knowledge.max_documents" in r.json()["detail"]
    r = c.post("/v1/knowledge/documents", {"documents": [{"text": "x" * 3000}]})
    assert r.status_code == 413 and "knowledge.max_document_bytes" in r.json()["detail"]


def test_documents_are_listed_in_pages(client):
    for i in range(5):
        client.post("/v1/knowledge/documents", {"documents": [{"id": name(), "text": f"page {i} of a list"}]})
    got, cursor = [], ""
    while cursor is not None:
        page = client.get("/v1/knowledge/documents", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        got += [d["id"] for d in page["items"]]
        cursor = page["next_cursor"]
    assert len(got) == len(set(got)) >= 5


@pytest.mark.parametrize("mode", ["hybrid", "text", "graph"])
def test_search_in_each_mode(client, mode):
    client.post("/v1/knowledge/documents", {"documents": [{"id": "modes", "text": text_of("Kelvaria")}]})
    r = client.post("/v1/knowledge/search", {"query": "harbour of Kelvaria", "mode": mode, "explain": True,
                                             "kinds": ["chunk", "entity"]})
    assert r.status_code == 200 and r.json()["took_ms"] >= 0, r.text


@pytest.mark.parametrize("body, pointer", [
    ({}, "/query"), ({"query": ""}, "/query"), ({"query": "x", "mode": "magic"}, "/mode"), ({"query": "x", "limit": 0}, "/limit"),
    ({"query": "x", "limit": 5000}, "/limit"), ({"query": "x", "kinds": ["thing"]}, "/kinds/0"), ({"query": "x" * 9000}, "/query"),
    ({"query": "x", "filters": []}, "/filters"), ({"query": "x", "as_of": "2020-01-01T00:00:00Z"}, "/as_of")])
def test_a_wrong_search_is_refused(client, body, pointer):
    r = client.post("/v1/knowledge/search", body)
    assert r.status_code in (400, 413, 501) and r.json()["pointer"] == pointer, r.text


@pytest.mark.parametrize("filters", [{"a' OR 1=1 --": 1}, {"year": {"nosuch": 1}}, {"year": {"in": 5}}, {"$where": "1"}, {"a.b": {"gte": {}}}])
def test_hostile_filters_find_nothing_or_are_refused(client, filters):
    r = client.post("/v1/knowledge/search", {"query": "harbour", "mode": "text", "filters": filters})
    assert r.status_code in (200, 400), r.text
    assert r.status_code == 400 or r.json()["hits"] == []


def test_a_question_is_answered_with_citations(client):
    client.post("/v1/knowledge/documents", {"documents": [
        {"id": "ask-1", "title": "Ostrava Bridge", "text": "The Ostrava Bridge was designed by Jelena Markovic. It opened in 1931."}]})
    r = client.post("/v1/knowledge/ask", {"question": "Who designed the Ostrava Bridge?"})
    assert r.status_code == 200 and r.json()["found"] is True, r.text
    assert "Markovic" in r.json()["answer"] and r.json()["citations"]
    for body in [{}, {"question": ""}, {"question": "x", "limit": 0}, {"question": "x", "nosuch": 1}]:
        assert client.post("/v1/knowledge/ask", body).status_code == 400


def test_the_graph_is_stored_read_and_deleted(client):
    p = uuid.uuid4().hex[:8]
    body = {"entities": [{"id": f"{p}-a", "type": "Person", "properties": {"name": "Ann"}},
                         {"id": f"{p}-b", "type": "Person", "properties": {"name": "Bob"}},
                         {"id": f"{p}/c", "type": "City", "properties": {"name": "Caen"}}],
            "relationships": [{"id": f"{p}-r", "source_id": f"{p}-a", "target_id": f"{p}-b", "relationship_type": "RELATES_TO", "weight": 0.9},
                              {"id": f"{p}-s", "source_id": f"{p}-b", "target_id": f"{p}/c", "relationship_type": "RELATES_TO", "weight": 0.8}]}
    r = client.post("/v1/knowledge/graph", body)
    assert r.status_code == 200 and r.json()["success"] is True and r.json()["inserted_count"] == 5, r.text
    assert client.get(f"/v1/knowledge/entities/{p}-a").json()["properties"]["name"] == "Ann"
    assert client.get(f"/v1/knowledge/entities/{p}%2Fc").json()["type"] == "City"
    assert client.get(f"/v1/knowledge/relationships/{p}-r").json()["weight"] == 0.9
    got = client.get(f"/v1/knowledge/entities/{p}-a/connected?depth=2").json()
    assert f"{p}-b" in json.dumps(got) and f"{p}/c" in json.dumps(got)
    got = client.get(f"/v1/knowledge/entities/{p}-a/connected?depth=1&types=RELATES_TO,PART_OF&limit=5").json()
    assert f"{p}/c" not in json.dumps(got)
    assert client.put(f"/v1/knowledge/entities/{p}-a", {"type": "Person", "properties": {"name": "Anna"}}).status_code == 200
    assert client.get(f"/v1/knowledge/entities/{p}-a").json()["properties"]["name"] == "Anna"
    r = client.put(f"/v1/knowledge/relationships/{p}-r", {"source_id": f"{p}-a", "target_id": f"{p}-b", "relationship_type": "PART_OF"})
    assert r.status_code == 200, r.text
    assert client.delete(f"/v1/knowledge/relationships/{p}-r").status_code == 200
    assert client.get(f"/v1/knowledge/relationships/{p}-r").status_code == 404
    assert client.delete(f"/v1/knowledge/entities/{p}-a").status_code == 200
    assert client.get(f"/v1/knowledge/entities/{p}-a").status_code == 404


@pytest.mark.parametrize("body, pointer", [
    ({"entities": "x"}, "/entities"), ({"entities": [{}]}, "/entities/0"), ({"entities": [{"id": 5, "type": "T"}]}, "/entities/0/id"),
    ({"relationships": [{"id": "r", "source_id": "nobody-1", "target_id": "nobody-2", "relationship_type": "X"}]}, "/relationships/0"),
    ({"nodes": []}, "/nodes")])
def test_a_wrong_graph_is_refused_whole(client, body, pointer):
    r = client.post("/v1/knowledge/graph", body)
    assert 400 <= r.status_code < 500 and r.json()["pointer"].startswith(pointer), r.text


def test_connected_is_bounded(client):
    for query in ["depth=0", "depth=11", "limit=0", "limit=51", "depth=x"]:
        assert client.get(f"/v1/knowledge/entities/x/connected?{query}").status_code == 400, query


def test_every_fault_of_a_graph_is_told_at_once(client):
    r = client.post("/v1/knowledge/graph", {"entities": [{"id": "x"}, {"type": "T", "colour": 1}], "relationships": [{"id": "r"}]})
    problem = r.json()
    assert r.status_code == 400 and problem["pointer"] == problem["errors"][0]["pointer"] == "/entities/0/type"
    assert len(problem["errors"]) >= 5


def test_a_wrong_entity_is_named_in_its_own_body(client):
    r = client.put("/v1/knowledge/entities/e1", {"id": "e2", "type": "T"})
    assert r.status_code == 400 and r.json()["pointer"] == "/id"
    r = client.put("/v1/knowledge/entities/e1", {"type": 5})
    assert r.status_code == 400 and r.json()["pointer"] == "/type"
