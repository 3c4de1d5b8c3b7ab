"""A server of the program under test, and a client that holds every answer against /openapi.json."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import jsonschema
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

START_SECONDS = 60  # sanitizers are slow to start


class Server:
    """`nexus serve` on a free port and a data directory of its own."""

    def __init__(self, program, home=None, args=(), env=None, listen="127.0.0.1:0"):
        self.tmp = None
        if home is None:
            self.tmp = tempfile.TemporaryDirectory(prefix="nexus-api-")
            home = self.tmp.name
        self.home = Path(home)
        self.program = str(program)
        read, write = os.pipe()
        self.log_path = self.home.parent / (self.home.name + ".log")
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [self.program, "serve", "--home", str(self.home), "--listen", listen, "--ready-fd", str(write),
             "--log-format", "json", *args],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, pass_fds=[write],
            env={**os.environ, "NEXUS_MODEL_EMBEDDING": "none", **(env or {})})
        os.close(write)
        self.url = self._wait_ready(read)
        self.pid = self.process.pid

    def _wait_ready(self, fd):
        os.set_blocking(fd, False)
        deadline = time.monotonic() + START_SECONDS
        text = b""
        try:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    text += os.read(fd, 4096)
                except BlockingIOError:
                    time.sleep(0.005)
                if text.endswith(b"\n"):
                    return text.decode().strip()
        finally:
            os.close(fd)
        raise RuntimeError(f"the server did not start (exit {self.process.poll()}):\n{self.logged()[-4000:]}")

    def logged(self):
        self.log.flush()
        return self.log_path.read_text(errors="replace")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def stop(self, kill=False):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        return code

    def close(self):
        code = self.stop()
        text = self.log_path.read_text(errors="replace")
        self.log_path.unlink(missing_ok=True)
        if self.tmp:
            self.tmp.cleanup()
        for alarm in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:",
                      "assertion failed"):
            at = text.find(alarm)
            assert at < 0, text[max(0, at - 200):at + 8000]
        assert code == 0, f"exit {code}:\n{text[-4000:]}"


class Contract:
    """The OpenAPI document: finds the operation of a request and checks what was answered."""

    def __init__(self, document):
        self.document = document
        self.registry = Registry().with_resource(
            "urn:nexus", Resource(contents=document, specification=DRAFT202012))
        self.paths = []
        for template, item in document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)) + "$")
            self.paths.append((template.count("{"), pattern, template, item))
        self.paths.sort(key=lambda p: p[0])

    def operations(self):
        return {op["operationId"] for item in self.document["paths"].values() for op in item.values()}

    def find(self, method, path):
        for _, pattern, _, item in self.paths:
            if pattern.match(path) and method.lower() in item:
                return item[method.lower()]
        return None

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def check(self, response):
        """The operation's id, None where the document has no such operation."""
        method, path = response.request.method, response.request.url.path
        operation = self.find("GET" if method == "HEAD" else method, path)
        kind = response.headers.get("content-type", "").split(";")[0]
        if response.status_code >= 400:
            self.check_problem(response, kind, operation, method)
        if operation is None:
            return None
        answer = self.resolve(operation["responses"].get(str(response.status_code), operation["responses"]["default"]))
        if method == "HEAD" or response.status_code in (204, 304):
            return operation["operationId"]
        content = answer.get("content", {})
        if kind not in content and "application/octet-stream" in content:
            return operation["operationId"]
        assert kind in content, f"{method} {path}: {response.status_code} of type {kind!r} is not in the document"
        if kind.endswith("json"):
            self.validate(content[kind]["schema"], response.json(), f"{method} {path} {response.status_code}")
        return operation["operationId"]

    def check_problem(self, response, kind, operation, method):
        if operation and str(response.status_code) in operation["responses"]:
            return  # readyz answers 503 in its own shape
        if method == "HEAD":
            return
        assert kind == "application/problem+json", f"{response.status_code} of type {kind!r}: {response.text[:500]}"
        problem = response.json()
        self.validate({"$ref": "#/components/schemas/Problem"}, problem, "problem")
        assert problem["status"] == response.status_code
        assert re.fullmatch(r"NX-[A-Z-]+", problem["code"])
        assert problem["detail"].strip()

    def validate(self, schema, value, where):
        if "$ref" in schema:
            schema = {"$ref": "urn:nexus" + schema["$ref"]}
        validator = Draft202012Validator(schema, registry=self.registry,
                                         format_checker=jsonschema.FormatChecker())
        errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(value)]
        assert not errors, f"{where}: not as the document says: {errors[:5]}"


class Client:
    """httpx with the contract. `seen` gathers the operations that were exercised, for the whole session."""

    seen = set()

    def __init__(self, server, key=None, contract=None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.server = server
        self.key = key
        self.http = httpx.Client(base_url=server.url, headers=headers, timeout=60)
        self.contract = contract or Contract(self.http.get("/openapi.json").json())

    def request(self, method, path, **kw):
        response = self.http.request(method, path, **kw)
        operation = self.contract.check(response)
        if operation:
            Client.seen.add(operation)
        return response

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, json=body if body is not None else {}, **kw)

    def put(self, path, body, **kw):
        return self.request("PUT", path, json=body, **kw)

    def patch(self, path, body, **kw):
        return self.request("PATCH", path, json=body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)

    def with_key(self, key):
        return Client(self.server, key, self.contract)

    def events(self, path, headers=None, **kw):
        return EventStream(self, path, headers or {}, **kw)

    def task(self, text="What is 2 + 3?", **more):
        """A task that has finished."""
        response = self.post("/v1/tasks", {"input": text, "wait": True, **more})
        assert response.status_code == 200, response.text
        return response.json()

    def close(self):
        self.http.close()


class EventStream:
    """Server-sent events, parsed by hand as WHATWG HTML 9.2 says."""

    def __init__(self, client, path, headers, method="GET", **kw):
        self.context = client.http.stream(method, path, headers={"Accept": "text/event-stream", **headers}, **kw)
        self.client = client

    def __enter__(self):
        self.response = self.context.__enter__()
        if self.response.status_code == 200:
            assert self.response.headers["content-type"].startswith("text/event-stream"), self.response.headers
        operation = self.client.contract.find(self.response.request.method, self.response.request.url.path)
        if operation:
            Client.seen.add(operation["operationId"])
        self.lines = self.response.iter_lines()
        return self

    def __exit__(self, *exc):
        return self.context.__exit__(*exc)

    def __iter__(self):
        event = {}
        for line in self.lines:
            if line == "":
                if "data" in event:
                    yield event
                event = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = event[name] + "\n" + value if name in event else value

    def next(self):
        return next(iter(self))

    def until(self, *types):
        """Events up to and with the first of one of these types."""
        got = []
        for e in self:
            got.append({**e, "json": json.loads(e["data"])})
            if e.get("event") in types:
                return got
        raise AssertionError(f"the stream ended before {types}: {[e.get('event') for e in got]}")


def routes(program):
    out = subprocess.run([str(program), "routes", "--json"], capture_output=True, check=True).stdout
    return json.loads(out)
