"""Warm interpreters: a run from a zygote is what a cold run is, only sooner."""
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nexus_server import Client
from test_sandbox_api import run


@pytest.fixture(scope="module")
def warm(client):
    """The same client, once a zygote is ready."""
    end = time.monotonic() + 20
    while not run(client, "pass")["warm"]:
        if time.monotonic() > end:
            languages = client.get("/v1/sandbox/languages").text
            pytest.skip(f"no warm Python here (sandbox.pool_size is 0, or Python cannot be held at its door): {languages[:200]}")
        time.sleep(0.1)
    return client


def run_warm(client, code, **more):
    """A run that must be warm: a zygote that was retired is replaced within moments."""
    for _ in range(100):
        got = run(client, code, **more)
        if got["warm"]:
            return got
        time.sleep(0.1)
    raise AssertionError("no run was warm any more")


PROGRAMS = {
    "what Python knows of itself": """
        import sys, os, io
        print(sys.path, sys.argv, sys.orig_argv, sys.executable, sys.prefix, sys.flags, __name__, __file__, sorted(globals()))
        print(sorted(os.environ.items()), os.getcwd(), os.getuid(), os.getgid(), os.umask(0))
        for f in (sys.stdin, sys.stdout, sys.stderr):
            print(f.fileno(), f.encoding, f.errors, f.line_buffering, f.isatty(), f.seekable(), f.buffer.raw.mode, type(f.buffer))
        print(sorted(m for m in sys.modules))
    """,
    "its place": """
        import os, resource, signal
        print({n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith('RLIMIT_')})
        print([(s, str(signal.getsignal(s))) for s in sorted(signal.valid_signals())])
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []), os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid(), os.getppid())
        print(sorted(os.listdir('/proc/self/fd')), sorted(os.listdir('/')), sorted(os.listdir('/work')), os.listdir('/code'))
        print(open('/proc/self/comm').read())
        status = dict(l.split(':', 1) for l in open('/proc/self/status'))
        print([status[k] for k in ('Uid', 'Gid', 'Groups', 'NSpid', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')])
    """,
    "standard input": "import sys\nprint(repr(input()), repr(sys.stdin.read()))",
    "a traceback": "def f(n):\n    return f(n - 1) if n else 1 / 0\nf(3)",
    "a syntax error": "print('never')\nif:\n",
    "an exit status": "import sys, atexit\natexit.register(print, 'at the end')\nprint('before', end='')\nsys.exit(7)",
    "an exit with words": "raise SystemExit('no more')",
    "no clean-up": "import os, sys\nsys.stdout.write('kept')\nsys.stdout.flush()\nos._exit(3)",
    "a signal": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "an interrupt": "import os, signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt:\n    print('interrupted')",
    "a closed pipe": "import os\nr, w = os.pipe()\nos.close(r)\ntry:\n    os.write(w, b'x')\nexcept BrokenPipeError as e:\n    print(e)",
    "threads": """
        import threading
        found = []
        all_ = [threading.Thread(target=found.append, args=(i,)) for i in range(8)]
        [t.start() for t in all_]; [t.join() for t in all_]
        print(sorted(found), threading.current_thread() is threading.main_thread(), threading.active_count())
    """,
    "processes": """
        import multiprocessing as m, subprocess, sys
        if __name__ == '__main__':
            with m.Pool(2) as p:
                print(p.map(abs, [-1, -2]), m.get_start_method())
            print(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout)
    """,
    "modules": "import helper, json, decimal, ctypes, sqlite3\nprint(helper.answer(), helper.__file__, json.dumps({'a': [1]}), decimal.Decimal(1) / 3)",
    "asynchronous": "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 5\nprint(asyncio.run(f()))",
    "too much memory": "x = bytearray(1 << 30)\nprint(len(x))",
    "a file too large": "f = open('/work/x', 'wb')\nf.seek(1 << 40)\ntry:\n    f.write(b'x'); f.flush()\nexcept OSError as e:\n    print(e)",
    "bytes that are no text": "import sys\nsys.stdout.buffer.write(b'\\xff\\xfe')",
}


def shape(got):
    return {k: got[k] for k in ("status", "exit_code", "signal", "stdout", "stderr", "truncated", "enforced")} | {
        "artifacts": [(a["path"], a["sha256"]) for a in got["artifacts"]]}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_warm_run_is_what_a_cold_one_is(warm, name):
    import textwrap
    code = textwrap.dedent(PROGRAMS[name]).lstrip("\n")
    more = {"policy": "off", "stdin": "first\nsecond\n", "files": [{"path": "helper.py", "content_base64": "ZGVmIGFuc3dlcigpOgogICAgcmV0dXJuIDQyCg=="}]}
    cold = run(warm, code, warm=False, **more)
    got = run_warm(warm, code, **more)
    assert cold["warm"] is False and got["warm"] is True
    assert shape(got) == shape(cold)


def test_nothing_passes_from_run_to_run(warm):
    run_warm(warm, "import sys, builtins, os\nbuiltins.left = 1\nsys.modules['json'] = 1\nos.environ['LEFT'] = '1'\nopen('/tmp/left', 'w').write('x')")
    got = run_warm(warm, "import json, os, builtins\nprint(hasattr(builtins, 'left'), json.dumps(1), 'LEFT' in os.environ, os.path.exists('/tmp/left'))")
    assert got["stdout"] == "False 1 False False\n"


def test_chance_differs(warm):
    code = "import random, uuid, os\nprint(random.random(), uuid.uuid4(), os.urandom(8).hex())"
    seen = [run_warm(warm, code, policy="off")["stdout"].split() for _ in range(8)]
    for values in zip(*seen):
        assert len(set(values)) == len(seen)


def test_the_reaper_cannot_be_reached(warm):
    code = """
for path in ('/proc/1/exe', '/proc/1/mem', '/proc/1/maps', '/proc/1/environ', '/proc/1/fd/0'):
    try:
        open(path, 'rb').read(1)
        print('open', path)
    except OSError:
        print('held', path)
print(open('/proc/self/exe', 'rb').read() == open('/usr/bin/python3', 'rb').read())
"""
    got = run_warm(warm, code, policy="off")
    assert got["stdout"].split() == "held /proc/1/exe held /proc/1/mem held /proc/1/maps held /proc/1/environ held /proc/1/fd/0 True".split()


def test_what_is_read_before_the_program_makes_it_cold(warm):
    got = run(warm, "pass", files=[{"path": "sitecustomize.py", "content_base64": "cHJpbnQoJ2ZpcnN0JykK"}])
    assert got["warm"] is False and got["stdout"] == "first\n"
    assert run(warm, "print(1)", warm=False)["warm"] is False


def test_limits_hold(warm):
    got = run_warm(warm, "while True: pass", constraints={"max_execution_time_s": 0.3})
    assert got["status"] == "timeout"
    got = run_warm(warm, "x = []\nwhile True: x.append(bytearray(1 << 20))", constraints={"max_memory_mb": 64})
    assert got["status"] == "memory_limit"
    assert got["usage"]["max_rss_bytes"] <= 80 << 20  # with what it shares with the zygote
    got = run_warm(warm, "import os\nwhile True: os.fork()", policy="off")
    assert got["status"] == "process_limit"
    got = run_warm(warm, "while True: print('x' * 1000)")
    assert got["status"] == "output_limit"


def test_many_at_once_and_zygotes_are_replaced(server, warm):
    """More runs than a zygote may make, 16 at a time."""
    clients = [Client(server, contract=warm.contract) for _ in range(16)]

    def one(i):
        got = run(clients[i % 16], f"print({i})", constraints={"max_cpu_percent": 100})
        assert got["stdout"] == f"{i}\n", got
        return got["warm"]

    with ThreadPoolExecutor(16) as pool:
        were_warm = sum(pool.map(one, range(1000)))
    for c in clients:
        c.close()
    assert were_warm > 500, were_warm


@pytest.mark.skipif(shutil.which("node") is None, reason="no node is here: apt-get install nodejs")
def test_node_that_waited_is_what_a_fresh_one_is(warm):
    code = """
        const fs = require('fs')
        console.log(process.argv, process.env, process.pid, process.ppid, fs.readdirSync('/proc/self/fd'), fs.readdirSync('/code'))
        console.log(fs.readFileSync(0, 'utf8'), require('beside.js').value)
        process.exitCode = 7
    """
    more = {"language": "javascript", "stdin": "given", "files": [{"path": "beside.js", "content_base64": "ZXhwb3J0cy52YWx1ZSA9IDU="}]}
    cold = run(warm, code, warm=False, **more)
    got = run_warm(warm, code, **more)
    assert cold["warm"] is False and cold["exit_code"] == 7, cold["stderr"]
    assert [got[k] for k in ("status", "exit_code", "stdout", "stderr")] == [cold[k] for k in ("status", "exit_code", "stdout", "stderr")]
    assert got["exit_code"] == 7 and "given 5" in got["stdout"]
    assert run(warm, "1", language="javascript", constraints={"blocked_operations": ["network"]})["warm"] is False
