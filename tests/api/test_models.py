"""Agents with a language model: an endpoint that says what it is told to, and a local GGUF file."""
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from nexus_server import Client, Server

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))

from openai_server import OpenAIServer  # noqa: E402

GGUF = ROOT / ".deps/models/SmolLM2-135M-Instruct.Q4_1.gguf"
AGENTS = [
    {"name": "chatter", "description": "talks", "capabilities": ["chat"], "instructions": "Be brief."},
    {"name": "helper", "description": "talks and uses tools", "capabilities": ["help"], "instructions": "Use tools.",
     "tools": ["math.eval", "knowledge.ask", "code.run"], "safety": {"max_turns": 4}, "resources": {"max_tokens": 1000}},
]


class Setup:
    def __init__(self, program):
        self.model = OpenAIServer(key="sk-test").__enter__()
        self.server = Server(program, env={
            "NEXUS_MODEL_BASE_URL": self.model.url, "NEXUS_MODEL_CHAT": "fake", "NEXUS_MODEL_API_KEY": "sk-test",
            "NEXUS_MODEL_RETRIES": "1", "NEXUS_MODEL_PRICE_INPUT": "100", "NEXUS_MODEL_PRICE_OUTPUT": "200"})
        self.client = Client(self.server)
        for agent in AGENTS:
            assert self.client.post("/v1/agents", agent).status_code == 201
        self.client.post("/v1/knowledge/documents", {"documents": [
            {"id": "d", "title": "Gauge", "text": "Miriam Oduya designed the gauge used on Lake Orin."}]})

    def close(self):
        self.client.close()
        self.server.close()
        self.model.__exit__()


@pytest.fixture(scope="module")
def shared(nexus):
    s = Setup(nexus)
    yield s
    s.close()


@pytest.fixture
def llm(shared):
    """The endpoint with nothing left to say and nothing asked."""
    shared.model.answers.clear()
    shared.model.requests.clear()
    yield shared
    assert shared.model.answers == [], "answers that nobody asked for"


def plan(agent, text, **step):
    return {"input": text, "plan": {"steps": [{"id": "s", "agent": agent, "input": {"text": text}, **step}]}}


def run(client, agent, text, step=None, **task):
    r = client.post("/v1/tasks", {**plan(agent, text, **(step or {})), "wait": 30, **task})
    assert r.status_code in (200, 202), r.text
    return r.json()


def step(task):
    return task["plan"]["steps"][0]


def messages(request):
    return request["body"]["messages"]


def call(name, **arguments):
    return {"calls": [{"name": name, "arguments": arguments}]}


def wait_for(predicate, seconds=20):
    deadline = time.monotonic() + seconds
    while not (got := predicate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return got


def finished(client, task, seconds=20):
    def look():
        t = client.get(f"/v1/tasks/{task}").json()
        return t if t["finished_at"] else None
    return wait_for(look, seconds)


# The endpoint ---------------------------------------------------------------------------------------------------------

def test_an_agent_answers_and_its_usage_is_counted(llm):
    llm.model.will({"text": "Hello there.", "usage": {"prompt_tokens": 30, "completion_tokens": 10}})
    task = run(llm.client, "chatter", "Say hello")
    assert task["state"] == "succeeded" and task["result"]["text"] == "Hello there.", task
    assert task["usage"]["input_tokens"] == 30 and task["usage"]["output_tokens"] == 10
    assert task["usage"]["usd_micros"] == 30 * 100 + 10 * 200
    request = llm.model.requests[0]
    assert request["authorization"] == "Bearer sk-test" and request["body"]["model"] == "fake"
    assert messages(request)[0] == {"role": "system", "content": "Be brief."}
    assert "Say hello" in messages(request)[-1]["content"]


def test_an_answer_is_streamed_as_it_is_made(llm):
    llm.model.will({"text": "one two three four", "pieces": 4, "piece_delay_s": 0.15})
    with llm.client.events("/v1/events") as s:
        s.next()
        task = llm.client.post("/v1/tasks", plan("chatter", "count")).json()["id"]
        got = s.until("task.succeeded")
    deltas = [e for e in got if e["event"] == "message.delta"]
    assert "".join(e["json"]["data"]["text"] for e in deltas) == "one two three four" and len(deltas) >= 3
    assert all("id" not in e and e["json"]["task_id"] == task for e in deltas)
    with llm.client.events(f"/v1/tasks/{task}/events") as s:
        assert "message.delta" not in [e["event"] for e in s]


def test_a_tool_is_called_and_its_answer_goes_back(llm):
    llm.model.will(call("math_eval", expression="12.5% of 80"), {"text": "It is 10."})
    task = run(llm.client, "helper", "What is 12.5% of 80?")
    assert task["state"] == "succeeded" and task["result"]["text"] == "It is 10.", task
    first, second = llm.model.requests
    offered = {t["function"]["name"]: t["function"] for t in first["body"]["tools"]}
    assert set(offered) == {"math_eval", "knowledge_ask", "code_run"}
    assert offered["math_eval"]["parameters"]["type"] == "object"
    asked, told = messages(second)[-2:]
    assert asked["tool_calls"][0]["function"]["name"] == "math_eval"
    assert told["role"] == "tool" and told["tool_call_id"] == asked["tool_calls"][0]["id"]
    assert "10" in told["content"] and "<data" not in told["content"]


def test_several_tools_are_called_in_one_turn(llm):
    llm.model.will({"calls": [{"name": "math_eval", "arguments": {"expression": f"{i} * 11"}} for i in (2, 3, 4)]},
                   {"text": "done"})
    assert run(llm.client, "helper", "many")["result"]["text"] == "done"
    told = [m for m in messages(llm.model.requests[1]) if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in told] == ["call_0", "call_1", "call_2"]
    assert all(want in m["content"] for want, m in zip(("22", "33", "44"), told))


def test_evidence_is_fenced_cited_and_taints(llm):
    llm.model.will(call("knowledge_ask", question="Who designed the gauge?"), call("code_run", language="shell", code="id"),
                   {"text": "Miriam Oduya."})
    task = run(llm.client, "helper", "Who designed the gauge?")
    assert task["state"] == "succeeded", task
    evidence = messages(llm.model.requests[1])[-1]["content"]
    assert evidence.startswith("<data") and "Oduya" in evidence
    assert task["result"]["citations"][0]["document_id"]
    refused = messages(llm.model.requests[2])[-1]["content"]
    assert refused.startswith("error:") or refused.startswith("<data")


@pytest.mark.parametrize("name,arguments,reason", [
    ("memory_store", {"text": "x"}, "not among this agent's tools"), ("no_such_tool", {}, "not among this agent's tools"),
    ("math_eval", {"expression": "1 +"}, "error"), ("math_eval", {}, "expression"), ("math_eval", "{not json", "error")])
def test_a_wrong_call_is_told_to_the_model(llm, name, arguments, reason):
    llm.model.will({"calls": [{"name": name, "arguments": arguments}]}, {"text": "I cannot."})
    task = run(llm.client, "helper", "try")
    assert task["state"] == "succeeded" and task["result"]["text"] == "I cannot.", task
    told = messages(llm.model.requests[1])[-1]
    assert told["role"] == "tool" and told["content"].startswith("error:") and reason in told["content"], told


def test_an_agent_that_never_answers_is_stopped(llm):
    llm.model.will(*[{**call("math_eval", expression="1 + 1"), "usage": {"prompt_tokens": 1, "completion_tokens": 1}}] * 4)
    task = run(llm.client, "helper", "for ever")
    assert task["state"] == "failed" and step(task)["error"]["code"] == "NX-LIMIT", task
    assert "max_turns" in step(task)["error"]["message"] and len(llm.model.requests) == 4


def test_an_agent_that_spends_too_much_is_stopped(llm):
    llm.model.will({**call("math_eval", expression="1 + 1"), "usage": {"prompt_tokens": 900, "completion_tokens": 200}})
    task = run(llm.client, "helper", "expensive")
    assert task["state"] in ("failed", "over_budget") and "1100 tokens" in step(task)["error"]["message"], task


def test_a_task_has_a_budget_of_tokens(llm):
    llm.model.will({**call("math_eval", expression="1 + 1"), "usage": {"prompt_tokens": 60, "completion_tokens": 10}})
    task = run(llm.client, "helper", "cheap", budget={"tokens": 50})
    assert task["state"] == "over_budget" and step(task)["error"]["code"] == "NX-BUDGET", task
    assert len(llm.model.requests) == 1
    refused = run(llm.client, "helper", "nothing", budget={"tokens": 0})
    assert refused["state"] == "over_budget" and len(llm.model.requests) == 1, refused
    by_rules = run(llm.client, "analyst", "2 + 2", step={"input": {"expression": "2 + 2"}}, budget={"tokens": 0})
    assert by_rules["state"] == "succeeded" and len(llm.model.requests) == 1, by_rules


def test_a_step_sees_what_came_before_it(llm):
    llm.model.will({"text": "it is four"})
    r = llm.client.post("/v1/tasks", {"input": "explain", "wait": 30, "plan": {"steps": [
        {"id": "m", "tool": "math.eval", "input": {"expression": "2 * 21"}},
        {"id": "s", "agent": "chatter", "input": {"sum": {"$ref": "/steps/m/output"}}, "depends_on": ["m"]}]}})
    assert r.json()["state"] == "succeeded", r.text
    told = messages(llm.model.requests[0])
    assert told[-1]["content"] == "explain" and told[-2]["content"].startswith("<data") and "42" in told[-2]["content"]


def test_too_many_requests_waits_as_long_as_it_is_told(llm):
    llm.model.will({"status": 429, "headers": {"Retry-After": "1"}, "error": "slow down"}, {"text": "now"})
    began = time.monotonic()
    task = run(llm.client, "chatter", "hurry")
    assert task["state"] == "succeeded" and task["result"]["text"] == "now", task
    assert 1 <= time.monotonic() - began < 5 and len(llm.model.requests) == 2


def test_an_answer_that_breaks_off_is_not_taken_for_whole(llm):
    llm.model.will({"text": "one two three", "pieces": 3, "cut": 1}, {"text": "one two three", "pieces": 3, "cut": 1})
    task = run(llm.client, "chatter", "count")
    llm.model.answers.clear()
    assert task["state"] == "failed" and task["result"] is None, task
    assert step(task)["error"]["code"] in ("NX-PROVIDER", "NX-NETWORK")


def test_an_error_of_the_endpoint_is_told_without_the_key(llm):
    llm.model.will({"status": 400, "error": {"message": "no such model", "code": "model_not_found"}})
    task = run(llm.client, "chatter", "hello")
    assert task["state"] == "failed" and "no such model" in step(task)["error"]["message"], task
    assert "sk-test" not in json.dumps(task)


@pytest.mark.parametrize("answer", [{"hang": True}, {"text": "word " * 200, "pieces": 200, "piece_delay_s": 0.1}])
def test_a_cancel_reaches_a_call_within_a_second(llm, answer):
    llm.model.will(answer)
    task = llm.client.post("/v1/tasks", plan("chatter", "long")).json()["id"]
    wait_for(lambda: llm.model.requests)
    time.sleep(0.2)
    began = time.monotonic()
    assert llm.client.post(f"/v1/tasks/{task}/cancel").status_code == 200
    assert finished(llm.client, task)["state"] == "cancelled"
    assert time.monotonic() - began < 1


def test_a_step_is_retried_when_the_endpoint_fails(llm):
    llm.model.will({"status": 500}, {"status": 500}, {"text": "third time"})
    task = run(llm.client, "chatter", "hello", step={"retry": {"max": 2, "backoff_ms": 10}, "effects": "none"})
    assert task["state"] == "succeeded" and task["result"]["text"] == "third time", task
    assert step(task)["attempts"] == 2


def test_without_an_endpoint_the_step_fails_and_the_server_lives(nexus, start):
    server = start(env={"NEXUS_MODEL_BASE_URL": "http://127.0.0.1:9/v1", "NEXUS_MODEL_CHAT": "fake", "NEXUS_MODEL_RETRIES": "0"})
    client = Client(server)
    client.post("/v1/agents", AGENTS[0])
    task = run(client, "chatter", "hello", step={"retry": {"max": 2, "backoff_ms": 10}, "effects": "none"})
    assert task["state"] == "failed" and step(task)["error"]["code"] == "NX-NETWORK", task
    assert step(task)["attempts"] == 2
    assert client.get("/healthz").status_code == 200


# A local model --------------------------------------------------------------------------------------------------------

def children(pid):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid and b"model-worker" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except (OSError, IndexError):
                pass
    return found


def test_a_local_model_answers_and_its_end_fails_one_call_only(nexus, start):
    if not GGUF.exists():
        pytest.skip(f"{GGUF} is not there")
    server = start(env={"NEXUS_MODEL_CHAT": str(GGUF), "NEXUS_MODEL_MAX_TOKENS": "24"})
    client = Client(server)
    client.post("/v1/agents", AGENTS[0])
    assert children(server.pid) == []
    task = run(client, "chatter", "What is the capital of France?", wait=60)
    assert task["state"] == "succeeded" and task["result"]["text"].strip(), task
    assert task["usage"]["output_tokens"] > 0
    with client.events("/v1/events") as s:
        s.next()
        hurt = client.post("/v1/tasks", plan("chatter", "Tell me a long story about the sea.")).json()["id"]
        for e in s:
            if e["event"] == "message.delta":
                break
        worker, = children(server.pid)
        os.kill(worker, signal.SIGKILL)
    end = finished(client, hurt)
    assert end["state"] == "failed" and step(end)["error"]["code"] == "NX-PROVIDER", end
    assert client.task("2 + 2", plan={"steps": [{"id": "m", "tool": "math.eval", "input": {"expression": "2 + 2"}}]})
    again = run(client, "chatter", "What is the capital of France?", wait=60)
    assert again["state"] == "succeeded", again
