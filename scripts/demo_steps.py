"""What scripts/demo does over HTTP. Needs nothing but Python: demo_steps.py STEP ARGUMENT…"""
import collections
import concurrent.futures
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

TASKS = 40
KILL_AFTER = 25  # acknowledged tasks
FINAL = {"task.succeeded", "task.failed", "task.cancelled", "task.timed_out", "task.over_budget"}
PATIENCE_S = 60
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def fail(message):
    sys.exit(f"the demo failed: {message}")


def good(message):
    print(f"\033[32m✓\033[0m {message}" if COLOUR else f"✓ {message}", flush=True)


def call(method, url, body=None, headers=None, timeout=PATIENCE_S):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.headers, answer.read()


def get(url):
    return json.loads(call("GET", url)[1])


# A question and its answer --------------------------------------------------------------------------------------------

def chosen(path):
    """The first question whose answer needs two documents."""
    return next(q for q in json.loads(Path(path).read_text()) if q["found"] and q["documents"] == 2)


def question(path):
    print(chosen(path)["question"])


def check_answer(url, path):
    wanted = chosen(path)
    task = get(f"{url}/v1/tasks?limit=1")["items"][0]
    result = get(f"{url}/v1/tasks/{task['id']}")["result"]
    cited = {c["document_id"] for c in result["citations"]}
    missing = [text for text in wanted["expect"] if text not in result["text"]]
    if missing:
        fail(f"the answer does not name {', '.join(missing)}")
    if len(cited) < wanted["documents"]:
        fail(f"the answer cites {len(cited)} documents, not {wanted['documents']}")
    good(f"the answer names {', '.join(wanted['expect'])} and cites {len(cited)} documents")


# A program in the sandbox ---------------------------------------------------------------------------------------------

def check_run(url, path):
    """The same program again, for what it left and what held it."""
    body = {"language": "python", "code": Path(path).read_text()}
    run = json.loads(call("POST", f"{url}/v1/sandbox/executions", body)[1])
    if run["status"] != "ok" or "allowed" in run["stdout"]:
        fail(f"the program ended as {run['status']}:\n{run['stdout']}{run['stderr']}")
    files = [f"{a['path']} ({a['size']} bytes)" for a in run["artifacts"]]
    if not files:
        fail("the program left no file")
    weak = sorted(limit for limit, by in run["enforced"].items() if by == "none")
    good(f"every wall held; kept of its work directory: {', '.join(files)}"
         + (f"; this host cannot hold: {', '.join(weak)}" if weak else ""))


# A batch of tasks, a kill, and a count --------------------------------------------------------------------------------

def batch():
    """Arithmetic, plans of two steps that run a program, and things to remember, mixed."""
    tasks = []
    for i in range(TASKS):
        body = {"session_id": "batch", "user_id": "demo", "metadata": {"number": i}}
        if i % 4 == 3:
            body["input"] = f"remember that parcel {i} stands on shelf {i * 7 % 50}"
        elif i % 4 == 1:
            body["input"] = f"run a program and keep the best of what it prints ({i})"
            body["plan"] = {"steps": [
                {"id": "compute", "tool": "code.run",
                 "input": {"language": "python", "code": f"import time; time.sleep(0.1); print('Square {i} is {i * i}.')"}},
                {"id": "shorten", "tool": "text.summarize", "depends_on": ["compute"],
                 "input": {"text": {"$ref": "/steps/compute/output/stdout"}}}]}
        else:
            body["input"] = f"({i} + 1) * 12.5"
        tasks.append(body)
    return tasks


def send(url, number, body):
    """The Idempotency-Key makes it safe to send a task again when its answer was lost."""
    headers, answer = call("POST", f"{url}/v1/tasks", body, {"Idempotency-Key": f"demo-{number}"})
    return json.loads(answer)["id"], headers.get("Idempotent-Replayed") == "true"


def submit(url, server, path):
    """Sends the batch from eight clients and kills the server when KILL_AFTER tasks are acknowledged."""
    tasks, acknowledged, lock = batch(), {}, threading.Lock()

    def one(number):
        try:
            task, _ = send(url, number, tasks[number])
        except (OSError, urllib.error.URLError):  # a connection that the kill cut, or a server that is gone
            return
        with lock:
            acknowledged[number] = task
            if len(acknowledged) == KILL_AFTER:
                os.kill(int(server), signal.SIGKILL)

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        list(clients.map(one, range(TASKS)))
    if len(acknowledged) < KILL_AFTER:
        fail(f"only {len(acknowledged)} tasks were acknowledged before the server was gone")
    Path(path).write_text(json.dumps(acknowledged))
    print(f"{TASKS} tasks: arithmetic, two-step plans with a program, things to remember")
    print(f"SIGKILL when {len(acknowledged)} were acknowledged; {TASKS - len(acknowledged)} got no answer", flush=True)


def events(url, task):
    """The stored events of a finished task, from the first; the stream ends after them."""
    text = call("GET", f"{url}/v1/tasks/{task}/events", headers={"Last-Event-ID": "0"})[1].decode()
    return [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]


def wait_for_all(url):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        tasks = get(f"{url}/v1/tasks?session_id=batch&limit=200")["items"]
        states = collections.Counter(t["state"] for t in tasks)
        if all(t["finished_at"] for t in tasks):
            return tasks, states
        if time.monotonic() > deadline:
            fail(f"after {PATIENCE_S} s not every task has finished: {dict(states)}")
        time.sleep(0.05)


def finish(url, path):
    """Sends what was not acknowledged again, waits, and counts."""
    acknowledged = {int(k): v for k, v in json.loads(Path(path).read_text()).items()}
    kept = {t["id"] for t in get(f"{url}/v1/tasks?session_id=batch&limit=200")["items"]}
    lost = [n for n, task in acknowledged.items() if task not in kept]
    if lost:
        fail(f"acknowledged and lost: {lost}")
    good(f"all {len(acknowledged)} acknowledged tasks are there")
    bodies, replays = batch(), 0
    for number in range(TASKS):
        if number not in acknowledged:
            acknowledged[number], replayed = send(url, number, bodies[number])
            replays += replayed
    rest = TASKS - len([n for n in acknowledged if acknowledged[n] in kept]) + replays
    print(f"the other {rest} sent again with the same Idempotency-Key: {replays} had been stored before the kill")
    tasks, states = wait_for_all(url)
    if len(tasks) != TASKS or states["succeeded"] != TASKS:
        fail(f"{TASKS} tasks were sent, there are {dict(states)}")
    count_once(url, acknowledged)


def count_once(url, acknowledged):
    finals, recovered = collections.Counter(), 0
    for task in acknowledged.values():
        types = events(url, task)
        finals[sum(t in FINAL for t in types)] += 1
        recovered += "task.recovered" in types
    if finals != {1: TASKS}:
        fail(f"final events per task, and how many tasks: {dict(finals)}")
    session = next(s for s in get(f"{url}/v1/sessions?user_id=demo")["items"] if "batch" in s.values())
    turns = get(f"{url}/v1/sessions/{session['id']}/turns?limit=200")["items"]
    remembered = collections.Counter(t["text"] for t in turns if "parcel" in t["text"] and t["role"] == "user")
    twice = [text for text, n in remembered.items() if n > 1]
    if twice or len(remembered) != TASKS // 4:
        fail(f"{len(remembered)} things are remembered, these more than once: {twice}")
    good(f"{TASKS} tasks, {TASKS} final events: each finished once ({recovered} were taken up after the kill)")
    good(f"{len(remembered)} things to remember, each remembered once")


# The console ----------------------------------------------------------------------------------------------------------

def check_console(url):
    headers, page = call("GET", f"{url}/")
    if not headers["Content-Type"].startswith("text/html") or b"<html" not in page:
        fail(f"{url}/ is no page")
    good(f"the console answers at {url}/")


STEPS = {"question": question, "check-answer": check_answer, "check-run": check_run, "submit": submit, "finish": finish,
         "check-console": check_console}

if __name__ == "__main__":
    try:
        STEPS[sys.argv[1]](*sys.argv[2:])
    except (OSError, urllib.error.URLError) as error:
        detail = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
        fail(f"{sys.argv[1]}: {error} {detail}")
