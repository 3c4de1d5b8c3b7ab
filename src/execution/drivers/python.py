"""Runs the cells of a session in one namespace. Requests and answers are JSON behind four bytes of length, on descriptor 6.

What a cell does to this program it does to its own session: nobody else trusts a word of it.
"""
import ast
import base64
import builtins
import io
import json
import linecache
import os
import signal
import struct
import sys
import traceback
import types

CONTROL = 6
FIGURES_MAX = 32
os.set_inheritable(CONTROL, False)
os.environ.setdefault("MPLBACKEND", "Agg")


def read_exactly(n):
    parts = []
    while n > 0:
        part = os.read(CONTROL, min(n, 1 << 20))
        if not part:
            os._exit(0)
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def read_request():
    (n,) = struct.unpack("<I", read_exactly(4))
    return json.loads(read_exactly(n))


def write_answer(answer):
    text = json.dumps(answer, ensure_ascii=True).encode()
    rest = memoryview(struct.pack("<I", len(text)) + text)
    while rest:
        rest = rest[os.write(CONTROL, rest):]


class Runner:
    def __init__(self):
        self.module = types.ModuleType("__main__")
        self.module.__dict__.update(__builtins__=builtins, __name__="__main__")
        sys.modules["__main__"] = self.module
        self.is_running = False
        self.figures = 0

    def on_interrupt(self, number, frame):
        if self.is_running:
            raise KeyboardInterrupt

    def evaluate(self, code, name):
        """Runs all statements; the value of the last when that is an expression, else None."""
        tree = ast.parse(code, name, "exec")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        space = self.module.__dict__
        exec(compile(tree, name, "exec", dont_inherit=True), space)
        if last is None:
            return None
        value = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), space)
        if value is not None:
            space["_"] = value
        return value

    def show(self, value, most):
        """A value as text, HTML and PNG, as far as it has them and they are not too long."""
        shown = {}
        for key, method, make in (("text", None, repr), ("html", "_repr_html_", str),
                                  ("png", "_repr_png_", lambda b: base64.b64encode(b).decode())):
            try:
                given = value if method is None else getattr(type(value), method)(value)
                text = None if given is None and method else make(given)
            except AttributeError:
                if method is None:
                    traceback.print_exc()
                continue
            except Exception:
                traceback.print_exc()
                continue
            if text is not None and len(text) <= most:
                shown[key] = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
            elif text is not None and key == "text":
                shown[key] = text[:most // 2].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0") + "…"
        return shown

    def save_figures(self):
        pyplot = sys.modules.get("matplotlib.pyplot")
        if not pyplot:
            return
        for number in pyplot.get_fignums()[:FIGURES_MAX]:
            self.figures += 1
            pyplot.figure(number).savefig(f"/work/figure-{self.figures}.png")
        pyplot.close("all")

    def report(self):
        """The exception as Python prints it, without this program's own frames."""
        kind, error, trace = sys.exc_info()
        while trace and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        traceback.print_exception(kind, error.with_traceback(trace), trace)

    def run(self, request):
        name = f"<run {request['run']}>"
        code = request["code"]
        answer = {"op": "done", "run": request["run"], "outcome": "ok", "exit_code": 0}
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        sys.stdin = io.TextIOWrapper(io.BytesIO(request["stdin"].encode()), encoding="utf-8")
        signal.signal(signal.SIGINT, self.on_interrupt)
        try:
            self.is_running = True
            value = self.evaluate(code, name)
            self.save_figures()
            if value is not None:
                answer["value"] = self.show(value, request["most"])
            self.is_running = False
        except SystemExit as e:
            self.is_running = False
            status = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
            if e.code is not None and not isinstance(e.code, int):
                print(e.code, file=sys.stderr)
            answer.update(outcome="error" if status else "ok", exit_code=status & 255)
        except KeyboardInterrupt:
            self.is_running = False
            answer.update(outcome="interrupted", exit_code=130)
        except BaseException:
            self.is_running = False
            self.report()
            answer.update(outcome="error", exit_code=1)
        return answer

    def serve(self):
        signal.signal(signal.SIGINT, self.on_interrupt)
        write_answer({"op": "ready"})
        while True:
            answer = self.run(read_request())
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except Exception:
                    pass
            write_answer(answer)


sys.argv = [""]
sys.stdout.reconfigure(line_buffering=True)
Runner().serve()
