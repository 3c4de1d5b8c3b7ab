"""The document, the pages, and what every answer carries."""
import re

import schemathesis


def test_the_document_is_valid_openapi(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()


def test_operations_are_described(client):
    document = client.contract.document
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids)) and len(ids) > 40
    for path, item in document["paths"].items():
        for op in item.values():
            assert op["summary"], path
            assert op["tags"], path
            named = {p["name"] for p in op.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), path


def test_every_reference_in_the_document_leads_somewhere(client):
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].startswith("#/"), node
                client.contract.resolve(node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    walk(client.contract.document)


def test_what_later_versions_have_is_not_in_the_document(client, route_table):
    documented = client.contract.operations()
    for route in route_table:
        assert (route["operation"] in documented) == route["documented"], route


def test_the_document_is_cached_by_its_etag(client):
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b""


def test_head_is_get_without_the_body(client):
    for path in ["/healthz", "/openapi.json", "/v1/tasks", "/docs", "/metrics"]:
        head, get = client.request("HEAD", path), client.get(path)
        assert head.status_code == get.status_code == 200
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]


def test_the_reference_is_one_of_our_own_pages(client):
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded and all(u.startswith("/") for u in loaded), loaded
    for url in loaded:
        assert client.get(url).status_code == 200, url
    assert "innerHTML" not in client.get("/docs/docs.js").text


def test_the_console_is_served_with_its_etag(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304


def test_health_and_readiness(client):
    assert client.get("/healthz").json()["status"] == "ok"
    ready = client.get("/readyz").json()
    assert ready["ready"] is True
    assert set(ready["indexes"]) == {"text", "vector", "graph"}


def test_every_answer_carries_the_headers_that_protect_a_browser(client):
    for path in ["/", "/healthz", "/v1/tasks", "/v1/nothing"]:
        h = client.get(path).headers
        assert "default-src 'self'" in h["content-security-policy"]
        assert "frame-ancestors 'none'" in h["content-security-policy"]
        assert h["x-content-type-options"] == "nosniff"
        assert "cache-control" in h


def test_a_trace_is_taken_and_passed_on(client):
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    got = client.get("/healthz", headers={"traceparent": given}).headers["traceparent"]
    assert got.split("-")[1] == given.split("-")[1] and got.split("-")[2] != given.split("-")[2]
    made = client.get("/healthz", headers={"traceparent": "00-zz-1-01"}).headers["traceparent"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", made)
    task = client.post("/v1/tasks", {"input": "1 + 1", "wait": True}, headers={"traceparent": given}).json()
    assert task["trace_id"] == given.split("-")[1]


def test_metrics_are_prometheus_text(client):
    client.get("/v1/tasks")
    r = client.get("/metrics")
    assert r.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE nexus_request_duration_seconds histogram" in r.text
    assert 'operation="list_tasks"' in r.text


def test_an_unknown_path_names_the_nearest(client):
    r = client.get("/v1/taks")
    assert r.status_code == 404 and "/v1/tasks" in r.json()["hint"]
    assert client.get("/v1").status_code == 404
    assert client.get("/nothing.js").status_code == 404
    assert client.post("/nothing").status_code == 404


def test_a_wrong_method_names_the_right_ones(client):
    r = client.request("PUT", "/v1/tasks", json={})
    assert r.status_code == 405
    assert {"GET", "POST", "HEAD"} <= {m.strip() for m in r.headers["allow"].split(",")}
    r = client.request("OPTIONS", "/v1/tasks")
    assert r.status_code == 204 and "POST" in r.headers["allow"]


def test_what_this_version_lacks_says_so(client, route_table):
    later = [r for r in route_table if not r["implemented"]]
    assert len(later) > 20
    for route in later:
        path = re.sub(r"{\w+}", "x", route["path"])
        r = client.request(route["method"], path, json={} if route["method"] != "GET" else None)
        assert r.status_code == 501 and r.json()["code"] == "NX-NOT-YET", route
