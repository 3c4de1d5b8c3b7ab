"""An import that fails on its way leaves neither files nor a row, and works when it is asked again."""
import io
import tarfile
import time
from contextlib import closing

import pytest
from nexus_server import Client, Server


@pytest.mark.parametrize("point", [1, 2, 3])  # its directory, before and after the rename
def test_an_import_that_fails_leaves_nothing(nexus, tmp_path, point):
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        info = tarfile.TarInfo("usr/x")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    body = {"name": "x", "path": str(tmp_path / "root.tar")}
    try:
        s = Server(nexus, home=tmp_path / "home", env={"NEXUS_FAULTS": f"sandbox_image={point}"})
    except RuntimeError:
        pytest.skip("this build has no fault points")
    with closing(Client(s)) as c:
        r = c.post("/v1/sandbox/images", body)
        assert r.status_code >= 500 and r.json()["code"] == "NX-IO", r.text
        assert not list((s.home / "images").iterdir()) and c.get("/v1/sandbox/images").json() == {"items": []}
        assert c.post("/v1/sandbox/images", body).status_code == 201
        assert len(list((s.home / "images").iterdir())) == 1
    s.close()


def test_a_removal_that_fails_is_finished_by_the_next_start(nexus, tmp_path):
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        info = tarfile.TarInfo("usr/x")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    try:
        s = Server(nexus, home=tmp_path / "home", env={"NEXUS_FAULTS": "sandbox_image=4"})  # after the three of the import
    except RuntimeError:
        pytest.skip("this build has no fault points")
    with closing(Client(s)) as c:
        assert c.post("/v1/sandbox/images", {"name": "x", "path": str(tmp_path / "root.tar")}).status_code == 201
        assert c.delete("/v1/sandbox/images/x").json()["code"] == "NX-IO"
        assert c.get("/v1/sandbox/images").json() == {"items": []}
        assert len(list((s.home / "images").iterdir())) == 1
    s.stop()
    s = Server(nexus, home=tmp_path / "home")
    deadline = time.monotonic() + 20
    while list((s.home / "images").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list((s.home / "images").iterdir())
    s.close()


def tar_of(tmp_path, shell):
    """A root whose shell is this text."""
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        for name in ("usr/bin/sh", "usr/bin/bash"):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(shell), 0o755
            tar.addfile(info, io.BytesIO(shell))
        for name in ("bin", "lib", "lib64"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "usr/" + name
            tar.addfile(info)
    return {"name": "x", "path": str(tmp_path / "root.tar")}


@pytest.mark.parametrize("forced", ["no-landlock", "no-landlock,no-userns", ""])
def test_an_image_cannot_start_the_program_of_the_server(nexus, tmp_path, forced):
    """runc's CVE-2019-5736: its interpreter is a script that names what execs it."""
    s = Server(nexus, home=tmp_path / "home", env={"NEXUS_SANDBOX_FORCE": forced})
    with closing(Client(s)) as c:
        for interpreter in (b"#!/proc/self/exe\n", b"#!/proc/self/exe --version\n"):
            assert c.post("/v1/sandbox/images", tar_of(tmp_path, interpreter)).status_code == 201
            r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "image": "x"})
            assert "nexus" not in r.json().get("stdout", "") + r.json().get("stderr", ""), r.text
            assert "exec" in r.text and "ermission denied" in r.text, r.text
            assert c.delete("/v1/sandbox/images/x").status_code == 204
        r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "echo $((6 * 7))"}).json()
        assert r["stdout"] == "42\n", r
    s.close()


def test_what_cannot_be_kept_from_an_image_runs_none(nexus, tmp_path):
    try:
        s = Server(nexus, home=tmp_path / "home", env={"NEXUS_SANDBOX_FORCE": "no-landlock", "NEXUS_FAULTS": "sandbox_seal=1"})
    except RuntimeError:
        pytest.skip("this build has no fault points")
    with closing(Client(s)) as c:
        assert c.post("/v1/sandbox/images", tar_of(tmp_path, b"#!/proc/self/exe\n")).status_code == 201
        r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "true", "image": "x"})
        assert "hide this program from an image" in r.text and "stdout" not in r.json(), r.text
        r = c.post("/v1/sandbox/executions", {"language": "shell", "code": "echo $((6 * 7))"}).json()
        assert r["stdout"] == "42\n", r
    s.close()
