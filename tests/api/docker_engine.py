"""A Docker engine of the tests' own, with one small image made of this host's Python, and a registry on loopback."""
import base64
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import httpx

API = "/v1.41"
IMAGE = "nexus-test:1"
PROGRAMS = ["sh", "dash", "bash", "cat", "sleep", "head", "dd", "env", "id", "ls", "kill", "mkdir", "ln", "true"]
PYTHON_LEFT_OUT = {"__pycache__", "test", "idlelib", "lib2to3", "tkinter", "ensurepip", "turtledemo"}


class NoEngine(Exception):
    """Why there is no engine here."""


def _libraries(files):
    """What the loader would map for these programs."""
    text = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    return {word for line in text.splitlines() for word in line.split() if word.startswith("/") and not word.endswith(":")}


def _add_programs(tar, programs, modules=()):
    for name in ("bin", "lib", "lib64"):
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, "usr/" + name
        tar.addfile(link)
    for path in sorted({*map(str, programs), *_libraries([*map(str, programs), *map(str, modules)])}):
        at = path if path.startswith("/usr") else "/usr" + path
        info = tar.gettarinfo(os.path.realpath(path), arcname=at[1:])
        with open(os.path.realpath(path), "rb") as f:
            tar.addfile(info, f)


def shell_tar():
    """A root file system of a few megabytes: merged /usr, a shell, a few tools."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add_programs(tar, [p for p in (Path("/usr/bin") / p for p in PROGRAMS) if p.exists()])
    return out.getvalue()


def image_tar():
    """A root file system: merged /usr, an interpreter with its library, a shell, a few tools."""
    python = Path("/usr/bin/python3").resolve()
    if not python.exists():
        raise NoEngine("there is no /usr/bin/python3 to make an image of")
    library = Path("/usr/lib") / python.name
    programs = [Path("/usr/bin") / p for p in PROGRAMS if (Path("/usr/bin") / p).exists()] + [python]
    modules = list((library / "lib-dynload").glob("*.so"))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add_programs(tar, programs, modules)
        link = tarfile.TarInfo("usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, python.name
        tar.addfile(link)
        tar.add(library, arcname=str(library)[1:],
                filter=lambda t: None if Path(t.name).name in PYTHON_LEFT_OUT or "/config-" in t.name else t)
    return out.getvalue()


class Engine:
    """`dockerd` on a socket and a directory of its own; stopped by its pid."""

    def __init__(self):
        if os.geteuid() != 0:
            raise NoEngine("an engine needs root")
        if not shutil.which("dockerd"):
            raise NoEngine("dockerd is not installed: apt-get install docker.io")
        self.dir = Path(tempfile.mkdtemp(prefix="nxd-"))  # short: containerd's socket lies below it
        self.socket = self.dir / "s"
        self.process = self.registry = None
        try:
            self._start()
            self.http = httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://docker" + API,
                                     timeout=60)
            r = self.http.post("/images/create", params={"fromSrc": "-", "repo": "nexus-test", "tag": "1"},
                               content=image_tar(), headers={"Content-Type": "application/x-tar"})
            if r.status_code != 200:
                raise NoEngine(f"the image could not be made: {r.text}")
        except BaseException:
            self.close()
            raise

    def _start(self):
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--data-root", self.dir / "data",
                 "--exec-root", self.dir / "run", "--pidfile", self.dir / "pid", "-H", f"unix://{self.socket}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket))) as c:
                    if c.get("http://docker/_ping").status_code == 200:
                        return
            except httpx.HTTPError:
                time.sleep(0.05)
        last = (self.dir / "log").read_text(errors="replace").strip().splitlines()[-1:]
        raise NoEngine(f"dockerd does not start here: {' '.join(last)[-300:]}")

    def containers(self):
        return self.http.get("/containers/json", params={"all": 1}).json()

    def volumes(self):
        return self.http.get("/volumes").json()["Volumes"] or []

    def push_to_registry(self):
        """Starts a registry, moves the image there and forgets it here. Its name there."""
        if not shutil.which("docker-registry"):
            raise NoEngine("docker-registry is not installed: apt-get install docker-registry")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        config = self.dir / "registry.yml"
        config.write_text(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {self.dir}/registry\n"
                          f"http:\n  addr: 127.0.0.1:{port}\n")
        with open(self.dir / "registry.log", "wb") as log:
            self.registry = subprocess.Popen(["docker-registry", "serve", config], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v2/")
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline and self.registry.poll() is None, "the registry does not start"
                time.sleep(0.05)
        name = f"127.0.0.1:{port}/nexus-test"
        assert self.http.post(f"/images/{IMAGE}/tag", params={"repo": name, "tag": "1"}).status_code == 201
        r = self.http.post(f"/images/{name}/push", params={"tag": "1"},
                           headers={"X-Registry-Auth": base64.b64encode(b"{}").decode()})
        assert r.status_code == 200 and '"error"' not in r.text, r.text
        assert self.http.delete(f"/images/{name}:1").status_code == 200
        return name + ":1"

    def close(self):
        for p in (self.registry, self.process):
            if p and p.poll() is None:
                p.send_signal(signal.SIGTERM)
                try:
                    p.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
