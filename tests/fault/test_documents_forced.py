"""Foreign documents on a host that cannot isolate the program that reads them: they are refused, the others are not."""
from contextlib import closing

import pytest

from nexus_server import Client, Server


def test_a_host_that_isolates_nothing_reads_native_documents_alone(nexus, tmp_path):
    forced = {"NEXUS_FAULTS": "1000000000", "NEXUS_SANDBOX_FORCE": "no-namespaces,no-landlock"}
    try:
        s = Server(nexus, home=tmp_path / "home", env=forced)
    except RuntimeError:
        pytest.skip("this build has no fault points")

    def upload(c, name, content):
        return c.request("POST", "/v1/knowledge/documents", files=[("files", (name, content, "application/octet-stream"))])

    with closing(Client(s)) as c:
        r = upload(c, "a.html", "<p>text")
        assert r.status_code >= 400 and "cannot isolate" in r.json()["detail"] and "a.html" in r.json()["detail"], r.text
        assert c.get("/v1/knowledge/documents").json()["items"] == []
        assert upload(c, "a.csv", "a\nb\n").status_code == 200
    s.close()
