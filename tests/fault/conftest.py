"""Crash and fault tests drive the same server, through the same client, as the API tests."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "api"))


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="every fault point that a flow passes, not a sample of them")
    parser.addoption("--count", type=int, default=20, help="how often the server is killed (default: 20)")
