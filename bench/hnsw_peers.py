"""The vector index beside hnswlib, faiss and usearch, in one run, one thread, on the same vectors.

    bench/hnsw_peers.py [--store FILE] [--n 200000] [--rounds 5] [--seconds 1] [--only NAME,…]

Vectors are clustered Gaussians of 384 dimensions, or, with --store, those of a NEXUS database (SQLite). 1,000 of them are
kept back as queries. Each engine is built once with M 16 and ef_construction 200 (ours: its defaults); the smallest beam
that reaches each recall is found, and then all engines are timed in turn, --rounds times. Needs numpy, hnswlib, faiss-cpu
and usearch (`pip install -r bench/hnsw_peers.txt`), and `ninja -C build bench/bench_hnsw`.
"""
import argparse
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import faiss  # noqa: E402
import hnswlib  # noqa: E402
import numpy as np  # noqa: E402
from usearch.index import Index  # noqa: E402

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build/bench/bench_hnsw"
GOALS = (0.90, 0.95, 0.99)
BEAMS = (10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 100, 130, 160, 200, 300, 400, 600)
K, M, EF_BUILD = 10, 16, 200


def clustered(n, dims=384, clusters=2000):
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((clusters, dims)).astype("f4")
    x = centres[rng.integers(0, clusters, n)] + 0.8 * rng.standard_normal((n, dims)).astype("f4")
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def stored(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        rows = [np.frombuffer(r[0], "f4") for r in db.execute("SELECT vector FROM embeddings WHERE owner_kind = 'chunk'")]
    x = np.unique(np.stack(rows), axis=0)
    return np.random.default_rng(7).permutation(x / np.linalg.norm(x, axis=1, keepdims=True))


def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096


class Peer:
    """An index in this process. `search(ef)` gives the ten nearest of every query."""

    def __init__(self, x, q, truth):
        self.q, self.truth = q, truth
        before, start = resident(), time.monotonic()
        self.build(x)
        self.build_s, self.bytes = time.monotonic() - start, (resident() - before) / len(x)

    def measure(self, ef, seconds):
        found = self.search(ef)
        recall = np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, self.truth)]) / K
        start, done = time.monotonic(), 0
        while time.monotonic() - start < seconds:
            self.search(ef)
            done += len(self.q)
        return recall, done / (time.monotonic() - start) if done else 0

    def close(self):
        pass


class Hnswlib(Peer):
    name = "hnswlib f32"

    def build(self, x):
        self.p = hnswlib.Index("ip", x.shape[1])
        self.p.init_index(len(x), ef_construction=EF_BUILD, M=M)
        self.p.set_num_threads(1)
        self.p.add_items(x, num_threads=1)

    def search(self, ef):
        self.p.set_ef(ef)
        return self.p.knn_query(self.q, K, num_threads=1)[0]


class Faiss(Peer):
    name = "faiss HNSW SQ8"

    def build(self, x):
        faiss.omp_set_num_threads(1)
        self.p = faiss.IndexHNSWSQ(x.shape[1], faiss.ScalarQuantizer.QT_8bit, M, faiss.METRIC_INNER_PRODUCT)
        self.p.hnsw.efConstruction = EF_BUILD
        self.p.train(x[:20000])
        self.p.add(x)

    def search(self, ef):
        self.p.hnsw.efSearch = ef
        return self.p.search(self.q, K)[1]


class Usearch(Peer):
    name = "usearch bf16"

    def build(self, x):
        self.p = Index(ndim=x.shape[1], metric="ip", dtype="bf16", connectivity=M, expansion_add=EF_BUILD,
                       expansion_search=64)
        self.p.add(np.arange(len(x)), x, threads=1)

    def search(self, ef):
        self.p.expansion_search = ef
        return self.p.search(self.q, K, threads=1).keys


class Ours:
    def __init__(self, kept, files, dims):
        self.name = f"NEXUS {kept}"
        self.p = subprocess.Popen([PROGRAM, "--vectors", files[0], "--queries", files[1], "--truth", files[2], "--dims",
                                   str(dims), "--kept", kept], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        built = json.loads(self.p.stdout.readline())
        self.build_s, self.bytes = built["build_s"], built["bytes"]

    def measure(self, ef, seconds):
        self.p.stdin.write(f"{ef} {seconds}\n")
        self.p.stdin.flush()
        r = json.loads(self.p.stdout.readline())
        return r["recall"], r["qps"]

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def smallest_beam(engine, goal):
    return next((ef for ef in BEAMS if engine.measure(ef, 0)[0] >= goal), None)


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--store")
    a.add_argument("--n", type=int, default=200000)
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--seconds", type=float, default=1)
    a.add_argument("--only", default="hnswlib,faiss,usearch,codes,bf16,f32")
    o = a.parse_args()
    x = stored(o.store) if o.store else clustered(o.n + 1000)
    held = min(1000, len(x) // 10)
    q, x = np.ascontiguousarray(x[:held], "f4"), np.ascontiguousarray(x[held:], "f4")
    truth = np.argsort(-(q @ x.T), axis=1)[:, :K].astype("i4")
    with tempfile.TemporaryDirectory() as d:
        files = [f"{d}/{name}" for name in ("x", "q", "t")]
        for array, name in zip((x, q, truth), files):
            array.tofile(name)
        engines = []
        for name in o.only.split(","):
            peer = {"hnswlib": Hnswlib, "faiss": Faiss, "usearch": Usearch}.get(name)
            engines.append(peer(x, q, truth) if peer else Ours(name, files, x.shape[1]))
            say(f"{engines[-1].name:16} built in {engines[-1].build_s:.0f} s, {engines[-1].bytes:.0f} bytes a vector")
        report(o, x, engines)


def report(o, x, engines):
    beams = {(e.name, g): smallest_beam(e, g) for e in engines for g in GOALS}
    qps = {key: [] for key in beams}
    for _ in range(o.rounds):
        for g in GOALS:
            for e in engines:
                if beams[e.name, g]:
                    qps[e.name, g].append(e.measure(beams[e.name, g], o.seconds)[1])
    say(f"\n{len(x)} vectors of {x.shape[1]} dimensions; queries a second at recall@10 (min median max)")
    say(f"{'engine':16} {'build':>6} {'bytes':>6}" + "".join(f"{g:>26}" for g in GOALS))
    for e in engines:
        cells = [f"{min(v):7.0f}{statistics.median(v):7.0f}{max(v):7.0f} ef{beams[e.name, g]:<3}" if
                 (v := qps[e.name, g]) else "-" for g in GOALS]
        say(f"{e.name:16} {e.build_s:5.0f}s {e.bytes:6.0f}" + "".join(f"{c:>26}" for c in cells))
    print(json.dumps({"n": len(x), "dims": x.shape[1], "engines": {e.name: {
        "build_s": round(e.build_s, 1), "bytes": round(e.bytes),
        "qps": {str(g): [round(min(v)), round(statistics.median(v)), round(max(v))]
                for g in GOALS if (v := qps[e.name, g])}} for e in engines}}))
    for e in engines:
        e.close()


main()
