#!/usr/bin/env python3
"""A small OpenAI-compatible endpoint that says what it is told to, for tests.

In a test:      with OpenAIServer() as s:
                    s.will({"text": "Hello."}, {"status": 503}, {"calls": [{"name": "math.eval", "arguments": {...}}]})
                    ... NEXUS_MODEL_BASE_URL=s.url ... ; s.requests
By hand:        openai_server.py [--port N] [--script FILE]     (a JSON list of answers; prints its URL)
From outside:   POST /control {"answers": [...]}, GET /control/requests

Answers are taken in order; when none is left, the last message is echoed. An answer for chat is an object of
  text, pieces (1), calls [{"id", "name", "arguments"}], finish, usage {"prompt_tokens", "completion_tokens"},
  when (only for a request whose last message contains this), delay_s (before), piece_delay_s (between pieces),
  status and headers and error (an error instead), hang (say nothing until the client leaves),
  cut (end the stream after so many pieces), plain (one JSON answer although a stream was asked for).
Embeddings are a function of the text alone: words hashed into "dimensions" (384) places, so that texts that share words
are near.
"""
import argparse
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def embed(text, dimensions):
    vector = [0.0] * dimensions
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % dimensions] += 1.0
    return vector


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # quiet
        pass

    def send_json(self, status, body, headers=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, answer):
        error = answer.get("error", "told to fail")
        self.send_json(answer["status"], {"error": error if isinstance(error, dict) else {"message": error}},
                       answer.get("headers"))

    def do_GET(self):
        if self.path == "/control/requests":
            self.send_json(200, self.server.owner.requests)
        elif self.path.endswith("/models"):
            self.send_json(200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        else:
            self.send_json(404, {"error": {"message": f"no {self.path} here"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        owner = self.server.owner
        if self.path == "/control":
            owner.will(*body["answers"])
            return self.send_json(200, {"left": len(owner.answers)})
        owner.requests.append({"path": self.path, "authorization": self.headers.get("Authorization"), "body": body})
        if owner.key is not None and self.headers.get("Authorization") != f"Bearer {owner.key}":
            return self.send_json(401, {"error": {"message": "wrong key", "code": "invalid_api_key"}})
        if self.path.endswith("/embeddings"):
            return self.embeddings(body)
        if self.path.endswith("/chat/completions"):
            return self.chat(body)
        return self.send_json(404, {"error": {"message": f"no {self.path} here"}})

    def embeddings(self, body):
        answer = self.server.owner.take("", kind="embeddings")
        if "status" in answer:
            return self.refuse(answer)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        size = body.get("dimensions", self.server.owner.dimensions)
        data = [{"object": "embedding", "index": i, "embedding": embed(t, size)} for i, t in enumerate(texts)]
        tokens = sum(len(t.split()) for t in texts)
        return self.send_json(200, {"object": "list", "data": data, "model": body["model"],
                                    "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})

    def chat(self, body):
        last = (body.get("messages") or [{}])[-1].get("content") or ""
        answer = self.server.owner.take(last)
        time.sleep(answer.get("delay_s", 0))
        if answer.get("hang"):
            self.connection.recv(1)  # until the client leaves
            self.close_connection = True
            return None
        if "status" in answer:
            return self.refuse(answer)
        usage = answer.get("usage", {"prompt_tokens": 10, "completion_tokens": 5})
        calls = [{"index": i, "id": c.get("id", f"call_{i}"), "type": "function",
                  "function": {"name": c["name"], "arguments": self.arguments(c)}}
                 for i, c in enumerate(answer.get("calls", []))]
        finish = answer.get("finish", "tool_calls" if calls else "stop")
        if body.get("stream") and not answer.get("plain"):
            return self.stream(answer, calls, finish, usage)
        message = {"role": "assistant", "content": answer.get("text")}
        if calls:
            message["tool_calls"] = calls
        return self.send_json(200, {"id": "chatcmpl-1", "object": "chat.completion", "model": body.get("model"),
                                    "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                                    "usage": usage})

    @staticmethod
    def arguments(call):
        arguments = call.get("arguments", {})
        return arguments if isinstance(arguments, str) else json.dumps(arguments)

    def stream(self, answer, calls, finish, usage):
        text, n = answer.get("text", ""), max(1, answer.get("pieces", 1))
        size = max(1, -(-len(text) // n))
        deltas = [{"content": text[i:i + size]} for i in range(0, len(text), size)]
        for call in calls:  # arguments in two halves, as real endpoints do
            arguments = call["function"]["arguments"]
            half = len(arguments) // 2
            deltas.append({"tool_calls": [{**call, "function": {**call["function"], "arguments": arguments[:half]}}]})
            deltas.append({"tool_calls": [{"index": call["index"], "function": {"arguments": arguments[half:]}}]})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        cut = answer.get("cut")
        for delta in deltas if cut is None else deltas[:cut]:
            self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            time.sleep(answer.get("piece_delay_s", 0))
        if cut is None:
            self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
            self.event({"choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")

    def event(self, value):
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        self.wfile.flush()


class OpenAIServer:
    """`key`: the only one that is taken (None: any). `dimensions`: of embeddings when the request names none."""

    def __init__(self, port=0, key=None, dimensions=384):
        self.key, self.dimensions = key, dimensions
        self.answers, self.requests = [], []
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # clients leave in the middle on purpose
        self.http.owner = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def will(self, *answers):
        with self.lock:
            self.answers.extend(answers)

    def take(self, last, kind="chat"):
        """Answers with "for": "embeddings" are for those, all others for chat."""
        with self.lock:
            for i, answer in enumerate(self.answers):
                if answer.get("for", "chat") == kind and answer.get("when", "") in last:
                    return self.answers.pop(i)
        return {"text": last}


def main():
    parser = argparse.ArgumentParser(description="a fake OpenAI-compatible endpoint")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script")
    options = parser.parse_args()
    with OpenAIServer(options.port) as server:
        if options.script:
            with open(options.script, encoding="utf-8") as f:
                server.will(*json.load(f))
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
