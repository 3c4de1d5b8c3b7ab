"""What the documents say is true: snippets run, links lead somewhere, generated pages are fresh, names exist."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/api"), str(ROOT / "scripts")]

import generate_docs  # noqa: E402
from nexus_server import Server  # noqa: E402

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RUNNABLE = ["README.md", "README.ar.md", "docs/quick-start.md", "docs/how-to/grant-a-network.md",
            "docs/how-to/keep-a-session.md"]
ADDRESS = "http://127.0.0.1:8600"
BLOCK = re.compile(r"(?:<!-- expects: (?P<expects>.*?) -->\n)?```(?P<info>[^\n]*)\n(?P<text>.*?)\n```", re.S)
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page):
    return [m.groupdict() for m in BLOCK.finditer(page.read_text())]


def prose(page):
    return BLOCK.sub("", page.read_text())


# Snippets -------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def server(nexus):
    server = Server(nexus, env={"NEXUS_MODEL_EMBEDDING": "minilm"})
    yield server
    server.close()


def run(command, server, nexus, **variables):
    command = command.replace(ADDRESS.removeprefix("http://"), server.url.removeprefix("http://")).replace("build/nexus", str(nexus))
    return subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "NEXUS_URL": server.url, **variables})


@needs_curl
@pytest.mark.parametrize("page", RUNNABLE)
def test_every_runnable_snippet_runs_and_prints_what_is_promised(page, server, nexus):
    found = [b for b in blocks(ROOT / page) if b["info"].endswith(" run")]
    assert found
    for block in found:
        done = run(block["text"], server, nexus)
        assert done.returncode == 0, f"{block['text']}\n{done.stdout}{done.stderr}"
        assert '"code":"NX-' not in done.stdout, f"{block['text']}\n{done.stdout}"
        if block["expects"]:
            assert block["expects"] in done.stdout, f"{block['text']}\n{done.stdout}"


def test_the_plan_of_the_quick_start_is_the_one_of_the_examples():
    plans = [json.loads(b["text"]) for b in blocks(ROOT / "docs/quick-start.md") if b["info"] == "json"]
    assert json.loads((ROOT / "examples/plan.json").read_text()) in plans


def test_every_json_block_is_json():
    for page in PAGES:
        for block in blocks(page):
            if block["info"] == "json":
                json.loads(block["text"])


class Answers:
    """The examples of api.md in an order in which each finds what it names."""

    def __init__(self, server, nexus):
        self.server, self.nexus = server, nexus
        self.variables = {"NEXUS_KEY": "none"}

    def __call__(self, name):
        command = generate_docs.EXAMPLES[name].replace("curl ", "curl --fail-with-body ", 1)
        if self.variables["NEXUS_KEY"] != "none" and "Authorization" not in command:
            command += " -H \"Authorization: Bearer $NEXUS_KEY\""
        done = run(command, self.server, self.nexus, **self.variables)
        allowed = (0, 28) if "--max-time" in command else (0,)
        assert done.returncode in allowed, f"{name}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def keep(self, variable, text, *path):
        value = json.loads(text)
        for part in path:
            value = value[part]
        self.variables[variable] = value


@needs_curl
def test_every_example_of_the_api_page_is_answered(nexus):
    server = Server(nexus)
    call = Answers(server, nexus)
    first = {"submit_task": ("TASK_ID", "id"), "store_memory": ("MEMORY_ID", "id"),
             "list_sessions": ("SESSION_ID", "items", 0, "id"), "run_code": ("EXECUTION_ID", "id"),
             "create_sandbox_session": ("SANDBOX_SESSION_ID", "id"), "open_sandbox_terminal": ("PROCESS_ID", "id")}
    last = [n for n in generate_docs.EXAMPLES if n.startswith("delete_")]
    subprocess.run(["tar", "-C", "/", "-cf", ROOT / "science.tar", "usr/bin/env"], check=True)
    special = {"create_key", "list_keys", "delete_key", "get_artifact"}
    try:
        for name in [*first, *[n for n in generate_docs.EXAMPLES if n not in first and n not in last], *last]:
            if name in special:
                continue
            text = call(name)
            if name in first:
                call.keep(first[name][0], text, *first[name][1:])
        artifact(call)
        keys(call)
    finally:
        (ROOT / "result.txt").unlink(missing_ok=True)
        (ROOT / "science.tar").unlink(missing_ok=True)
        server.close()


def artifact(call):
    body = json.dumps({"language": "shell", "code": "echo x >result.txt"})
    made = run(f"curl -s {ADDRESS}/v1/sandbox/executions --json '{body}'", call.server, call.nexus)
    call.keep("ARTIFACT_ID", made.stdout, "artifacts", 0, "id")
    call("get_artifact")


def keys(call):
    call("list_keys")
    made = call("create_key")
    call.keep("NEXUS_KEY", made, "key")
    call.keep("KEY_ID", call("create_key"), "id")  # the last key with the scope admin cannot be revoked
    call("delete_key")


# Generated pages ------------------------------------------------------------------------------------------------------

def test_generated_pages_are_what_the_program_would_make_of_them_now(nexus):
    assert generate_docs.stale(nexus) == [], "run scripts/generate_docs.py"


def test_every_operation_is_on_the_api_page(nexus):
    document = generate_docs.Document(generate_docs.Program(nexus))
    page = (ROOT / "docs/api.md").read_text()
    for method, path, operation in document.operations():
        assert f"### {operation['operationId']}\n" in page
        assert f"`{method} {path}`" in page


# Links ----------------------------------------------------------------------------------------------------------------

def anchors(page):
    """GitHub's: lower case, spaces to hyphens, the rest of the punctuation gone."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", prose(page), re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_anchors_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{name_of(page)}: {target}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{name_of(page)}: {target}"


def test_the_index_names_every_page():
    index = (ROOT / "docs/README.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        path = str(page.relative_to(ROOT / "docs"))
        if path != "README.md" and not re.match(r"decisions/\d", path):
            assert f"({path})" in index, path
    decisions = (ROOT / "docs/decisions/README.md").read_text()
    for page in (ROOT / "docs/decisions").glob("[0-9]*.md"):
        assert f"({page.name})" in decisions, page.name


# Two languages --------------------------------------------------------------------------------------------------------

def skeleton(page):
    text = page.read_text()
    levels = re.findall(r"^(#+) ", prose(page), re.M)
    code = [(b["info"], b["text"]) for b in blocks(page)]
    links = [t.replace("-ar.png", ".png") for t in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not t.startswith("README")]
    rows = len(re.findall(r"^\|", text, re.M))
    items = len(re.findall(r"^- ", prose(page), re.M))
    return levels, code, links, rows, items


def test_the_arabic_readme_follows_the_english_one():
    assert skeleton(ROOT / "README.ar.md") == skeleton(ROOT / "README.md")


def test_the_arabic_readme_is_set_from_right_to_left():
    text = (ROOT / "README.ar.md").read_text()
    assert text.startswith('<div dir="rtl" lang="ar">')
    assert text.count("<div") == text.count("</div>")


# Names ----------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def names(nexus):
    program = generate_docs.Program(nexus)
    verbs = generate_docs.verbs(program)
    flags = {v: set(re.findall(r"--([a-z][a-z-]*)", program(v, "--help"))) for v in verbs}
    options = json.loads(program("config", "--json"))
    return {"verbs": set(verbs), "flags": flags, "config": {o["flag"].removeprefix("--") for o in options},
            "options": {o["name"] for o in options}, "env": {o["env"] for o in options},
            "codes": {line.split()[0] for line in program("explain").splitlines()},
            "routes": json.loads(program("routes", "--json"))}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_verbs_and_flags_that_a_page_names_exist(page, names):
    for verb, rest in re.findall(r"(?:build/|`|\$ |^|=\S+ )nexus ([a-z][a-z-]*)([^\n`|;]*)", page.read_text(), re.M):
        if verb not in names["verbs"]:
            pytest.fail(f"{name_of(page)}: `nexus {verb}`")
        for flag in re.findall(r"(?<!\S)--([a-z][a-z-]*)", rest.split(" --json '")[0]):
            assert flag in names["flags"][verb] | names["config"] | {"url", "json", "home", "help"}, \
                f"{name_of(page)}: nexus {verb} --{flag}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_codes_and_variables_that_a_page_names_exist(page, names):
    text = page.read_text()
    for code in re.findall(r"\bNX-[A-Z]+(?:-[A-Z]+)*\b", text):
        assert code in names["codes"], f"{name_of(page)}: {code}"
    for variable in re.findall(r"\bNEXUS_[A-Z_]+\b", text):
        assert variable in names["env"] | {"NEXUS_URL", "NEXUS_KEY", "NEXUS_CACHE"}, f"{name_of(page)}: {variable}"
    groups = {o.split(".")[0] for o in names["options"] if "." in o}
    for option in re.findall(r"`([a-z]+\.[a-z_]+)`", text):
        if option.split(".")[0] in groups and option.split(".")[0] not in ("knowledge", "memory") and not option.endswith(".md"):
            assert option in names["options"], f"{name_of(page)}: {option}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_routes_that_a_page_names_exist(page, names):
    known = [re.compile("^" + re.sub(r"\\{\w+\\?\*?\\}", "[^/]+", re.escape(r["path"])) + "$") for r in names["routes"]]
    for path in re.findall(r"(?<![\w.])/v1/[\w/{}$.-]*[\w}]", page.read_text()):
        assert any(p.match(path) for p in known), f"{name_of(page)}: {path}"
