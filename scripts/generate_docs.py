"""Writes the pages of docs/ that are made from the program: configuration, cli, errors, api.

    scripts/generate_docs.py [--check] [PROGRAM]      PROGRAM: build/nexus
"""
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = json.loads((ROOT / "scripts/api_examples.json").read_text())
SERVER = "http://127.0.0.1:8600"
NOTE = "<!-- Written by scripts/generate_docs.py from the program. Change that, then run it again. -->\n"
GROUPS = {
    "system": "The server", "tasks": "Tasks", "knowledge": "Knowledge", "memory": "Memory and sessions",
    "sandbox": "Sandbox", "agents": "Agents and tools", "models": "Models", "keys": "Keys",
}


VERBS_UNDER = {"sandbox": ["shell"]}


class Program:
    def __init__(self, path):
        self.path = str(path)

    def __call__(self, *words):
        run = subprocess.run([self.path, *words], capture_output=True, text=True, check=True,
                             env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"})
        return run.stdout


def configuration(nexus):
    return NOTE + nexus("config", "--markdown")


# Command line ---------------------------------------------------------------------------------------------------------

def verbs(nexus):
    text = nexus("--help").split("\nVerbs\n")[1]
    return [line.split()[0] for line in text.splitlines() if line.startswith("  ")]


def cli(nexus):
    out = [NOTE + "# Command line", "", "What `nexus --help` and `nexus VERB --help` say.", "",
           "A verb talks to the running server: at `--url`, else at `NEXUS_URL`, else at the configured address. When "
           "none was named and nobody listens there, it works on the data directory itself: it starts the same server for "
           "as long as it takes, on a free port of the loopback interface. Verbs at once on one directory take turns; a "
           "directory that a server holds elsewhere is an error that says where. The key, "
           "where one is needed, is read from `NEXUS_KEY`, never from a flag. There are no short options. Output for "
           "people goes to stdout, progress and errors to stderr; `--json` prints what a program can read, errors "
           "included. Colours and progress bars appear on a terminal only, and not when `NO_COLOR` is set.", "",
           "| exit status | meaning |", "|---|---|", "| 0 | done |", "| 1 | failed |", "| 2 | wrong usage |",
           "| 4 | not allowed: a key is missing, not valid, or lacks a scope |", "",
           "`exec` and `scan` have their own, below.", "",
           "```text", nexus("--help").rstrip(), "```"]
    for verb in verbs(nexus):
        out += ["", f"## nexus {verb}", "", "```text", nexus(verb, "--help").rstrip(), "```"]
        for under in VERBS_UNDER.get(verb, []):
            out += ["", f"### nexus {verb} {under}", "", "```text", nexus(verb, under, "--help").rstrip(), "```"]
    return "\n".join(out) + "\n"


# Errors ---------------------------------------------------------------------------------------------------------------

def statuses():
    """Code symbols and HTTP statuses, from the one table that has them."""
    import re
    names = dict(re.findall(r"X\((NX_E\w+), -?\d+, \"(NX-[A-Z-]+)\"\)", (ROOT / "src/base/error_codes.h").read_text()))
    pairs = re.findall(r"\{(NX_E\w+), (\d+)\}", (ROOT / "src/api/problem.c").read_text())
    return {names[symbol]: status for symbol, status in pairs}


def errors(nexus):
    out = [NOTE + "# Errors", "",
           "Every error has a stable code. Over HTTP it is a problem document (RFC 9457, `application/problem+json`):", "",
           "```json",
           json.dumps({"type": "/docs#NX-INVALID", "title": "the request is not valid", "status": 400,
                       "detail": "…what went wrong this time…", "code": "NX-INVALID", "pointer": "/plan/steps/0/tool",
                       "hint": "did you mean `math.eval`?", "instance": "/v1/tasks", "trace_id": "…"}, ensure_ascii=False,
                      indent=2),
           "```", "",
           "`code` never changes its meaning: programs match on it. `detail` is for people and may change. `pointer` is a "
           "JSON Pointer to the place that is wrong, `hint` says what to do, both where there is one. On the command line "
           "`nexus explain CODE` tells what is below, and `nexus explain --ar CODE` the same in Arabic.", "",
           "| code | HTTP | meaning |", "|---|---|---|"]
    status = statuses()
    codes = [line.split()[0] for line in nexus("explain").splitlines()]
    infos = [json.loads(nexus("explain", "--json", code)) for code in codes]
    for e in infos:
        out.append(f"| [{e['code']}](#{e['code'].lower()}) | {status[e['code']]} | {e['title']} |")
    for e in infos:
        ar = json.loads(nexus("explain", "--ar", "--json", e["code"]))
        out += ["", f"## {e['code']}", "", f"**{e['title'].capitalize()}.** {e['why']}", "", f"What to do: {e['how']}", "",
                f'<div dir="rtl" lang="ar">\n\n**{ar["title"]}.** {ar["why"]}\n\nالحل: {ar["how"]}\n\n</div>']
    return "\n".join(out) + "\n"


# API ------------------------------------------------------------------------------------------------------------------

class Document:
    def __init__(self, nexus):
        self.json = json.loads(nexus("routes", "--openapi"))
        self.routes = {r["operation"]: r for r in json.loads(nexus("routes", "--json"))}

    def operations(self):
        for path, item in self.json["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def resolve(self, schema):
        while "$ref" in schema:
            node = self.json
            for part in schema["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            schema = node
        return schema


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def kind(document, schema):
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"] if v is not None)
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(kind(document, s) for s in schema.get("anyOf", schema.get("oneOf")) if s != {"type": "null"})
    types = schema.get("type", "any")
    types = types if isinstance(types, str) else " or ".join(t for t in types if t != "null")
    if types == "array":
        return f"list of {kind(document, schema.get('items', {}))}"
    return schema.get("format", types) if types == "string" else types


def members(document, schema):
    schema = document.resolve(schema)
    required = set(schema.get("required", []))
    rows = []
    for name, member in schema.get("properties", {}).items():
        text = member.get("description", "")
        if "default" in member and member["default"] not in (None, "", False):
            text += f" (default {json.dumps(member['default'], ensure_ascii=False)})"
        rows.append(f"| `{name}`{' *' if name in required else ''} | {cell(kind(document, member))} | {cell(text)} |")
    return rows


def parameters(operation):
    rows = []
    for p in operation.get("parameters", []):
        if p["in"] == "query":
            rows.append(f"| `?{p['name']}=` | {cell(p['schema'].get('type', ''))} | {cell(p.get('description', ''))} |")
    return rows


def answers(operation):
    known = [(code, a.get("description", "")) for code, a in operation["responses"].items() if code != "default"]
    return "; ".join(f"{code}: {text}" if text else code for code, text in known)


def sentence(text):
    return text if text.endswith("?") else text + "."


def shapes(document):
    """The parts of request bodies that have a name of their own, in the order in which they are first named."""
    found, waiting = [], [o["requestBody"]["content"]["application/json"]["schema"]
                          for _, _, o in document.operations() if "application/json" in o.get("requestBody", {}).get("content", {})]
    tops = {s.get("$ref") for s in waiting}
    for schema in waiting:
        for member in document.resolve(schema).get("properties", {}).values():
            for part in (member, member.get("items", {}), *member.get("anyOf", []), *member.get("oneOf", [])):
                name = part.get("$ref")
                if name and name not in found:
                    found.append(name)
                    waiting.append(part)
    out = ["", "## Shapes", "", "The parts of bodies that have a name of their own."]
    for name in found:
        schema = document.resolve({"$ref": name})
        if name in tops or "properties" not in schema:
            continue
        out += ["", f"### {name.rsplit('/', 1)[1]}", "", sentence(schema.get("description", "").rstrip(".").capitalize()), "",
                "| member | type | what it is |", "|---|---|---|", *members(document, schema)]
    return out


def operation_page(document, method, path, operation):
    name = operation["operationId"]
    route = document.routes[name]
    out = ["", f"### {name}", "", f"`{method} {path}`: {sentence(operation['summary'])}", ""]
    if operation.get("description"):
        out += [operation["description"], ""]
    needs = "no key" if route["scope"] == "public" else f"the scope `{route['scope']}`"
    out += [f"Needs {needs}.{' Takes an Idempotency-Key.' if route['idempotent'] else ''} Answers {answers(operation)}.", ""]
    rows = parameters(operation)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        rows += members(document, body["schema"])
    if rows:
        out += ["| member | type | what it is |", "|---|---|---|", *rows, ""]
    return out + ["```sh", EXAMPLES[name], "```"]


SHARED = """# API

JSON over HTTP/1.1. The machine-readable form of this page is `/openapi.json` of the server (OpenAPI 3.1), which also renders
it at `/docs`. Members marked with * are required; an unknown member is an error that suggests the nearest name.

**Examples** use a server at `http://127.0.0.1:8600` without keys, and curl 7.82 or newer (for `--json`). Where keys exist, add
`-H "Authorization: Bearer $NEXUS_KEY"`. Ids from earlier answers stand as variables: `$TASK_ID`.

**Errors** are problem documents with a stable code: [errors](errors.md).

**Lists** take `limit` and `cursor`, and answer `{"items": […], "next_cursor": …}`; `next_cursor` is null on the last page.

**Times** are RFC 3339 in UTC. **Ids** are UUIDs; entities, relationships, agents and documents may also have names that the
client chose.

**Idempotency-Key.** A write that carries this header is done once, however often it is sent: the answer is kept for 24 hours
(`api.idempotency_ttl`) in the same transaction as what it did. A repetition is answered with `Idempotent-Replayed: true`; the
same key with another body is NX-IDEMPOTENCY; while the first is still under way it is 409 with `Retry-After`.

**Traces.** A `traceparent` header (W3C Trace Context) is taken and passed on.

**Operations of later versions** answer 501 with NX-NOT-YET and are not listed here.
"""


def api(nexus):
    document = Document(nexus)
    missing = {o["operationId"] for _, _, o in document.operations()} ^ set(EXAMPLES)
    if missing:
        sys.exit(f"scripts/api_examples.json and the route table differ: {', '.join(sorted(missing))}")
    out = [NOTE + SHARED]
    for tag, title in GROUPS.items():
        out += ["" if tag == "system" else "", f"## {title}"]
        for method, path, operation in document.operations():
            if operation["tags"] == [tag]:
                out += operation_page(document, method, path, operation)
    out += shapes(document)
    return "\n".join(out).replace("\n\n\n", "\n\n") + "\n"


PAGES = {"configuration.md": configuration, "cli.md": cli, "errors.md": errors, "api.md": api}


def stale(program):
    """The pages that are not what the program would make of them now."""
    nexus = Program(program)
    return [name for name, page in PAGES.items()
            if not (ROOT / "docs" / name).exists() or (ROOT / "docs" / name).read_text() != page(nexus)]


def main():
    words = [w for w in sys.argv[1:] if w != "--check"]
    program = Path(words[0] if words else ROOT / "build/nexus").resolve()
    if "--check" in sys.argv:
        old = stale(program)
        if old:
            sys.exit(f"stale: {', '.join(old)}; run scripts/generate_docs.py")
        return
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(Program(program)))


if __name__ == "__main__":
    main()
