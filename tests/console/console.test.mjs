/** The console in a real browser against the real program: what a person does with it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { documents, openPage, slowPlan, soon, startBrowser, startServer, until } from "./harness.mjs";

let server, browser;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
  const r = await server.post("/v1/knowledge/documents", { documents });
  assert.equal(r.status, 200, JSON.stringify(r.body));
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Runs a test on a page of its own, which must leave no error and no request to another host. */
const onPage = (name, options, run) => test(name, async () => {
  const p = await openPage(browser, server, options);
  try {
    await run(p.page, p);
    assert.deepEqual(p.errors, []);
    assert.deepEqual(p.outside, []);
  } finally {
    await p.close();
  }
});

onPage("a question is asked and its plan and answer are seen", { path: "#/ask" }, async (page) => {
  await page.fill("#question", "What is 12.5% of 840?");
  await page.keyboard.press("Enter");
  await page.locator(".run .answer").waitFor();
  await soon(async () => {
    assert.equal((await page.locator(".run .answer .prose").innerText()).trim(), "105");
    assert.equal(await page.locator(".run .step.state-succeeded").count(), 1);
    assert.equal(await page.inputValue("#question"), "");
  });
});

onPage("citations lead to what the sources say", { path: "#/ask" }, async (page) => {
  await page.fill("#question", "Who designed the tide gauge of Aden?");
  await page.click("button[type=submit]");
  await page.locator(".run .sources").waitFor();
  await soon(async () => assert.match(await page.locator(".run .answer .prose").innerText(), /Salma Haddad/));
  const quote = page.locator(".run .sources blockquote").first();
  assert.equal(await quote.isVisible(), false);
  await page.locator('.run[aria-busy="false"]').waitFor(); // what still grows moves away from the pointer
  await page.locator(".run .cite").first().click();
  await quote.waitFor();
  assert.match(await quote.innerText(), /Salma Haddad/);
  await page.locator(".run .sources a").first().click();
  await page.locator(".document").waitFor();
  await soon(async () => assert.match(await page.locator("main").innerText(), /tide gauge/i));
});

onPage("each action shows lines for a terminal that do the same", { path: "#/ask" }, async (page) => {
  await page.fill("#question", "it's 1+1");
  await page.keyboard.press("Enter");
  await page.locator('.run[aria-busy="false"]').waitFor(); // what still grows moves away from the pointer
  await page.locator(".run .equivalents summary").click();
  await page.locator(".run .equivalent pre").first().waitFor();
  const [curl, cli] = await page.locator(".run .equivalent pre").allInnerTexts();
  assert.match(curl, /^curl -sS \S+\/v1\/tasks \\\n/);
  assert.match(curl, /it'\\''s 1\+1/);
  assert.equal(cli, `nexus ask --url ${server.url} 'it'\\''s 1+1'`);
});

onPage("a plan is watched while it runs", { path: "#/tasks" }, async (page) => {
  const { body } = await server.post("/v1/tasks", slowPlan(1.5));
  await page.goto(`${server.url}/#/tasks/${body.id}`);
  await page.locator('.timeline .state-running .bar[data-step="left"]').waitFor();
  await page.locator(".task > .row .state-succeeded").waitFor();
  await soon(async () => assert.equal(await page.locator(".timeline-row.state-succeeded").count(), 4));
  await page.getByRole("tab", { name: "Plan" }).click();
  const box = async (id) => page.locator(`.node[data-step="${id}"]`).boundingBox();
  const [first, left, right, last] = [await box("first"), await box("left"), await box("right"), await box("last")];
  assert.ok(first.x < left.x && left.x < last.x && left.x === right.x && left.y !== right.y);
  await page.getByRole("tab", { name: "Events" }).click();
  await soon(async () => {
    assert.ok((await page.locator(".events li").count()) >= 8);
    assert.match(await page.locator(".events").innerText(), /task\.succeeded/);
  });
  await page.getByRole("tab", { name: "Trace" }).click();
  await until(async () => (await page.locator(".timeline-row").count()) >= 5, "the spans");
  await page.getByRole("tab", { name: "JSON" }).click();
  await soon(async () => assert.match(await page.locator(".tab-panel pre").innerText(), new RegExp(body.id)));
});

onPage("a task is cancelled after a question", { path: "#/tasks" }, async (page) => {
  const { body } = await server.post("/v1/tasks", slowPlan(60));
  await page.goto(`${server.url}/#/tasks/${body.id}`);
  await page.getByRole("button", { name: "Cancel the task" }).click();
  await page.locator("dialog[open]").waitFor(); // a key pressed before it is open goes to the page
  await page.locator("dialog").press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal((await server.get(`/v1/tasks/${body.id}`)).cancel_requested_at, null);
  await page.getByRole("button", { name: "Cancel the task" }).click();
  await page.locator("dialog").getByRole("button", { name: "Cancel the task" }).click();
  await page.locator(".task > .row .state-cancelled").waitFor();
  assert.equal((await server.get(`/v1/tasks/${body.id}`)).state, "cancelled");
});

onPage("the list follows what happens, pauses, filters and finds by id", { path: "#/tasks" }, async (page) => {
  await page.locator(".live.on").waitFor();
  const ask = (input) => server.post("/v1/tasks", { input, wait: true });
  const { body: first } = await ask("111 + 222");
  await page.locator(".task-row", { hasText: "111 + 222" }).waitFor();
  await page.getByRole("button", { name: "Pause updates" }).click();
  await ask("333 + 444");
  await page.getByText(/updates? (is|are) waiting/).waitFor();
  assert.equal(await page.locator(".task-row", { hasText: "333 + 444" }).count(), 0);
  await page.getByRole("button", { name: "Resume updates" }).click();
  await page.locator(".task-row", { hasText: "333 + 444" }).waitFor();
  await page.getByLabel("Text").fill("111");
  await until(async () => (await page.locator(".task-row").count()) === 1, "one row");
  await page.getByLabel("Text").fill("");
  await server.post("/v1/tasks", { input: "fails", wait: true, plan: { steps: [{ id: "a", tool: "math.eval", input: { expression: "1 / 0" } }] } });
  await page.getByLabel("Failed only").check();
  await until(async () => {
    const states = await page.locator(".task-row .state").allInnerTexts();
    return states.length > 0 && states.every((s) => s === "Failed" || s === "Timed out" || s === "Over budget");
  }, "failed tasks alone");
  await page.getByLabel("Find by id").fill(first.id);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/#/tasks/${first.id}`);
  await soon(async () => assert.match(await page.locator(".answer").innerText(), /333/));
});

onPage("pages of tasks are loaded one after the other", { path: "#/health" }, async (page) => {
  for (let i = 0; i < 60; i++) await server.post("/v1/tasks", { input: `${i} + 1000`, wait: true });
  await page.goto(`${server.url}/#/tasks`);
  await until(async () => (await page.locator(".task-row").count()) === 50, "a page");
  await page.getByRole("button", { name: "Load more" }).click();
  await until(async () => (await page.locator(".task-row").count()) > 60, "the next page");
  const ids = await page.locator(".task-row a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
  assert.equal(new Set(ids).size, ids.length);
});

onPage("hundreds of events are a few requests", { path: "#/tasks" }, async (page) => {
  await page.locator(".live.on").waitFor();
  const refreshMs = 400; // of screens/tasks.tsx
  let requests = 0;
  page.on("request", (r) => new URL(r.url()).pathname === "/v1/tasks" && requests++);
  const begin = Date.now();
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 50; i++) await server.post("/v1/tasks", { input: `${i} * 3`, wait: true });
  }));
  await page.locator(".task-row", { hasText: "49 * 3" }).first().waitFor();
  const most = (Date.now() - begin) / refreshMs + 1;
  assert.ok(requests >= 1 && requests <= most, `${requests} requests where ${most} were due`);
});

onPage("passages are found, with their scores, and documents are added", { path: "#/knowledge" }, async (page) => {
  await page.setInputFiles("input[type=file]", { name: "ferry.md", mimeType: "text/markdown", buffer: Buffer.from("# The ferry\n\nThe ferry of Aden was painted green in 1933.\n") });
  await page.locator(".upload .done").waitFor();
  assert.match(await page.locator(".upload .done").innerText(), /1 new/);
  await page.getByRole("searchbox").fill("green ferry");
  await page.getByLabel("Mode").selectOption("text");
  await page.getByRole("button", { name: "Search" }).click();
  await page.locator(".hit").first().waitFor();
  await soon(async () => {
    assert.match(await page.locator(".hit").first().innerText(), /painted green/);
    assert.match(await page.locator(".hit .scores").first().innerText(), /words/);
  });
});

onPage("memory is stored and recalled", { path: "#/memory" }, async (page) => {
  await page.getByLabel("User").fill("amal");
  await page.getByLabel("What to remember").fill("My favourite harbour is Aden.");
  await page.getByRole("button", { name: "Remember" }).click();
  await page.getByText(/Remembered in/).waitFor();
  await page.getByRole("searchbox").fill("which harbour");
  await page.getByRole("button", { name: "Recall" }).click();
  await page.locator(".memory").first().waitFor();
  await soon(async () => assert.match(await page.locator(".memory").first().innerText(), /favourite harbour/));
});

onPage("a program runs in the sandbox and its walls are named", { path: "#/sandbox" }, async (page) => {
  await page.getByLabel("Program").fill("import os, sys\nprint(6 * 7)\nprint('oops', file=sys.stderr)\n");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.locator('.result[data-status="ok"]').waitFor();
  await soon(async () => {
    const text = await page.locator(".result").innerText();
    for (const said of [/42/, /oops/, /exit status 0/, /py-import-os/]) assert.match(text, said);
    assert.ok((await page.locator(".result table tr").count()) >= 5);
  });
  await page.getByLabel("Program").fill("import time\ntime.sleep(60)\n");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator('.result[data-status="cancelled"]').waitFor();
});

onPage("what the scanner finds is marked in the program", { path: "#/sandbox" }, async (page) => {
  const program = page.getByLabel("Program");
  await program.fill("print(1)\n\nx = 5; eval(input())\n");
  await page.locator('.editor .marked[data-line="3"] mark').waitFor();
  assert.match(await page.locator(".editor .marked mark").innerText(), /^eval\(input\(\)\)/);
  const [field, mark] = [await program.boundingBox(), await page.locator(".editor .marked").boundingBox()];
  const line = await program.evaluate((e) => parseFloat(getComputedStyle(e).lineHeight));
  assert.ok(Math.abs(mark.y - field.y - 2 * line) < line / 2, "the mark stands under the third line");
  await page.locator(".found button").first().click();
  assert.equal(await program.evaluate((e) => e.value.slice(e.selectionStart, e.selectionEnd)), "eval(input())");
  await program.fill("print(1)\n");
  await soon(async () => assert.equal(await page.locator(".editor .marked").count(), 0));
});

onPage("a session has processes in its background and a terminal", { path: "#/sandbox" }, async (page) => {
  await page.getByRole("button", { name: "Begin a session" }).click();
  await page.getByLabel("Command").fill("echo begun; read x; echo got $x; sleep 60");
  await page.getByRole("button", { name: "Start in the background" }).click();
  const screen = page.locator(".screen");
  await soon(async () => assert.match(await screen.innerText(), /begun/));
  await page.getByLabel("Input", { exact: true }).fill("a word");
  await page.keyboard.press("Enter");
  await soon(async () => assert.match(await screen.innerText(), /got a word/));
  await page.locator(".session").getByRole("button", { name: "Stop" }).click();
  await soon(async () => assert.match(await page.locator(".session li").innerText(), /signal 15/));
  await page.getByRole("button", { name: "Open a terminal" }).click();
  await page.getByLabel("Input", { exact: true }).fill("echo $((6 * 7)); sleep 60");
  await page.keyboard.press("Enter");
  await soon(async () => assert.match(await screen.innerText(), /^42$/m));
  await page.getByRole("button", { name: "Interrupt" }).click();
  await page.getByLabel("Input", { exact: true }).fill("exit 3");
  await page.keyboard.press("Enter");
  await soon(async () => assert.match(await page.locator(".session").innerText(), /exit status 3/));
  assert.ok(!(await screen.innerText()).includes("\u001b"));
  await page.getByRole("button", { name: "End the session" }).click();
  await page.getByRole("button", { name: "Begin a session" }).waitFor();
});

onPage("agents and tools are listed", { path: "#/agents" }, async (page) => {
  await page.locator(".agent").first().waitFor();
  await soon(async () => {
    const text = await page.locator(".agent-list").innerText();
    for (const name of ["researcher", "coder", "analyst", "librarian"]) assert.match(text, new RegExp(name));
    assert.match(await page.locator("main").innerText(), /math\.eval/);
  });
});

onPage("health says whether the server is ready, and how it does", { path: "#/health" }, async (page) => {
  await page.locator('[data-ready="true"]').waitFor();
  await soon(async () => assert.equal(await page.locator(".index").count(), 3));
  await until(async () => /\d+ MB/.test(await page.locator(".figure", { hasText: "Memory" }).innerText()), "the memory");
  await page.getByText("Requests by operation").waitFor();
});

onPage("text of others is never markup, and what is invisible in it is shown", { path: "#/ask" }, async (page) => {
  const { body } = await server.post("/v1/tasks", { input: "<img src=x onerror=alert(1)> \u202Egnp.exe\u202C 1+1", wait: true });
  await page.goto(`${server.url}/#/tasks/${body.id}`);
  await page.locator(".question").waitFor();
  await soon(async () => {
    const text = await page.locator(".question").innerText();
    for (const said of [/<img src=x onerror=alert\(1\)>/, /U\+202E/, /U\+202C/]) assert.match(text, said);
  });
  assert.equal(await page.locator("main img").count(), 0);
});

onPage("a wrong id and a wrong address are answered in words", { path: "#/tasks/0198c000-0000-7000-8000-000000000000" }, async (page, p) => {
  await page.getByRole("alert").waitFor();
  await soon(async () => assert.match(await page.getByRole("alert").innerText(), /NX-NOT-FOUND/));
  await page.goto(`${server.url}/#/nowhere`);
  await page.getByText("There is no such page.").waitFor();
  p.errors.length = 0; // the browser's own line about the 404
});

onPage("everything is reached by the keyboard", { path: "#/agents" }, async (page) => {
  await page.locator(".agent").first().waitFor();
  await page.keyboard.press("Tab");
  await soon(async () => assert.equal(await page.evaluate(() => document.activeElement?.className), "skip"));
  await page.keyboard.press("Enter");
  await soon(async () => assert.equal(await page.evaluate(() => document.activeElement?.id), "main"));
  const { items } = await server.get("/v1/tasks?limit=1");
  await page.goto(`${server.url}/#/tasks/${items[0].id}`);
  await page.getByRole("tab", { name: "Timeline" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.getByRole("tab", { name: "Plan", selected: true }).waitFor();
});

test("two tabs share one stream of events", async () => {
  const p = await openPage(browser, server, { path: "#/tasks" });
  await p.page.locator(".live.on").waitFor();
  const second = await p.page.context().newPage();
  let streams = 0;
  second.on("request", (r) => r.url().endsWith("/v1/events") && streams++);
  await second.goto(`${server.url}/#/tasks`);
  await second.locator(".live.on").waitFor();
  await server.post("/v1/tasks", { input: "777 + 1", wait: true });
  await second.locator(".task-row", { hasText: "777 + 1" }).waitFor();
  assert.equal(streams, 0);
  // The first tab goes; the second takes over.
  await p.page.close();
  await until(() => streams === 1, "the stream of the second tab");
  await server.post("/v1/tasks", { input: "778 + 1", wait: true });
  await second.locator(".task-row", { hasText: "778 + 1" }).waitFor();
  await p.close();
});

test("a server that is gone is said to be gone, and comes back", async () => {
  const own = await startServer();
  const p = await openPage(browser, own, { path: "#/health" });
  await p.page.locator('[data-ready="true"]').waitFor();
  await own.close();
  await p.page.getByText("The server cannot be reached").waitFor();
  await p.page.locator(".live.off").waitFor();
  await p.close();
});

test("where the server asks for a key, the console asks for it", async () => {
  const own = await startServer();
  const made = await own.post("/v1/keys", { name: "root", scopes: ["admin"] });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const p = await openPage(browser, own, { path: "#/tasks" });
  await p.page.getByText("This server asks for a key").waitFor();
  await p.page.getByLabel("API key").fill(made.body.key);
  await p.page.getByRole("button", { name: "Use this key" }).click();
  await p.page.locator(".live.on").waitFor();
  await p.page.goto(`${own.url}/#/ask`);
  await p.page.fill("#question", "40 + 2");
  await p.page.keyboard.press("Enter");
  await p.page.locator(".run .answer").waitFor();
  await soon(async () => assert.match(await p.page.locator(".run .answer").innerText(), /42/));
  await p.page.locator('.run[aria-busy="false"]').waitFor();
  await p.page.locator(".run .equivalents summary").click();
  await p.page.locator(".run .equivalent pre").first().waitFor();
  const line = await p.page.locator(".run .equivalent pre").first().innerText();
  assert.match(line, /\$NEXUS_KEY/);
  assert.ok(!line.includes(made.body.key));
  assert.equal(await p.page.evaluate(() => JSON.stringify(localStorage).includes("nxk_")), false);
  await p.close();
  await own.close();
});
