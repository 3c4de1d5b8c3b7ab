"""Documents of every format: read, found with their places, and refused when they are not what they say."""
import base64
import json
import os
import subprocess
import time
import uuid

import documents as make
import pytest


def word():
    return "Qux" + uuid.uuid4().hex[:8]


def upload(client, name, content):
    return client.request("POST", "/v1/knowledge/documents", files=[("files", (name, content, "application/octet-stream"))])


def first_hit(client, query):
    hits = client.post("/v1/knowledge/search", {"query": query, "mode": "text", "limit": 1}).json()["hits"]
    assert hits, query
    return hits[0]


def counts(client):
    return client.get("/v1/knowledge/documents?limit=200").json()["items"]


def test_html_is_read_without_what_nobody_reads(client):
    w = word()
    page = f"<title>The {w} page</title><nav>menu {w}menu</nav><h1>Harbour</h1><p>{w} lies by the sea.<script>{w}script</script>"
    r = upload(client, f"{w}.html", page)
    assert r.status_code == 200 and r.json()["inserted"] == 1, r.text
    doc = client.get(f"/v1/knowledge/documents/{w}.html").json()
    assert doc["title"] == f"The {w} page" and doc["mime"] == "text/html"
    assert doc["text"] == f"Harbour\n\n{w} lies by the sea."
    assert upload(client, f"{w}.html", page).json()["unchanged"] == 1


def test_word_is_read_with_paragraphs_as_places(client):
    w = word()
    r = upload(client, f"{w}.docx", make.docx(f"The {w} is a ship.", "It sails.", title=f"About {w}", heading="Ships"))
    assert r.status_code == 200, r.text
    hit = first_hit(client, w)
    assert hit["place"] == {"paragraph": [1, 3]} and hit["title"].startswith(f"About {w}")


def test_pdf_is_read_with_pages_as_places(client):
    w = word()
    r = upload(client, f"{w}.pdf", make.pdf("Nothing here.", "Still nothing. " * 60, f"The {w} stands on page three.", title=f"Paper {w}"))
    assert r.status_code == 200, r.text
    hit = first_hit(client, f"{w} page three")
    assert hit["place"]["page"][1] == 3 and hit["title"].startswith("Paper")
    text = client.get(f"/v1/knowledge/documents/{w}.pdf").json()["text"].encode()
    assert text[hit["start"]:hit["start"] + hit["length"]].decode() == hit["text"]


def test_a_table_is_a_document_a_row_and_columns_are_filters(client):
    w = word()
    r = upload(client, f"{w}.csv", f'id,name,year\n1,"{w}, the first",1990\n2,{w} second,2001\n')
    assert r.status_code == 200 and r.json()["inserted"] == 2, r.text
    hits = client.post("/v1/knowledge/search", {"query": w, "mode": "text", "filters": {"year": {"gte": 2000}}}).json()["hits"]
    assert [h["document"] for h in hits] == [f"{w}.csv#2"]
    assert client.get(f"/v1/knowledge/documents/{w}.csv%231").json()["text"] == f"id: 1\nname: {w}, the first\nyear: 1990"


def test_json_code_and_other_encodings_are_read(client):
    w = word()
    assert upload(client, f"{w}.json", json.dumps({"name": w, "at": {"city": "Cairo"}})).status_code == 200
    assert "at.city: Cairo" in client.get(f"/v1/knowledge/documents/{w}.json").json()["text"]
    code = f"import os\n\n\ndef f_{w.lower()}(x):\n    return x\n"
    assert upload(client, f"{w}.py", code).status_code == 200
    assert first_hit(client, f"f_{w.lower()}")["place"] == {"line": [1, 5]}
    assert upload(client, f"{w}.txt", f"سلام {w}".encode("cp1256")).status_code == 200
    assert client.get(f"/v1/knowledge/documents/{w}.txt").json()["text"] == f"سلام {w}"
    assert upload(client, f"{w}-16.txt", f"سلام {w}".encode("utf-16")).status_code == 200


def test_json_bodies_carry_bytes_and_types(client):
    w = word()
    body = {"documents": [
        {"id": w, "mime": "application/pdf", "content_base64": base64.b64encode(make.pdf(f"Text of {w}.")).decode()},
        {"mime": "text/html", "text": f"<h1>{w}</h1><p>inline"},
        {"id": f"{w}.docx", "content_base64": base64.b64encode(make.docx(f"Word {w}")).decode()},
        {"text": f"plain {w}"}]}
    r = client.post("/v1/knowledge/documents", body)
    assert r.status_code == 200 and r.json()["inserted"] == 4, r.text
    assert client.get(f"/v1/knowledge/documents/{w}").json()["mime"] == "application/pdf"
    r = client.put(f"/v1/knowledge/documents/{w}", {"mime": "text/html", "text": f"<p>now html {w}"})
    assert r.status_code == 200 and r.json()["updated"] == 1
    assert client.get(f"/v1/knowledge/documents/{w}").json()["text"] == f"now html {w}"
    r = client.put(f"/v1/knowledge/documents/{w}", {"mime": "text/csv", "text": "a,b\n1,2\n3,4\n"})
    assert r.status_code == 400 and "2 documents" in r.json()["detail"]


BOMB = make.archive({"word/document.xml": "<a>" + " " * (80 << 20)})
BAD = [
    ("broken.pdf", make.pdf("text")[:200], 415, "not a PDF"),
    ("empty.pdf", b"", 415, "is empty"),
    ("text.pdf", b"this is text", 415, "not a PDF"),
    ("blank.pdf", make.pdf(""), 415, "pictures"),
    ("bomb.docx", BOMB, 413, "knowledge.max_expansion"),
    ("zip.docx", make.archive({"a.txt": "x"}), 415, "not a Word document"),
    ("cut.docx", make.docx("words")[:100], 415, "zip"),
    ("type.docx", make.archive({"word/document.xml": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'}), 415, "document type"),
    ("deep.html", "<div>" * 2000 + "x", 400, "knowledge.max_nesting"),
    ("none.html", "<script>only()</script>", 415, "no text"),
    ("big.html", b"<p>" + b"x" * (20 << 20), 413, "knowledge.max_document_bytes"),
    ("ragged.csv", "a,b\n1,2,3\n", 400, "line 2 has 3 columns"),
    ("quote.csv", 'a,b\n1,"2\n', 400, "never closed"),
    ("cut.json", '{"a":', 400, "cut.json"),
    ("mixed.txt", b"caf\xe9 \xc7\xe1\xd3\xe1\xc7\xe3 \xe9t\xe9 \xe0 la\xf1", 400, "UTF-8"),
    ("nul.txt", b"one\0two", 415, "NUL"),
    ("renamed.txt", make.pdf("x"), 415, "PDF"),
    ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 415, "not read"),
    ("twice.csv", "id,x\n1,a\n1,b\n", 400, "twice.csv#1"),
]


@pytest.mark.parametrize("name, content, status, says", BAD, ids=[b[0] for b in BAD])
def test_bad_files_are_refused_and_nothing_is_stored(client, name, content, status, says):
    before, good = counts(client), word()
    r = client.request("POST", "/v1/knowledge/documents", files=[
        ("files", (f"{good}.txt", f"good {good}", "text/plain")), ("files", (name, content, "application/octet-stream"))])
    assert r.status_code == status, r.text
    assert says in r.json()["detail"] and name in r.json()["detail"], r.json()
    assert counts(client) == before
    assert client.post("/v1/knowledge/search", {"query": good, "mode": "text"}).json()["hits"] == []


def test_places_of_faults_in_json_bodies(client):
    bad = base64.b64encode(b"this is text").decode()
    r = client.post("/v1/knowledge/documents", {"documents": [{"text": "fine"}, {"mime": "application/pdf", "content_base64": bad}]})
    assert r.status_code == 415 and r.json()["pointer"] == "/documents/1/content_base64", r.text
    r = client.post("/v1/knowledge/documents", {"documents": [{"text": "x", "mime": "application/pdf"}]})
    assert r.status_code == 415 and r.json()["pointer"] == "/documents/0/mime"
    r = client.post("/v1/knowledge/documents", {"documents": [{"text": "x", "mime": "image/png"}]})
    assert r.status_code == 415 and r.json()["pointer"] == "/documents/0/mime"


def test_a_line_of_ten_megabytes_and_control_characters_are_taken(client):
    w = word()
    r = upload(client, f"{w}.txt", (f"{w} " + "lorem ipsum " * 900000)[:10 << 20])
    assert r.status_code == 200 and r.json()["chunks"] > 1000, r.text
    assert client.delete(f"/v1/knowledge/documents/{w}.txt").status_code == 200
    assert upload(client, f"{w}.html", f"<p>a\x01\x02\x1b {w}\x7f</p>").status_code == 200
    assert client.get(f"/v1/knowledge/documents/{w}.html").json()["text"] == f"a {w}"


def test_limits_are_named(start):
    from nexus_server import Client
    c = Client(start(args=["--knowledge-max-expanded-bytes", "1MiB", "--knowledge-max-blocks", "100"]))
    r = upload(c, "big.docx", make.docx(*["".join(uuid.uuid4().hex for _ in range(20))] * 4000))
    assert r.status_code == 413 and "knowledge.max_expanded_bytes" in r.json()["detail"], r.text
    r = upload(c, "many.html", "<p>x" * 200)
    assert r.status_code == 400 and "knowledge.max_blocks" in r.json()["detail"], r.text
    r = upload(c, "rows.csv", "a\n" + "1\n" * 200)
    assert r.status_code == 400 and "knowledge.max_blocks" in r.json()["detail"], r.text


def test_an_update_keeps_the_ids_of_what_did_not_change(start):
    from nexus_server import Client
    client, w = Client(start(args=["--model-embedding", "minilm"])), word()
    parts = [f"Paragraph {i} of {w}{i} tells of the harbour. " + f"The pier of {w}{i} has {i} lamps and a bell that rings. " * 20
             for i in range(6)]
    assert client.put(f"/v1/knowledge/documents/{w}", {"text": "\n\n".join(parts)}).status_code == 200
    before = {i: first_hit(client, f"{w}{i}")["chunk_id"] for i in range(6)}
    parts[5] = parts[5].replace("lamps", "lanterns")
    assert client.put(f"/v1/knowledge/documents/{w}", {"text": "\n\n".join(parts)}).json()["updated"] == 1
    after = {i: first_hit(client, f"{w}{i}")["chunk_id"] for i in range(6)}
    assert [before[i] == after[i] for i in range(6)] == [True] * 5 + [False]
    hits = client.post("/v1/knowledge/search", {"query": f"the pier of {w}0", "mode": "vector", "limit": 20}).json()["hits"]
    assert before[0] in [h["chunk_id"] for h in hits]


def wait_for(what, seconds=20):
    for _ in range(seconds * 20):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_a_directory_is_followed(client, server, nexus, tmp_path):
    w, there = word(), tmp_path / "notes"
    (there / "deep").mkdir(parents=True)
    (there / "a.md").write_text(f"# {w}\n\nThe first.")
    (there / "rows.csv").write_text(f"id,name\n1,{w} one\n2,{w} two\n")

    def names():
        items = client.get(f"/v1/knowledge/documents?limit=200&uri=file://{there}/").json()["items"]
        return sorted(d["name"] for d in items)

    def follow():
        return subprocess.Popen([nexus, "ingest", "--watch", there], env={**os.environ, "NEXUS_URL": server.url}, stderr=subprocess.PIPE)

    p = follow()
    try:
        wait_for(lambda: names() == ["a.md", "rows.csv#1", "rows.csv#2"])
        (there / "deep/b.txt").write_text(f"{w} in the deep")
        (there / "new").mkdir()
        wait_for(lambda: "deep/b.txt" in names())
        (there / "new/c.html").write_text(f"<p>{w} html")
        wait_for(lambda: "new/c.html" in names())
        (there / "a.md").rename(there / "z.md")
        (there / "rows.csv").write_text(f"id,name\n2,{w} two\n")
        (there / "broken.pdf").write_text("no pdf")
        wait_for(lambda: names() == ["deep/b.txt", "new/c.html", "rows.csv#2", "z.md"])
        (there / "z.md").write_text(f"# {w}\n\nThe first was changed to qqxx{w}.")
        wait_for(lambda: client.post("/v1/knowledge/search", {"query": f"qqxx{w}", "mode": "text"}).json()["hits"])
        p.terminate()
        assert p.wait(10) == 0 and b"broken.pdf" in p.stderr.read()
        (there / "z.md").unlink()
        (there / "deep/b.txt").unlink()
        p = follow()
        wait_for(lambda: names() == ["new/c.html", "rows.csv#2"])
    finally:
        p.terminate()
        p.wait(10)


def test_without_a_sandbox_only_foreign_formats_are_refused(start):
    from nexus_server import Client
    c = Client(start(args=["--sandbox-backend", "docker", "--sandbox-docker-socket", "/nowhere"]))
    r = upload(c, "a.html", "<p>text")
    assert r.status_code >= 400 and "docker" in r.json()["detail"] and "a.html" in r.json()["detail"], r.text
    assert c.get("/v1/knowledge/documents").json()["items"] == []
    assert upload(c, "a.csv", "a\nb\n").status_code == 200
