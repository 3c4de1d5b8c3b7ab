"""
SIGKILL at random moments under a mixed load of tasks: every one that was acknowledged ends, and ends exactly once.

--count says how often the server is killed (20). A connection that the kill cuts acknowledged nothing.
"""
import json
import random
import threading
import time
from collections import Counter

import httpx
import pytest

from nexus_server import Client, Server

FINAL = {"succeeded", "failed", "cancelled", "timed_out", "over_budget"}
CLIENTS = 4
PATIENCE = 90  # seconds for what was under way to end after the last start


def arithmetic(n):
    return {"input": f"What is {n} * {n + 1}?"}


def chain(n):
    return {"input": "in order", "plan": {"steps": [
        {"id": f"s{i}", "tool": "math.eval", "effects": "idempotent" if i % 2 else "none",
         "input": {"expression": f"{n} + {i}"}, "depends_on": [f"s{i - 1}"] if i else []} for i in range(5)]}}


def once(n):
    """A step with effects that a crash cut off may not be repeated: it waits for somebody and ends by its default."""
    return {"input": "once", "plan": {"steps": [
        {"id": "a", "tool": "math.eval", "effects": "once", "input": {"expression": f"{n} * 2"}},
        {"id": "b", "tool": "math.eval", "effects": "once", "input": {"expression": f"{n} * 3"}, "depends_on": ["a"]}]}}


def remember(n):
    return {"input": "keep", "user_id": "u", "plan": {"steps": [
        {"id": "a", "tool": "memory.store", "input": {"text": f"The number of day {n} is {n * 7}."}}]}}


def code(n):
    return {"input": "run", "plan": {"steps": [
        {"id": "a", "tool": "code.run", "input": {"language": "shell", "code": f"sleep 0.05; echo {n}"}}]}}


KINDS = [arithmetic, arithmetic, chain, once, remember, code]


class Load:
    """Clients that submit one task after the other and keep the ids that were acknowledged."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.acknowledged, self.lock, self.over = {}, threading.Lock(), False
        self.refused = []
        self.url = None

    def run(self, server):
        self.over, self.url = False, server.url
        self.threads = [threading.Thread(target=self.submit, args=(self.random.random(),)) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def join(self):
        self.over = True
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive()

    def submit(self, seed):
        choice = random.Random(seed)
        with httpx.Client(base_url=self.url, timeout=30) as http:
            while not self.over:
                kind = choice.choice(KINDS)
                try:
                    response = http.post("/v1/tasks", json=kind(choice.randrange(10**6)))
                except httpx.HTTPError:
                    return
                with self.lock:
                    if response.status_code in (200, 202):
                        self.acknowledged[response.json()["id"]] = kind.__name__
                    else:
                        self.refused.append(response.text)
                time.sleep(0.005)


def final_events(client, task):
    with client.events(f"/v1/tasks/{task}/events") as stream:
        events = [(e["event"], e.get("id"), json.loads(e["data"])) for e in stream]
    return [name for name, _, _ in events if name in {f"task.{state}" for state in FINAL}]


@pytest.mark.timeout(0)
def test_every_acknowledged_task_ends_exactly_once(nexus, tmp_path, request):
    count, seed = request.config.getoption("--count"), random.randrange(2**32)
    print(f"seed {seed}")
    moments, load = random.Random(seed), Load(seed)
    for _ in range(count):
        server = Server(nexus, home=tmp_path / "home", env={"NEXUS_CORE_REPEAT_WAIT": "3s"})
        load.run(server)
        time.sleep(moments.uniform(0.02, 0.7))
        server.stop(kill=True)
        load.join()
    assert not load.refused, load.refused[:3]

    server = Server(nexus, home=tmp_path / "home", env={"NEXUS_CORE_REPEAT_WAIT": "3s"})
    client = Client(server)
    states = settle(client, load.acknowledged)
    wrong = {task: (kind, states[task]) for task, kind in load.acknowledged.items()
             if states[task] != "succeeded" and kind != "once"}
    ends = Counter(len(final_events(client, task)) for task in load.acknowledged)
    print(f"{len(load.acknowledged)} tasks acknowledged over {count} kills: {Counter(states.values())}; ends: {ends}")
    client.close()
    assert server.stop() == 0
    assert len(load.acknowledged) > count
    assert set(ends) == {1}
    assert not wrong, f"{len(wrong)}: {list(wrong.items())[:5]}"


def settle(client, tasks):
    """The final state of each; a task that is not there any more is lost."""
    states, deadline = {}, time.monotonic() + PATIENCE
    for task in tasks:
        while task not in states:
            response = client.get(f"/v1/tasks/{task}")
            assert response.status_code == 200, f"task {task} ({tasks[task]}) is lost: {response.text}"
            if response.json()["state"] in FINAL:
                states[task] = response.json()["state"]
                break
            assert time.monotonic() < deadline, f"task {task} ({tasks[task]}) does not end: {response.text[:600]}"
            time.sleep(0.05)
    return states
