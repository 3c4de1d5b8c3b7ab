/** Languages, directions, themes, accessibility: measured on the page as Chromium lays it out. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { documents, openPage, slowPlan, soon, startBrowser, startServer, until } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let server, browser, planned, answered, cancelled;

before(async () => {
  server = await startServer();
  browser = await startBrowser();
  await server.post("/v1/knowledge/documents", { documents });
  planned = (await server.post("/v1/tasks", { ...slowPlan(0.3), wait: true })).body.id;
  answered = (await server.post("/v1/tasks", { input: "Who designed the tide gauge of Aden?", wait: true })).body.id;
  await server.post("/v1/tasks", { input: "fails", wait: true, plan: { steps: [{ id: "a", tool: "math.eval", input: { expression: "1 / 0" } }] } });
  cancelled = (await server.post("/v1/tasks", slowPlan(60))).body.id;
  await server.post(`/v1/tasks/${cancelled}/cancel`, {});
  await server.post("/v1/memory", { user_id: "me", role: "user", text: "I like harbours.", importance: 0.9 });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const middle = (b) => b.x + b.width / 2;
async function boxes(page, ...selectors) {
  return Promise.all(selectors.map(async (s) => {
    const b = await page.locator(s).first().boundingBox();
    assert.ok(b, `${s} is not on the page`);
    return b;
  }));
}

for (const [lang, sign] of [["en", 1], ["ar", -1]]) {
  test(`in ${lang} the page, the timeline and the plan run ${sign > 0 ? "from left to right" : "from right to left"}`, async () => {
    const { page, errors, close } = await openPage(browser, server, { lang, path: `#/tasks/${planned}` });
    const inOrder = (what, ...at) => at.reduce((a, b) => (assert.ok((b - a) * sign > 0, `${what}: ${at}`), b));
    await page.locator(".timeline-row").nth(3).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dir), sign > 0 ? "ltr" : "rtl");
    assert.equal(await page.evaluate(() => document.documentElement.lang), lang);

    const [side, main] = await boxes(page, ".side", "main");
    inOrder("navigation before content", middle(side), middle(main));
    const [first, left, last] = await boxes(page, '.bar[data-step="first"]', '.bar[data-step="left"]', '.bar[data-step="last"]');
    inOrder("time", middle(first), middle(left), middle(last));
    const [label, track, took] = await boxes(page, ".timeline-label", ".timeline-track", ".timeline-took");
    inOrder("a row of the timeline", middle(label), middle(track), middle(took));
    const ticks = await page.locator(".tick").evaluateAll((all) => all.map((t) => t.getBoundingClientRect().x));
    inOrder("the axis", ...ticks);

    await page.getByRole("tab").nth(1).click();
    const [a, b, c] = await boxes(page, '.node[data-step="first"]', '.node[data-step="left"]', '.node[data-step="last"]');
    inOrder("the plan", middle(a), middle(b), middle(c));
    const lines = await page.locator(".edge path").first().boundingBox();
    inOrder("lines stand between the boxes", middle(a), middle(lines), middle(b));

    // Arrow keys move in the direction of the page.
    await page.getByRole("tab").nth(1).focus();
    await page.keyboard.press(sign > 0 ? "ArrowRight" : "ArrowLeft");
    await soon(async () => assert.equal(await page.getByRole("tab").nth(2).getAttribute("aria-selected"), "true"));
    // What is code stays as it is.
    await page.getByRole("tab").nth(5).click();
    assert.equal(await page.locator(".tab-panel pre").evaluate((e) => getComputedStyle(e).direction), "ltr");
    assert.equal(await page.locator(".facts .id").first().evaluate((e) => getComputedStyle(e).direction), "ltr");
    assert.deepEqual(errors, []);
    await close();
  });
}

test("the language is switched without a reload, and remembered", async () => {
  const context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(`${server.url}/#/tasks`);
  await page.getByRole("heading", { name: "Tasks" }).waitFor();
  await page.getByRole("button", { name: "العربية" }).click();
  await page.getByRole("heading", { name: "المهام" }).waitFor();
  await soon(async () => assert.equal(await page.evaluate(() => document.documentElement.dir), "rtl"));
  await page.reload();
  await page.getByRole("heading", { name: "المهام" }).waitFor();
  await context.close();
});

test("a browser set to Arabic gets Arabic", async () => {
  const context = await browser.newContext({ locale: "ar-YE" });
  const page = await context.newPage();
  await page.goto(server.url);
  await page.getByRole("heading", { name: "ماذا تريد أن يُنجَز؟" }).waitFor();
  await context.close();
});

test("Arabic counts have six forms", async () => {
  const { page, close } = await openPage(browser, server, { lang: "ar", path: "#/knowledge" });
  const answer = (n) => ({ hits: Array.from({ length: n }, (_, i) => ({ kind: "chunk", chunk_id: String(i), title: `t${i}`, text: "x", score: 1 })), took_ms: 1 });
  const said = [];
  await page.route("**/v1/knowledge/search", (r) => r.fulfill({ json: answer(Number(r.request().postDataJSON().query.slice(1))) }));
  for (const n of [0, 1, 2, 3, 11, 100]) {
    await page.getByRole("searchbox").fill(`q${n}`);
    await page.keyboard.press("Enter");
    await until(async () => (await page.locator(".hit").count()) === n, `${n} hits`);
    const took = page.locator(".knowledge p[role=status]", { hasText: " خلال" }); // not that it is still loading
    said.push((await took.innerText()).split(" خلال")[0].replace(/[\u200e\u200f]/g, ""));
  }
  assert.deepEqual(said, ["لم يُعثر على شيء", "نتيجة واحدة", "نتيجتان", "3 نتائج", "11 نتيجة", "100 نتيجة"]);
  await close();
});

test("text of a user runs in its own direction", async () => {
  const { body } = await server.post("/v1/tasks", { input: "كم يساوي 12 * 12؟", wait: true });
  for (const lang of ["en", "ar"]) {
    const { page, close } = await openPage(browser, server, { lang, path: `#/tasks/${body.id}` });
    await page.locator(".question .para").waitFor();
    await soon(async () => assert.equal(await page.locator(".question .para").evaluate((e) => getComputedStyle(e).direction), "rtl"));
    await page.goto(`${server.url}/#/tasks/${answered}`);
    await page.locator(".question", { hasText: "tide gauge" }).waitFor();
    assert.equal(await page.locator(".question .para").evaluate((e) => getComputedStyle(e).direction), "ltr");
    await close();
  }
});

test("themes: the system's by default, and one's own choice above it", async () => {
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await context.newPage();
  await page.goto(server.url);
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.locator("#question").waitFor();
  const dark = await ground();
  await page.emulateMedia({ colorScheme: "light" });
  const light = await ground();
  assert.notEqual(dark, light);
  const button = page.getByRole("button", { name: /^Theme/ });
  await button.click();
  await soon(async () => assert.equal(await ground(), light));
  await button.click();
  await soon(async () => assert.equal(await ground(), dark));
  await page.reload();
  await page.locator("#question").waitFor();
  assert.equal(await ground(), dark);
  await context.close();
});

/** Screens with something on them, for axe. */
const screens = {
  ask: async (page) => {
    await page.fill("#question", "Who designed the tide gauge of Aden?");
    await page.keyboard.press("Enter");
    await page.locator('.run[aria-busy="false"]').waitFor();
    await page.locator(".run .cite").first().click();
    await page.locator(".run .equivalents summary").click();
  },
  tasks: async (page) => page.locator(".task-row").first().waitFor(),
  task: async (page) => {
    await page.goto(`${server.url}/#/tasks/${planned}`);
    await page.locator(".timeline-row").first().waitFor();
    await page.locator(".step-details summary").first().click();
  },
  plan: async (page) => {
    await page.goto(`${server.url}/#/tasks/${planned}`);
    await page.getByRole("tab").nth(1).click();
    await page.locator(".node").first().waitFor();
  },
  events: async (page) => {
    await page.goto(`${server.url}/#/tasks/${cancelled}`);
    await page.getByRole("tab").nth(2).click();
    await page.locator(".events summary").first().click();
  },
  knowledge: async (page) => {
    await page.getByRole("searchbox").fill("tide gauge");
    await page.keyboard.press("Enter");
    await page.locator(".hit").first().waitFor();
  },
  memory: async (page) => {
    await page.getByRole("searchbox").fill("harbours");
    await page.keyboard.press("Enter");
    await page.locator(".memory").first().waitFor();
  },
  sandbox: async (page) => {
    await page.locator(".code-input").first().fill("import os\nprint(1)\n");
    await page.locator("button.primary").click();
    await page.locator('.result[data-status="ok"]').waitFor();
  },
  agents: async (page) => page.locator(".agent").first().waitFor(),
  health: async (page) => page.locator("table").first().waitFor(),
};

for (const lang of ["en", "ar"]) {
  for (const theme of ["light", "dark"]) {
    test(`axe finds nothing in ${lang}, ${theme}`, async () => {
      const { page, close } = await openPage(browser, server, { lang, theme });
      const found = [];
      for (const [name, prepare] of Object.entries(screens)) {
        await page.goto(`${server.url}/#/${["task", "plan", "events"].includes(name) ? "tasks" : name}`);
        await prepare(page);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        for (const v of violations) found.push(`${name}: ${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).slice(0, 3).join(" | ")}`);
      }
      assert.deepEqual(found, []);
      await close();
    });
  }
}

test("a narrow window needs no scrolling sideways", async () => {
  for (const lang of ["en", "ar"]) {
    const { page, close } = await openPage(browser, server, { lang, width: 360, path: "#/ask" });
    for (const name of ["ask", "tasks", `tasks/${planned}`, "knowledge", "sandbox", "agents", "health"]) {
      await page.goto(`${server.url}/#/${name}`);
      await page.waitForTimeout(300);
      const [inner, whole] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
      assert.ok(whole <= inner, `${lang} ${name}: ${whole} > ${inner}`);
    }
    await close();
  }
});

test("a title stands where the page begins, whichever way its words run", async () => {
  for (const [lang, near] of [["en", "left"], ["ar", "right"]]) {
    const { page, close } = await openPage(browser, server, { lang, path: `#/tasks/${answered}` });
    const place = await page.locator(".question .para").evaluate((e) => {
      const range = document.createRange();
      range.selectNodeContents(e);
      const [text, box] = [range.getBoundingClientRect(), e.getBoundingClientRect()];
      return { left: text.left - box.left, right: box.right - text.right };
    });
    assert.ok(place[near] < 2, `${lang}: ${JSON.stringify(place)}`);
    await close();
  }
});
