"""An import that fails on its way leaves neither files nor a row, and works when it is asked again."""
import io
import tarfile
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
