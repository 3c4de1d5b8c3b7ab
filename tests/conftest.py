"""Which program the tests drive: pytest --build build-asan tests/api takes the one of that build directory."""
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption("--build", default="build", help="build directory whose nexus is tested (default: build)")


@pytest.fixture(scope="session")
def build_dir(request):
    return (ROOT / request.config.getoption("--build")).resolve()


@pytest.fixture(scope="session")
def nexus(build_dir):
    """Path of the program."""
    program = build_dir / "nexus"
    assert program.exists(), f"{program} is not there: make"
    return program
