"""The text index beside tantivy, in one run, one thread, on the same passages and questions.

    bench/text_peers.py --data DIR [--n 100000] [--rounds 5]

Passages are made of three to six sentences each, drawn from the corpora below DIR (corpus.jsonl with title and text) with a
fixed seed; questions are those of queries.jsonl. Both engines answer with the ten best of an OR of all words. tantivy has
its default settings (titles and texts are fields; words in lower case), one writer thread and one segment at the end. Needs
tantivy (`pip install -r bench/text_peers.txt`) and `ninja -C build bench/bench_text`.
"""
import argparse
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

import tantivy

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build/bench/bench_text"


def passages(data, n):
    rng, titles, sentences = random.Random(7), [], []
    for corpus in sorted(data.rglob("corpus.jsonl")):
        if "arabic" in str(corpus):
            continue
        for line in corpus.open():
            d = json.loads(line)
            titles.append(d["title"])
            sentences += re.split(r"(?<=[.!?])\s+", d["text"])
    flat = [re.sub(r"\s+", " ", s) for s in sentences]
    return [(rng.choice(titles), " ".join(rng.choices(flat, k=rng.randint(3, 6)))) for _ in range(n)]


def questions(data):
    return [re.sub(r"\s+", " ", json.loads(line)["text"]) for file in sorted(data.rglob("queries.jsonl"))
            if "arabic" not in str(file) for line in file.open()]


class Tantivy:
    name = "tantivy"

    def __init__(self, dir, docs, queries):
        schema = tantivy.SchemaBuilder().add_text_field("title").add_text_field("text")
        schema = schema.add_integer_field("id", stored=True).build()
        start = time.monotonic()
        self.index = tantivy.Index(schema, path=str(dir))
        writer = self.index.writer(256_000_000, 1)
        for i, (title, text) in enumerate(docs):
            writer.add_document(tantivy.Document(id=i, title=title, text=text))
        writer.commit()
        writer.wait_merging_threads()
        self.build_s = time.monotonic() - start
        self.bytes = sum(f.stat().st_size for f in dir.iterdir())
        self.index.reload()
        self.searcher, self.queries = self.index.searcher(), queries

    def times(self):
        out = []
        for text in self.queries:
            start = time.monotonic()
            query, _ = self.index.parse_query_lenient(text, ["title", "text"])
            self.searcher.search(query, 10, count=False)
            out.append((time.monotonic() - start) * 1000)
        return out


class Ours:
    name = "NEXUS"

    def __init__(self, dir, docs, queries):
        (dir / "p").write_text("".join(f"{t}\t{x}\n" for t, x in docs))
        (dir / "q").write_text("".join(q + "\n" for q in queries))
        self.p = subprocess.Popen([PROGRAM, "--passages", dir / "p", "--queries", dir / "q"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        built = json.loads(self.p.stdout.readline())
        self.build_s, self.bytes = built["build_s"], built["bytes"]

    def times(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        return [r[0] / 1000 for r in json.loads(self.p.stdout.readline())]


def percentile(v, p):
    return sorted(v)[min(len(v) - 1, int(len(v) * p))]


def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--data", type=pathlib.Path, required=True)
    a.add_argument("--n", type=int, default=100000)
    a.add_argument("--rounds", type=int, default=5)
    o = a.parse_args()
    docs, queries = passages(o.data, o.n), questions(o.data)
    with tempfile.TemporaryDirectory() as d:
        engines = []
        for kind in (Ours, Tantivy):
            dir = pathlib.Path(d) / kind.name
            dir.mkdir()
            engines.append(kind(dir, docs, queries))
        rounds = {e.name: [] for e in engines}
        for _ in range(o.rounds):
            for e in engines:
                rounds[e.name].append(e.times())
    print(f"{len(docs)} passages, {len(queries)} questions; milliseconds (min median max of {o.rounds} rounds)",
          file=sys.stderr)
    result = {}
    for e in engines:
        row = {p: [percentile(t, p / 100) for t in rounds[e.name]] for p in (50, 99)}
        print(f"{e.name:8} build {e.build_s:6.1f} s {e.bytes / 1e6:7.1f} MB" + "".join(
            f"   p{p} {min(v):.2f} {statistics.median(v):.2f} {max(v):.2f}" for p, v in row.items()), file=sys.stderr)
        result[e.name] = {"build_s": round(e.build_s, 2), "bytes": e.bytes,
                          **{f"p{p}_ms": [round(x, 3) for x in (min(v), statistics.median(v), max(v))]
                             for p, v in row.items()}}
    print(json.dumps({"passages": len(docs), "questions": len(queries), "engines": result}))


main()
