"""Images: imported from every form, verified, unpacked safely, run in."""
import base64
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from docker_engine import NoEngine, image_tar, shell_tar
from nexus_server import Client, Server

ROOT = Path(__file__).resolve().parent.parent.parent
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PACKAGES = ["numpy==2.4.3", "pandas==3.0.1", "matplotlib==3.10.8"]
NODE_PACKAGE = "lodash@4.17.21"


@pytest.fixture(scope="module")
def base():
    try:
        return image_tar()
    except NoEngine as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def small():
    return shell_tar()


@pytest.fixture(scope="module")
def served(nexus, tmp_path_factory):
    s = Server(nexus, home=tmp_path_factory.mktemp("images") / "home")
    c = Client(s)
    yield c
    c.close()
    s.close()


def tar_of(*entries):
    """(name, bytes) or a TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for e in entries:
            if isinstance(e, tarfile.TarInfo):
                tar.addfile(e)
                continue
            info = tarfile.TarInfo(e[0])
            info.size, info.mode = len(e[1]), 0o644
            tar.addfile(info, io.BytesIO(e[1]))
    return out.getvalue()


def special(name, kind, to="", mode=0o777):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, to, mode
    return info


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def python(served, base, tmp_path_factory):
    """The name of an image with this host's Python."""
    path = tmp_path_factory.mktemp("python") / "root.tar"
    path.write_bytes(base)
    assert bring(served, "python", path).status_code == 201
    path.unlink()
    return "python"


def layout(where, layers, arch=ARCH, pack=lambda x: gzip.compress(x, 1), config=None):
    """An OCI image layout with these layers, packed by gzip. Its digest."""
    blobs = where / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data):
        (blobs / digest(data)[7:]).write_bytes(data)
        return {"digest": digest(data), "size": len(data)}
    packed = [put(pack(x)) for x in layers]
    config = put(json.dumps({"architecture": arch, "os": "linux", "config": config or {},
                             "rootfs": {"type": "layers", "diff_ids": [digest(x) for x in layers]}}).encode())
    manifest = put(json.dumps({"schemaVersion": 2, "config": config, "layers": packed}).encode())
    (where / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (where / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
        {**manifest, "platform": {"os": "linux", "architecture": "other"}, "digest": "sha256:" + "0" * 64},
        {**manifest, "platform": {"os": "linux", "architecture": arch}}]}))
    return manifest["digest"]


def save(layers):
    """What `docker save` wrote before it wrote OCI layouts."""
    config = json.dumps({"architecture": ARCH, "os": "linux", "rootfs": {"diff_ids": [digest(x) for x in layers]}}).encode()
    name = digest(config)[7:] + ".json"
    return tar_of((name, config), *[(f"{i}/layer.tar", x) for i, x in enumerate(layers)],
                  ("manifest.json", json.dumps([{"Config": name, "RepoTags": ["x:1"],
                                                 "Layers": [f"{i}/layer.tar" for i in range(len(layers))]}]).encode()))


def zstd(data):
    return subprocess.run(["zstd", "-q", "-1", "-c"], input=data, capture_output=True, check=True).stdout


def bring(client, name, path):
    return client.post("/v1/sandbox/images", {"name": name, "path": str(path)})


def run(client, image, code, language="shell", **more):
    r = client.post("/v1/sandbox/executions", {"language": language, "code": code, "image": image, "policy": "off",
                                               "constraints": {"max_cpu_percent": 100}, **more})
    assert r.status_code == 200, r.text
    return r.json()


def test_an_oci_layout_with_layers_and_whiteouts(served, small, tmp_path):
    first = tar_of(("opt/a/one", b"1"), ("opt/a/two", b"2"), ("opt/gone/x", b"x"), ("opt/all/old", b"old"),
                   special("opt/link", tarfile.SYMTYPE, "/opt/a"))
    second = tar_of(("opt/a/.wh.one", b""), ("opt/.wh.gone", b""), ("opt/all/.wh..wh..opq", b""),
                    ("opt/all/new", b"new"), ("opt/link/three", b"3"))
    want = layout(tmp_path / "oci", [small, first, second])
    r = bring(served, "layers", tmp_path / "oci")
    assert r.status_code == 201 and r.json()["digest"] == want and r.json()["size"] > len(small) // 2, r.text
    got = run(served, "layers", "cd /opt; for f in */*; do echo $f $(cat $f); done; echo x >/opt/x; echo x >/usr/x")
    assert got["stdout"] == "a/three 3\na/two 2\nall/new new\nlink/three 3\nlink/two 2\n", got
    assert "Read-only" in got["stderr"]
    listed = {x["name"]: x for x in served.get("/v1/sandbox/images").json()["items"]}
    assert listed["layers"] == r.json()
    again = bring(served, "layers", tmp_path / "oci")
    assert again.status_code == 409 and again.json()["code"] == "NX-EXISTS"


def test_archives_of_every_kind(served, small, tmp_path):
    layout(tmp_path / "oci", [small])
    with tarfile.open(tmp_path / "oci.tar.gz", "w:gz", compresslevel=1) as tar:
        tar.add(tmp_path / "oci", arcname=".")
    (tmp_path / "saved.tar").write_bytes(save([small, tar_of(("opt/x", b"saved"))]))
    (tmp_path / "root.tar").write_bytes(small)
    for name in ("oci.tar.gz", "saved.tar", "root.tar"):
        r = bring(served, name.split(".")[0], tmp_path / name)
        assert r.status_code == 201, r.text
    assert run(served, "oci", "echo $0")["stdout"] == "/code/main.sh\n"
    assert run(served, "saved", "cat /opt/x")["stdout"] == "saved"
    assert run(served, "root", "echo root")["stdout"] == "root\n"
    r = served.post("/v1/sandbox/executions", {"language": "c", "code": "int main(){}", "image": "root"})
    assert r.status_code == 503 and r.json()["code"] == "NX-MISSING"
    assert served.delete("/v1/sandbox/images/root").status_code == 204
    r = served.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "image": "root"})
    assert r.status_code == 404 and r.json()["pointer"] == "/image"
    assert served.delete("/v1/sandbox/images/root").status_code == 404


def test_layers_with_hard_links_and_sparse_files_packed_by_zstd(served, small, tmp_path):
    if not shutil.which("zstd"):
        pytest.skip("there is no zstd here: apt-get install zstd")
    (tmp_path / "opt").mkdir()
    with open(tmp_path / "opt/sparse", "wb") as f:
        f.seek(5 << 20)
        f.write(b"end")
    (tmp_path / "opt/one").write_text("one")
    os.link(tmp_path / "opt/one", tmp_path / "opt/two")
    first = subprocess.run(["tar", "-C", tmp_path, "-S", "--format=gnu", "-cf", "-", "opt"], capture_output=True, check=True).stdout
    assert len(first) < 1 << 20
    out = tmp_path / "victim"
    out.write_text("whole")
    second = tar_of(special("opt/three", tarfile.LNKTYPE, "opt/one"), ("opt/.wh.two", b""))
    layout(tmp_path / "oci", [small, first, second], pack=zstd)
    r = bring(served, "links", tmp_path / "oci")
    assert r.status_code == 201, r.text
    got = run(served, "links", "cd /opt; cat one three; ls two 2>/dev/null; ls -l sparse | { read a b c d n e; echo $n; }; tail -c 3 sparse 2>/dev/null || dd if=sparse bs=1 skip=5242880 2>/dev/null")
    assert got["stdout"] == "oneone5242883\nend", got
    escape = tar_of(special("opt/up", tarfile.LNKTYPE, "../" * 30 + str(out)[1:]))
    layout(tmp_path / "evil", [small, escape], pack=zstd)
    assert bring(served, "evil-link", tmp_path / "evil").json()["code"] == "NX-PARSE"
    assert served.delete("/v1/sandbox/images/links").status_code == 204


def test_what_is_not_what_its_digest_says_is_refused(served, tmp_path):
    layers = [tar_of(("usr/bin/x", b"x"))]
    want = layout(tmp_path / "oci", layers)
    blobs = tmp_path / "oci/blobs/sha256"
    for victim in sorted(blobs.iterdir()):
        kept = victim.read_bytes()
        victim.write_bytes(kept + b" ")
        r = bring(served, "bad", tmp_path / "oci")
        assert r.status_code >= 400 and r.json()["code"] == "NX-CORRUPT", (victim, want, r.text)
        victim.unlink()
        assert bring(served, "bad", tmp_path / "oci").status_code >= 400
        victim.write_bytes(kept)
    saved = save(layers).replace(b"usr/bin/x", b"usr/bin/y")
    (tmp_path / "saved.tar").write_bytes(saved)
    assert bring(served, "bad", tmp_path / "saved.tar").json()["code"] == "NX-CORRUPT"
    layout(tmp_path / "other", layers, arch="vax")
    assert bring(served, "bad", tmp_path / "other").json()["code"] == "NX-UNSUPPORTED"
    home = served.server.home / "images"
    assert not list(home.glob("incoming-*")) and "bad" not in [x["name"] for x in served.get("/v1/sandbox/images").json()["items"]]


def test_layers_cannot_leave_their_place(served, small, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("whole")
    for i, (link, to, inside) in enumerate([("out", str(tmp_path), "victim"), ("proc", "/proc/1/root", "tmp/nexus-escape"),
                                            ("up", "../" * 20, f"{tmp_path}/victim"[1:])]):
        layout(tmp_path / f"link{i}", [tar_of(special("usr/" + link, tarfile.SYMTYPE, to), (f"usr/{link}/{inside}", b"broken"))])
        r = bring(served, f"link{i}", tmp_path / f"link{i}")  # refused, or unpacked inside
        assert victim.read_text() == "whole" and not Path("/tmp/nexus-escape").exists(), r.text
    evil = tar_of(special("usr/bin/su", tarfile.REGTYPE, mode=0o6755), special("usr/disk", tarfile.BLKTYPE),
                  special("usr/null", tarfile.CHRTYPE), special("usr/fifo", tarfile.FIFOTYPE),
                  special("etc/alternatives", tarfile.SYMTYPE, "/etc"), special("etc/fonts", tarfile.SYMTYPE, "/proc/1/root/etc"),
                  special("opt", tarfile.SYMTYPE, "/proc/1/root"), special("srv", tarfile.SYMTYPE, "/proc/self/root"))
    layout(tmp_path / "oci", [small, evil])
    r = bring(served, "evil", tmp_path / "oci")
    assert r.status_code == 201, r.text
    got = run(served, "evil", "test -x /usr/bin/su && ! test -u /usr/bin/su && ! test -g /usr/bin/su && echo plain\n"
              "for x in disk null fifo; do test -e /usr/$x && echo $x; done\n"
              "for p in /etc/alternatives /etc/fonts /opt/etc /srv/etc; do test -e $p/shadow && echo $p; done; true")
    assert got["stdout"] == "plain\n", got
    for bad in (("../x", b""), ("a/../../x", b"")):
        layout(tmp_path / bad[0].replace("/", "_"), [tar_of(bad)])
        assert bring(served, "bad", tmp_path / bad[0].replace("/", "_")).json()["code"] == "NX-PARSE"


def test_requests_that_make_no_sense(served, tenants, tmp_path):
    (tmp_path / "text").write_text("no archive" * 100)
    (tmp_path / "empty.tar").write_bytes(tar_of(("readme", b"x")))
    for name, path, code in [("a", "relative", "NX-INVALID"), ("a", tmp_path / "none", "NX-NOT-FOUND"), ("A/../b", "/", "NX-INVALID"),
                             ("a", tmp_path, "NX-INVALID"), ("a", tmp_path / "text", "NX-PARSE"),
                             ("a", tmp_path / "empty.tar", "NX-PARSE"), ("a", "/dev/zero", "NX-INVALID")]:
        r = bring(served, name, path)
        assert r.status_code >= 400 and r.json()["code"] == code, (name, path, r.text)
    assert bring(tenants.a, "a", tmp_path / "empty.tar").status_code == 403
    assert tenants.a.delete("/v1/sandbox/images/x").status_code == 403
    assert tenants.a.get("/v1/sandbox/images").json() == {"items": []}


def test_size_is_bounded(start, tmp_path):
    layout(tmp_path / "oci", [tar_of(("usr/big", bytes(3 << 20)))])
    s = start(args=["--sandbox-max-image-bytes", "2MiB"])
    c = Client(s)
    r = bring(c, "big", tmp_path / "oci")
    c.close()
    assert r.json()["code"] == "NX-LIMIT" and "sandbox.max_image_bytes" in r.json()["detail"], r.text
    assert not list((s.home / "images").iterdir())


def kept(server):
    return sorted(x.name for x in (server.home / "images").iterdir())


def test_a_server_killed_in_the_middle_of_an_import_leaves_nothing(nexus, tmp_path):
    with gzip.open(tmp_path / "big.tar.gz", "wb", compresslevel=1) as out:
        out.write(tar_of(("usr/big", bytes(256 << 20))))
    home = tmp_path / "home"
    s = Server(nexus, home=home)
    with closing(Client(s)) as c, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: pytest.raises(Exception, bring, c, "big", tmp_path / "big.tar.gz"))
        deadline = time.monotonic() + 20
        while not kept(s) and time.monotonic() < deadline:
            time.sleep(0.001)
        s.stop(kill=True)
        asked.result()
    assert len(kept(s)) == 1 and kept(s)[0].startswith("incoming-")
    s = Server(nexus, home=home)
    with closing(Client(s)) as c:
        assert c.get("/v1/sandbox/images").json() == {"items": []}
        deadline = time.monotonic() + 20
        while kept(s) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert kept(s) == []
    s.close()


def test_one_of_two_imports_under_a_name_is_refused(served, tmp_path):
    layout(tmp_path / "oci", [tar_of(("usr/big", bytes(8 << 20)))])
    before = kept(served.server)
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(lambda _: bring(served, "twice", tmp_path / "oci"), range(2)))
    assert sorted(r.status_code for r in got) == [201, 409], [r.text for r in got]
    assert len(kept(served.server)) == len(before) + 1
    assert served.delete("/v1/sandbox/images/twice").status_code == 204 and kept(served.server) == before


def test_an_image_goes_and_comes_back_under_the_same_name_while_a_program_runs_in_it(served, small, tmp_path):
    (tmp_path / "root.tar").write_bytes(small)
    layout(tmp_path / "oci", [small, tar_of(("opt/x", b"new"))])
    assert bring(served, "moving", tmp_path / "root.tar").status_code == 201
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, served, "moving", "echo >x; sleep 2; echo still here")
        time.sleep(1)
        assert served.delete("/v1/sandbox/images/moving").status_code == 204
        assert bring(served, "moving", tmp_path / "oci").status_code == 201
        assert run(served, "moving", "cat /opt/x")["stdout"] == "new"
        assert running.result()["stdout"] == "still here\n"
    assert served.delete("/v1/sandbox/images/moving").status_code == 204


def test_languages_of_an_image(served, python):
    got = {x["name"]: x for x in served.get(f"/v1/sandbox/languages?image={python}").json()["items"]}
    assert got["python"]["available"] and got["shell"]["available"] and got["python"]["version"] is None
    assert not got["c"]["available"] and got["c"]["package"] == "gcc libc6-dev"
    r = served.get("/v1/sandbox/languages?image=none")
    assert r.status_code == 404 and r.json()["code"] == "NX-NOT-FOUND"
    assert run(served, python, "print(6 * 7)", "python")["stdout"] == "42\n"


def test_the_command_line_and_images_survive_a_restart(nexus, small, tmp_path):
    (tmp_path / "root.tar").write_bytes(small)
    (tmp_path / "x.sh").write_text("echo $((1 + 2))")
    env = {"PATH": "/usr/bin:/bin", "NEXUS_HOME": str(tmp_path / "home"), "NEXUS_MODEL_EMBEDDING": "none", **{
        k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}

    def cli(*words):
        return subprocess.run([str(nexus), *words], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert "MiB" in cli("sandbox", "image", "import", "sh", "root.tar").stdout
    assert cli("sandbox", "image", "list").stdout.startswith("sh ")
    (tmp_path / "home/images/incoming-01900000-0000-7000-8000-000000000000/root").mkdir(parents=True)
    (tmp_path / "home/images/01900000-0000-7000-8000-000000000001").mkdir()
    got = cli("exec", "--image", "sh", "--cpu", "100", "x.sh")
    assert got.stdout == "3\n" and got.returncode == 0, got.stderr
    assert len(list((tmp_path / "home/images").iterdir())) == 1
    assert cli("sandbox", "image", "remove", "sh").stdout == "removed\n"
    assert cli("exec", "--image", "sh", "x.sh").returncode != 0


def test_a_directory_can_be_the_root_of_all_runs(start, base, tmp_path):
    root = tmp_path / "root"
    with tarfile.open(fileobj=io.BytesIO(base)) as tar:
        tar.extractall(root)
    (root / "opt").mkdir()
    (root / "opt/here").write_text("yes")
    s = start(args=["--sandbox-root", str(root)])
    c = Client(s)
    r = c.post("/v1/sandbox/executions", {"language": "python", "code": "print(open('/opt/here').read(), 6 * 7)"}).json()
    languages = {x["name"]: x for x in c.get("/v1/sandbox/languages").json()["items"]}
    c.close()
    assert r["status"] == "ok" and r["stdout"] == "yes 42\n", r
    assert languages["python"]["available"] and not languages["c"]["available"]


def test_a_session_in_an_image(served, python, tmp_path):
    layout(tmp_path / "oci", [tar_of(("usr/x", b"x"))])
    assert bring(served, "bare", tmp_path / "oci").status_code == 201
    asked = {"language": "python", "constraints": {"max_cpu_percent": 100}}
    r = served.post("/v1/sandbox/sessions", {**asked, "image": python})
    assert r.status_code == 201 and r.json()["image"] == python, r.text
    session = r.json()["id"]

    def cell(code, **more):
        return served.post("/v1/sandbox/executions", {"language": "python", "session_id": session, "code": code, **more})
    assert cell("import os\nx = sorted(os.listdir('/usr/bin'))").json()["status"] == "ok"
    got = cell("print('ls' in x, 'gcc' in x or 'apt-get' in x)").json()
    assert got["stdout"] == "True False\n", got
    r = cell("1", image=python)
    assert r.status_code >= 400 and r.json()["pointer"] == "/image", r.text
    listed = {s["id"]: s for s in served.get("/v1/sandbox/sessions").json()["items"]}
    assert listed[session]["image"] == python
    assert served.delete(f"/v1/sandbox/sessions/{session}").json()["state"] == "ended"
    r = served.post("/v1/sandbox/sessions", {**asked, "image": "none"})
    assert r.status_code == 404 and r.json()["pointer"] == "/image", r.text
    r = served.post("/v1/sandbox/sessions", {**asked, "image": "bare"})
    assert r.status_code == 503 and r.json()["code"] == "NX-MISSING", r.text
    plain = served.post("/v1/sandbox/sessions", asked).json()
    assert plain["image"] is None
    served.delete(f"/v1/sandbox/sessions/{plain['id']}")


def test_an_image_that_is_removed_stays_for_the_session_that_runs_in_it(served, base, tmp_path):
    (tmp_path / "root.tar").write_bytes(base)
    assert bring(served, "leaving", tmp_path / "root.tar").status_code == 201
    s = served.post("/v1/sandbox/sessions", {"language": "python", "image": "leaving"}).json()
    assert served.delete("/v1/sandbox/images/leaving").status_code == 204
    r = served.post("/v1/sandbox/executions", {"language": "python", "session_id": s["id"], "code": "print(6 * 7)"})
    assert r.json()["stdout"] == "42\n", r.text
    # what it has not opened yet is there, too, also for the second of two; it goes with the last of them
    left = kept(served.server)
    r = served.post("/v1/sandbox/executions", {"language": "python", "session_id": s["id"], "code": "import socket, json\nprint(json.dumps(1))"})
    assert r.json()["stdout"] == "1\n", r.text
    assert served.post("/v1/sandbox/sessions", {"language": "python", "image": "leaving"}).status_code == 404
    served.delete(f"/v1/sandbox/sessions/{s['id']}")
    deadline = time.monotonic() + 20
    while len(kept(served.server)) == len(left) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(kept(served.server)) == len(left) - 1 and not [x for x in kept(served.server) if x.startswith("incoming-")]


def test_an_image_that_waited_for_its_session_goes_with_the_next_start(nexus, base, tmp_path):
    (tmp_path / "root.tar").write_bytes(base)
    home = tmp_path / "home"
    s = Server(nexus, home=home)
    with closing(Client(s)) as c:
        assert bring(c, "waiting", tmp_path / "root.tar").status_code == 201
        assert c.post("/v1/sandbox/sessions", {"language": "python", "image": "waiting"}).status_code == 201
        assert c.delete("/v1/sandbox/images/waiting").status_code == 204
        assert len(kept(s)) == 1
        s.stop(kill=True)
    s = Server(nexus, home=home)
    with closing(Client(s)) as c:
        deadline = time.monotonic() + 20
        while kept(s) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert kept(s) == [] and c.get("/v1/sandbox/images").json() == {"items": []}
    s.close()


def test_two_sessions_share_an_image_that_is_removed(served, base, tmp_path):
    (tmp_path / "root.tar").write_bytes(base)
    before = kept(served.server)
    assert bring(served, "shared", tmp_path / "root.tar").status_code == 201
    one, two = (served.post("/v1/sandbox/sessions", {"language": "python", "image": "shared"}).json()["id"] for _ in range(2))
    assert served.delete("/v1/sandbox/images/shared").status_code == 204
    assert served.delete(f"/v1/sandbox/sessions/{one}").status_code == 200
    time.sleep(0.5)
    r = served.post("/v1/sandbox/executions", {"language": "python", "session_id": two, "code": "import decimal\nprint(decimal.Decimal(7))"})
    assert r.json()["stdout"] == "7\n", r.text
    assert served.delete(f"/v1/sandbox/sessions/{two}").status_code == 200
    deadline = time.monotonic() + 20
    while kept(served.server) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert kept(served.server) == before


def test_the_environment_of_an_image(served, small, tmp_path):
    env = ["PATH=/opt/bin:/usr/bin:/bin", "LANG=C", "APP=a b=c", "HOME=/root", "TMPDIR=/root", "HTTP_PROXY=http://192.0.2.1",
           "PYTHONPATH=/opt/py", "not a name=1", "none", "1X=1"]
    config = {"Env": env, "WorkingDir": "/opt", "User": "0", "Entrypoint": ["/bin/false"], "Cmd": ["false"]}
    layout(tmp_path / "oci", [small, tar_of(special("opt/bin/greet", tarfile.LNKTYPE, "usr/bin/true"))], config=config)
    r = bring(served, "env", tmp_path / "oci")
    assert r.status_code == 201, r.text
    got = run(served, "env", "command -v greet; env; pwd; id -u")["stdout"].splitlines()
    assert got[0] == "/opt/bin/greet" and got[-2].endswith("/work") and got[-1] != "0", got
    assert {"PATH=/opt/bin:/usr/bin:/bin", "LANG=C", "APP=a b=c", "HOME=/work", "TMPDIR=/tmp", "PYTHONPATH=/work:/opt/py"} <= set(got)
    assert not [x for x in got if x.startswith(("HTTP_PROXY", "not", "none", "1X"))], got
    for many in ([f"A{i}=1" for i in range(33)], [f"A{i}=" + "x" * 500 for i in range(5)]):
        where = tmp_path / str(len(many))
        layout(where, [small], config={"Env": many})
        r = bring(served, "many", where)
        assert r.status_code >= 400 and r.json()["code"] == "NX-LIMIT" and "32 variables" in r.json()["detail"], r.text
    most = [f"A{i}=" + "x" * 58 for i in range(32)]
    layout(tmp_path / "most", [small], config={"Env": most})
    assert bring(served, "most", tmp_path / "most").status_code == 201
    assert set(most) <= set(run(served, "most", "env")["stdout"].splitlines())
    for name in ("env", "most"):
        assert served.delete(f"/v1/sandbox/images/{name}").status_code == 204


def image_of(client, where, name, *layers, **config):
    layout(where / name, layers, config=config)
    r = bring(client, name, where / name)
    assert r.status_code == 201, r.text
    return name


def test_the_user_and_the_directory_of_an_image_are_not_the_programs(served, small, tmp_path):
    """Whatever an image asks for, a program is the sandbox's user in /work, and reads what the image holds."""
    def entry(name, text, mode, uid):
        info = special(name, tarfile.REGTYPE, mode=mode)
        info.uid = info.gid = uid
        info.size = len(text)
        return info, text

    def owned(*entries):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for info, text in entries:
                tar.addfile(info, io.BytesIO(text))
        return out.getvalue()
    files = owned(entry("opt/app/roots", b"roots\n", 0o600, 0), entry("opt/app/theirs", b"theirs\n", 0o640, 4242),
                  entry("opt/app/mine", b"mine\n", 0o600, 1000), entry("opt/app/tool", b"#!/bin/sh\necho tool\n", 0o700, 4242))
    code = ("echo $HOME; id -u; id -g; id -un 2>/dev/null || echo sandbox; cd /work && echo kept >kept; cd /opt/app\n"
            "cat roots theirs mine; ./tool; for f in roots mine tool new; do echo x 2>/dev/null >$f && echo wrote $f; done; true")
    want = "/work\n1000\n1000\nsandbox\nroots\ntheirs\nmine\ntool\n"
    for i, user in enumerate(["", "0", "4242:4242", "nobody", "no such user", "1000"]):
        name = image_of(served, tmp_path, f"user{i}", small, files, User=user, WorkingDir="/opt/app" if i % 2 else "/not/there")
        got = run(served, name, 'test "$(realpath . 2>/dev/null || pwd)" -ef /work && echo here; ' + code)
        assert got["status"] == "ok" and got["stdout"] == "here\n" + want, (user, got)
        assert [f["path"] for f in got["artifacts"]] == ["kept"], got
        assert served.delete(f"/v1/sandbox/images/{name}").status_code == 204


def test_a_session_and_its_terminal_in_an_image_are_the_sandboxs_user_in_work(served, base, tmp_path):
    name = image_of(served, tmp_path, "sessions-user", base, User="0:0", WorkingDir="/usr", Env=["APP=here"])
    s = served.post("/v1/sandbox/sessions", {"language": "python", "image": name}).json()
    got = served.post("/v1/sandbox/executions", {"language": "python", "session_id": s["id"], "policy": "off", "code":
                      "import os\nprint(os.getuid(), os.path.samefile('.', '/work'), os.environ['HOME'], os.environ['APP'])"}).json()
    assert got["stdout"] == "1000 True /work here\n", got
    t = served.post(f"/v1/sandbox/sessions/{s['id']}/terminal", {"command": ["sh", "-c", "test . -ef /work && echo $HOME $APP $(id -u)"]})
    assert t.status_code == 201, t.text
    where = f"/v1/sandbox/sessions/{s['id']}/processes/{t.json()['id']}"
    deadline = time.monotonic() + 20
    while served.get(where).json()["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert served.get(where + "/output").json()["text"] == "/work here 1000\r\n"
    assert served.delete(f"/v1/sandbox/sessions/{s['id']}").status_code == 200
    assert served.delete(f"/v1/sandbox/images/{name}").status_code == 204


@pytest.mark.parametrize("config,code,says", [
    ({"WorkingDir": 7}, "NX-PARSE", "`WorkingDir`"), ({"WorkingDir": ["/"]}, "NX-PARSE", "`WorkingDir`"),
    ({"WorkingDir": "opt"}, "NX-PARSE", "relative: opt"), ({"WorkingDir": "/" + "x" * 4095}, "NX-LIMIT", "4096 bytes"),
    ({"WorkingDir": "/a\0b"}, "NX-ENCODING", "\\u0000"), ({"User": 0}, "NX-PARSE", "`User`"), ({"User": "a" * 300}, "NX-LIMIT", "`User`"),
    ({"User": "ro\0ot"}, "NX-ENCODING", "\\u0000"), ({"Env": "A=1"}, "NX-PARSE", "`Env`"), ({"Env": {"A": "1"}}, "NX-PARSE", "`Env`"),
    ({"Env": ["A=1", 7]}, "NX-PARSE", "variable 2"), ({"Env": ["A=b\0c"]}, "NX-ENCODING", "\\u0000"),
    ({"Env": ["A=" + "x" * 1023]}, "NX-LIMIT", "variable 1"), ({"Env": ["A=" + "x" * (5 << 20)]}, "NX-PARSE", "too large"),
    ([1], "NX-PARSE", "`config`"), ("x", "NX-PARSE", "`config`"),
], ids=lambda v: str(v)[:40].replace("\0", "NUL") if not isinstance(v, str) or v == "x" else "")
def test_a_configuration_that_makes_no_sense_is_refused(served, tmp_path, config, code, says):
    before = kept(served.server)
    layout(tmp_path / "oci", [tar_of(("usr/x", b"x"))], config=config)
    r = bring(served, "wrong", tmp_path / "oci")
    assert r.status_code >= 400 and r.json()["code"] == code and says in r.json()["detail"], r.text
    assert kept(served.server) == before


def test_files_are_granted_to_a_program_in_an_image(start, small, tmp_path):
    import tempfile
    with tempfile.TemporaryDirectory(prefix="nexus-grant-", dir="/var") as granted:
        os.chmod(granted, 0o755)
        (Path(granted) / "in").mkdir()
        (Path(granted) / "in/a").write_text("given")
        link = granted.strip("/").split("/")[0]
        (tmp_path / "root.tar").write_bytes(small)
        s = start(args=["--sandbox-read-roots", granted])
        with closing(Client(s)) as c:
            assert bring(c, "small", tmp_path / "root.tar").status_code == 201
            got = run(c, "small", f"cat {granted}/in/a; echo x >{granted}/in/b", constraints={
                "max_cpu_percent": 100, "file_system_access": {"read": [f"{granted}/in"]}})
            assert got["stdout"] == "given" and "Read-only" in got["stderr"], got
            # an image that has a link of that name at its top does not lead it elsewhere
            layout(tmp_path / "oci", [small, tar_of(special(link, tarfile.SYMTYPE, "/usr"))])
            assert bring(c, "linked", tmp_path / "oci").status_code == 201
            got = run(c, "linked", f"cat {granted}/in/a", constraints={
                "max_cpu_percent": 100, "file_system_access": {"read": [f"{granted}/in"]}})
            assert got["stdout"] == "given", got


@pytest.fixture(scope="module")
def packages():
    """numpy, pandas, matplotlib by pip and a package by npm, kept beside the other downloads."""
    kept = ROOT / ".deps" / "sandbox-packages"
    version = subprocess.run(["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                             capture_output=True, text=True).stdout.strip()
    if not version:
        pytest.skip("there is no /usr/bin/python3")
    stamp = " ".join([version, *PACKAGES, NODE_PACKAGE])
    if (kept / "stamp").exists() and (kept / "stamp").read_text() == stamp:
        return kept
    work = kept.with_name(f"sandbox-packages.{os.getpid()}")
    r = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", work / "python",
                        "--only-binary=:all:", "--python-version", version, "--implementation", "cp", *PACKAGES],
                       capture_output=True, text=True)
    if r.returncode == 0 and shutil.which("npm"):
        r = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", work / "node", NODE_PACKAGE],
                           capture_output=True, text=True)
    if r.returncode != 0:
        shutil.rmtree(work, ignore_errors=True)
        pytest.skip("the packages cannot be fetched here: " + r.stderr.strip()[-300:])
    (work / "stamp").write_text(stamp)
    shutil.rmtree(kept, ignore_errors=True)
    work.rename(kept)
    return kept


@pytest.fixture(scope="module")
def science(served, base, packages, tmp_path_factory):
    from docker_engine import _libraries
    path = tmp_path_factory.mktemp("science") / "layer.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(packages / "python", arcname="usr/lib/python3/dist-packages",
                filter=lambda m: None if "__pycache__" in m.name or m.name.endswith(("/tests", "/include")) else m)
        if Path("/usr/bin/node").exists() and (packages / "node").exists():
            for file in sorted({"/usr/bin/node", *_libraries(["/usr/bin/node"])}):
                info = tar.gettarinfo(os.path.realpath(file), arcname=(file if file.startswith("/usr") else "/usr" + file)[1:])
                with open(os.path.realpath(file), "rb") as f:
                    tar.addfile(info, f)
            tar.add(packages / "node/node_modules", arcname="usr/lib/node_modules")
    whole = path.with_name("oci")
    layout(whole, [base, path.read_bytes()], pack=lambda x: x)
    r = bring(served, "science", whole)
    shutil.rmtree(whole)
    path.unlink()
    assert r.status_code == 201, r.text
    return served


def test_numpy_pandas_and_matplotlib_work(science):
    csv = base64.b64encode(b"city,year,people\n" + b"".join(b"c%d,%d,%d\n" % (i % 7, 2000 + i // 7, i * i) for i in range(140))).decode()
    got = run(science, "science", """
import numpy as np, pandas as pd
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
d = pd.read_csv("people.csv")
total = d.groupby("year").people.sum()
slope, offset = np.polyfit(total.index, total.values, 1)
print(len(d), int(total.sum()), round(float(slope), 3), bool(np.allclose(np.linalg.inv(np.eye(9) * 2), np.eye(9) / 2)))
total.plot(kind="bar")
plt.savefig("plot.png")
""", "python", files=[{"path": "people.csv", "content_base64": csv}],
              constraints={"max_cpu_percent": 200, "max_memory_mb": 1024, "max_execution_time_s": 120})
    assert got["status"] == "ok" and got["stdout"].split()[:2] == ["140", str(sum(i * i for i in range(140)))], got
    assert got["stdout"].split()[3] == "True"
    kept = {f["path"]: f for f in got["artifacts"]}
    assert kept["plot.png"]["mime"] == "image/png" and kept["plot.png"]["size"] > 1000
    png = science.get(f"/v1/sandbox/artifacts/{kept['plot.png']['id']}").content
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and png[12:16] == b"IHDR"


def test_node_runs_a_real_package(science, packages):
    if not Path("/usr/bin/node").exists() or not (packages / "node").exists():
        pytest.skip("there is no /usr/bin/node here: apt-get install nodejs npm")
    got = run(science, "science", "const _ = require('lodash'); console.log(JSON.stringify(_.groupBy([1.2, 1.8, 2.1], Math.floor)))",
              "javascript", constraints={"max_cpu_percent": 200, "max_memory_mb": 512})
    assert got["status"] == "ok" and got["stdout"] == '{"1":[1.2,1.8],"2":[2.1]}\n', got
