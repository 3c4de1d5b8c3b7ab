"""Fixtures of the API tests. Servers are shared by a session where nothing in a test can hurt another."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nexus_server import Client, Server, routes  # noqa: E402

ALL_SCOPES = ["admin"]


def pytest_collection_modifyitems(session, config, items):
    """What looks back on the whole session comes last."""
    items.sort(key=lambda item: item.path.name == "test_zz_coverage.py")


@pytest.fixture(scope="session")
def server(nexus):
    """A server without keys."""
    s = Server(nexus)
    yield s
    s.close()


@pytest.fixture(scope="session")
def client(server):
    c = Client(server)
    yield c
    c.close()


class Tenants:
    """A server with keys: an admin's, and two tenants' with one key for each scope."""

    def __init__(self, program):
        self.server = Server(program)
        self.open = Client(self.server)
        first = self.open.post("/v1/keys", {"name": "root", "scopes": ["admin"]})
        assert first.status_code == 201, first.text
        self.admin = self.open.with_key(first.json()["key"])
        self.a = self.tenant("a")
        self.b = self.tenant("b")

    def tenant(self, name, scopes=("admin",), user=None):
        body = {"name": f"key of {name}", "scopes": list(scopes), "tenant": name, "user_id": user}
        made = self.admin.post("/v1/keys", body)
        assert made.status_code == 201, made.text
        return self.open.with_key(made.json()["key"])


@pytest.fixture(scope="session")
def tenants(nexus):
    t = Tenants(nexus)
    yield t
    t.server.close()


@pytest.fixture(scope="session")
def route_table(nexus):
    return routes(nexus)


@pytest.fixture
def start(nexus):
    """start(**kw) → a server of the test's own."""
    servers = []

    def make(**kw):
        s = Server(nexus, **kw)
        servers.append(s)
        return s

    yield make
    for s in servers:
        if s.process.poll() is None:
            s.close()
