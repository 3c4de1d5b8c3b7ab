"""The last test: was every operation of the document exercised?"""
from pathlib import Path

import pytest
from nexus_server import Client

HERE = Path(__file__).parent


def test_every_operation_was_exercised(client, request):
    ran = {item.path.name for item in request.session.items}
    if not {p.name for p in HERE.glob("test_*.py")} <= ran or request.config.getoption("keyword"):
        pytest.skip("only part of the API tests ran")
    missing = client.contract.operations() - Client.seen
    assert not missing, f"never exercised: {sorted(missing)}"
