"""What is wrong is refused, where it is wrong, with what to do; and nothing comes of it."""
import json
import socket
from urllib.parse import quote

import pytest

DEEP = "[" * 100 + "]" * 100


def post_raw(client, path, content, kind="application/json"):
    return client.request("POST", path, content=content, headers={"Content-Type": kind} if kind else {})


@pytest.mark.parametrize("text, code", [
    (b"", "NX-INVALID"), (b"{", "NX-PARSE"), (b"nonsense", "NX-PARSE"), (b"{'input':'x'}", "NX-PARSE"),
    (b'{"input":"x",}', "NX-PARSE"), (b'{"input":"x"} x', "NX-PARSE"), (b'{"input":"x","input":"y"}', None),
    (b'{"input":"\xff\xfe"}', "NX-ENCODING"), (b'{"input":"a\\u0000b"}', "NX-ENCODING"), (b'{"input":"a\x00b"}', None),
    (b'{"input":"\\ud800"}', None), (b'{"input":NaN}', "NX-PARSE"), (b'[]', "NX-INVALID"), (b'null', "NX-INVALID"),
    (b'"text"', "NX-INVALID"), (b'{"input":"x","metadata":' + DEEP.encode() + b'}', "NX-LIMIT"), (b'\xef\xbb\xbf{}', None),
])
def test_wrong_json_is_refused(client, text, code):
    r = post_raw(client, "/v1/tasks", text)
    assert r.status_code == 400, r.text
    assert code is None or r.json()["code"] == code, r.text


@pytest.mark.parametrize("body, pointer", [
    ({}, "/input"), ({"input": 5}, "/input"), ({"input": None}, "/input"), ({"input": ""}, "/input"),
    ({"input": "   "}, "/input"), ({"input": "x", "priority": "urgent"}, "/priority"), ({"input": "x", "nosuch": 1}, "/nosuch"),
    ({"input": "x", "timeout_s": -1}, "/timeout_s"), ({"input": "x", "timeout_s": "5"}, "/timeout_s"),
    ({"input": "x", "wait": "yes"}, "/wait"), ({"input": "x", "wait": 100000}, "/wait"), ({"input": "x", "plan": []}, "/plan"),
    ({"input": "x", "capabilities": "a"}, "/capabilities"), ({"input": "x", "capabilities": [1]}, "/capabilities/0"),
    ({"input": "x", "deadline": "tomorrow"}, "/deadline"), ({"input": "x", "budget": {"tokens": -1}}, "/budget/tokens"),
    ({"input": "x" * 300000}, "/input"), ({"input": "x", "user_id": "u" * 5000}, "/user_id"),
])
def test_a_wrong_member_is_named(client, body, pointer):
    r = client.post("/v1/tasks", body)
    assert 400 <= r.status_code < 500, r.text
    problem = r.json()
    assert problem["pointer"] == pointer, problem
    assert problem["errors"][0]["pointer"] == pointer


def test_an_unknown_member_names_the_nearest(client):
    problem = client.post("/v1/tasks", {"input": "x", "piority": "low"}).json()
    assert "priority" in problem["hint"] + problem["detail"]


def step(name, **more):
    return {"id": name, "tool": "math.eval", "input": {"expression": "1 + 1"}, **more}


@pytest.mark.parametrize("steps, part", [
    ([step("a", depends_on=["b"]), step("b", depends_on=["a"])], "cycle"),
    ([step("a", depends_on=["a"])], "itself"),
    ([step("a", depends_on=["nosuch"])], "nosuch"),
    ([step("a"), step("a")], "a"),
    ([{"id": "a", "tool": "math.evil", "input": {}}], "math.eval"),
    ([{"id": "a", "agent": "nobody", "input": {}}], "nobody"),
    ([{"id": "a", "input": {}}], "tool"),
    ([], "step"),
])
def test_a_plan_that_cannot_be_is_refused(client, steps, part):
    before = client.get("/v1/tasks?limit=1").json()["items"]
    r = client.post("/v1/tasks", {"input": "x", "plan": {"steps": steps}})
    assert 400 <= r.status_code < 500, r.text
    assert part in json.dumps(r.json()), r.text
    assert client.get("/v1/tasks?limit=1").json()["items"] == before


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"])
def test_a_body_of_another_type_is_refused(client, kind):
    r = post_raw(client, "/v1/tasks", b'{"input":"1 + 1"}', kind)
    assert r.status_code == 415 and "application/json" in r.json()["hint"]


def test_a_compressed_body_is_refused(client):
    r = client.request("POST", "/v1/tasks", content=b"x", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert r.status_code == 415


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
        s.settimeout(10)
        got = s.recv(65536)
    assert got.startswith(b"HTTP/1.1 413"), got[:300]
    assert b"api.max_body_bytes" in got


def test_a_body_without_a_length_is_bounded_while_it_comes(start):
    from nexus_server import Client
    s = start(args=["--api-max-body-bytes", "64KiB"])
    c = Client(s)

    def chunks():
        for _ in range(10):
            yield b" " * 10000
    r = c.request("POST", "/v1/tasks", content=chunks(), headers={"Content-Type": "application/json"})
    assert r.status_code == 413 and "api.max_body_bytes" in r.json()["detail"]
    r = c.request("POST", "/v1/tasks", content=b" " * 100000, headers={"Content-Type": "application/json"})
    assert r.status_code == 413 and "65536" in r.json()["detail"]
    assert c.task()["state"] == "succeeded"


def test_a_body_without_an_end_is_cut_off(start):
    s = start(args=["--api-max-body-bytes", "64KiB"])
    host, port = s.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as c:
        c.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 64 << 20:
                c.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
        except OSError:
            pass
        assert sent < 16 << 20


@pytest.mark.parametrize("language", ["cobol", "", "../python", "python\n", "PYTHON"])
def test_an_unknown_language_is_refused(client, language):
    for path in ["/v1/sandbox/executions", "/v1/sandbox/scan"]:
        r = client.post(path, {"language": language, "code": "1"})
        assert r.status_code in (400, 422), (path, r.text)
        assert r.json()["pointer"] == "/language", r.text


@pytest.mark.parametrize("files", [[{"path": "../x", "content_base64": ""}], [{"path": "/etc/x", "content_base64": ""}],
                                   [{"path": "a/../../x", "content_base64": ""}], [{"path": "", "content_base64": ""}],
                                   [{"path": "x", "content_base64": "!!!"}], [{"path": "x"}], [{"content_base64": ""}],
                                   [{"path": "x", "content_base64": "", "mode": 7}], "x"])
def test_files_of_a_run_stay_in_its_directory(client, files):
    r = client.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "files": files})
    assert r.status_code == 400 and r.json()["pointer"].startswith("/files"), r.text


@pytest.mark.parametrize("constraints", [{"max_memory_mb": 0}, {"max_memory_mb": "1"}, {"max_cpu_percent": 0}, {"nosuch": 1},
                                         {"max_execution_time_s": 0}, {"max_execution_time_s": 1e9}, {"allowed_imports": "os"}])
def test_constraints_out_of_range_are_refused(client, constraints):
    r = client.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "constraints": constraints})
    assert r.status_code == 400 and r.json()["pointer"].startswith("/constraints"), r.text


def test_what_a_path_holds_is_decoded_strictly(client):
    for path in ["/v1/knowledge/entities/%", "/v1/knowledge/entities/%zz", "/v1/knowledge/entities/%ff",
                 "/v1/knowledge/entities/a%00b"]:
        assert client.http.get(path).status_code == 400, path
    r = client.http.get("/v1/knowledge/entities/a%2Fb")
    assert r.status_code == 404 and "a/b" in r.json()["detail"]


def test_an_error_tells_nothing_of_the_inside(client):
    for path in ["/v1/tasks/x", "/v1/knowledge/documents/x", "/nothing"]:
        text = client.get(path).text
        assert "/root" not in text and ".c:" not in text and "sqlite" not in text.lower()


def test_quotes_and_statements_are_only_text(client):
    for evil in ["'; DROP TABLE tasks; --", "\" OR \"\"=\"", "x' UNION SELECT hash FROM api_keys --", "%' OR '1'='1"]:
        assert client.get("/v1/tasks", params={"user_id": evil}).json()["items"] == []
        assert client.get(f"/v1/knowledge/documents/{quote(evil, safe='')}").status_code == 404
        t = client.task("1 + 1", user_id=evil)
        assert [x["id"] for x in client.get("/v1/tasks", params={"user_id": evil}).json()["items"]][:1] == [t["id"]]
