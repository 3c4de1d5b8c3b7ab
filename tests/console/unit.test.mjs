/** The console's own logic without a page: decoding, quoting, figures, layouts. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { before, test } from "node:test";
import { root } from "./harness.mjs";

let m;
before(async () => {
  const esbuild = createRequire(join(root, "console/package.json"))("esbuild");
  const names = ["sse", "equivalents", "metrics", "taskstate", "ui/graph", "ui/steps", "ui/text", "ui/terminal", "router", "i18n"];
  const { outputFiles } = await esbuild.build({
    stdin: { contents: names.map((n) => `export * from "./${n}";`).join("\n"), resolveDir: join(root, "console/src"), loader: "ts" },
    bundle: true, write: false, format: "esm", target: "es2022", jsx: "automatic", jsxImportSource: "preact", logLevel: "error",
  });
  const stubs = { navigator: { languages: ["en"] }, document: { documentElement: { dataset: {} } }, addEventListener() {},
    location: { origin: "http://127.0.0.1:8600", hash: "" } };
  for (const [name, value] of Object.entries(stubs)) Object.defineProperty(globalThis, name, { value, configurable: true });
  m = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
});

test("events are decoded whatever way the bytes are cut", () => {
  const text = ": hello\n\nid: 7\nevent: task.accepted\ndata: {\"a\":\ndata: 1}\n\nid: 8\r\ndata:x\r\n\r\ndata: half";
  const whole = new m.EventDecoder().feed(text);
  assert.deepEqual(whole, [
    { id: "7", event: "task.accepted", data: "{\"a\":\n1}" },
    { id: "8", event: "message", data: "x" },
  ]);
  for (let size = 1; size < 9; size++) {
    const d = new m.EventDecoder();
    const out = [];
    for (let i = 0; i < text.length; i += size) out.push(...d.feed(text.slice(i, i + size)));
    assert.deepEqual(out, whole, `pieces of ${size}`);
  }
});

test("a shell takes a quoted word as it is, and sees what is invisible", () => {
  assert.equal(m.quote("plain-1.txt"), "plain-1.txt");
  assert.equal(m.quote("two words"), "'two words'");
  assert.equal(m.quote("it's"), "'it'\\''s'");
  assert.equal(m.quote("$(rm -rf /) `x` \"y\""), "'$(rm -rf /) `x` \"y\"'");
  assert.equal(m.quote("a\u202eb\n'\\"), "$'a\\u202eb\\n\\'\\\\'");
  assert.equal(m.quote(""), "''");
  assert.equal(m.cli(["ask", "hi there"], [["user", "u 1"], ["session", ""]]), "nexus ask --user 'u 1' 'hi there'");
  assert.match(m.curl("/v1/tasks", { body: { input: "\u202e" } }), /\\u202e/);
});

test("a terminal's lines are read as they would be seen", () => {
  assert.equal(m.plain("\u001b[?2004hbash$ ls\r\n\u001b[?2004l\ra\u001b[1;31mb\u001b[0m\r\n"), "bash$ ls\nab\n");
  assert.equal(m.plain("10%\r20%\r100%\ndone"), "100%\ndone");
  assert.equal(m.plain("abd\bc"), "abc");
  assert.equal(m.plain("\u001b]0;title\u0007x\u001b(By\u001b=z"), "xyz");
  assert.equal(m.plain("half \u001b[3"), "half ");
  assert.equal(m.plain("سلام\r\n"), "سلام\n");
});

test("metrics are read, and quantiles are found in their buckets", () => {
  const s = m.parseMetrics('# HELP x y\nnexus_a 5\nnexus_b{l="a\\"b",m="c,d"} 2.5\nnexus_b{l="z"} 1\n'
    + 'nexus_request_duration_seconds_bucket{operation="o",status="2xx",le="0.001"} 50\nnexus_request_duration_seconds_bucket{operation="o",status="2xx",le="0.01"} 100\n'
    + 'nexus_request_duration_seconds_bucket{operation="o",status="2xx",le="+Inf"} 100\n');
  assert.equal(m.total(s, "nexus_a"), 5);
  assert.equal(m.total(s, "nexus_b"), 3.5);
  assert.equal(m.total(s, "nexus_c"), null);
  assert.equal(s[1].labels.l, 'a"b');
  const [o] = m.operations(s);
  assert.equal(o.count, 100);
  assert.equal(o.p50, 0.001);
  assert.ok(o.p99 > 0.009 && o.p99 < 0.01);
  assert.equal(m.quantile([{ le: 1, count: 0 }, { le: Infinity, count: 0 }], 0.5), null);
});

test("a plan is laid out in columns, also one that is not as it should be", () => {
  const step = (id, ...depends_on) => ({ id, depends_on, agent: null, tool: null, why: "", state: "pending", attempts: 0 });
  const { nodes, edges } = m.layout([step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"), step("e", "a", "d")]);
  const x = Object.fromEntries(nodes.map((n) => [n.step.id, n.x]));
  assert.ok(x.a < x.b && x.b === x.c && x.c < x.d && x.d < x.e);
  assert.equal(edges.length, 6);
  assert.equal(m.layout([step("a", "b"), step("b", "a"), step("c", "nowhere")]).nodes.length, 3);
});

test("marks of the time axis are round and few", () => {
  for (const span of [0.03, 1, 7, 99, 480, 12_345, 3_600_000]) {
    const t = m.ticks(span);
    assert.ok(t.length >= 2 && t.length <= 8, `${span}: ${t}`);
    assert.equal(t[0], 0);
    assert.ok(t[t.length - 1] <= span * 1.001);
  }
});

test("times keep their microseconds", () => {
  assert.ok(Math.abs(m.preciseTime("2026-11-22T19:16:06.676955Z") - m.preciseTime("2026-11-22T19:16:06.676900Z") - 0.055) < 1e-3);
  assert.equal(m.preciseTime("2026-11-22T19:16:06Z"), Date.parse("2026-11-22T19:16:06Z"));
});

test("a task follows its events", () => {
  const event = (type, data) => ({ seq: 1, task_id: "t", type, at: "2026-01-01T00:00:00Z", data });
  let t = { id: "t", state: "queued", input: "", created_at: "", plan: { steps: [] } };
  t = m.applyEvent(t, event("step.started", { step: "a", tool: "math.eval", state: "running", attempts: 1 }));
  assert.equal(t.state, "running");
  assert.equal(t.plan.steps[0].state, "running");
  t = m.applyEvent(t, event("step.succeeded", { step: "a", state: "succeeded", attempts: 1, output: { result: "1" } }));
  assert.deepEqual(t.plan.steps[0].output, { result: "1" });
  t = m.applyEvent(t, event("task.cancel_requested", {}));
  assert.ok(t.cancel_requested_at);
  t = m.applyEvent(t, event("task.succeeded", { state: "succeeded", result: { text: "1", citations: [], artifacts: [] } }));
  assert.equal(t.state, "succeeded");
  assert.equal(t.result.text, "1");
  assert.equal(m.applyEvent(t, event("of.a.later.version", { x: 1 })), t);
});

test("addresses of screens are read back", () => {
  for (const id of ["a/b c", "مستند", "100%"]) assert.equal(m.parseRoute(m.href("knowledge", id)).id, id);
  assert.equal(m.parseRoute("").name, "ask");
  assert.equal(m.parseRoute("#/ask?input=a%26b").query.get("input"), "a&b");
  assert.equal(m.parseRoute("#/tasks/%").id, "%");
});
