/** The program under test with a data directory of its own, and Chromium of the distribution. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "../..");
const program = resolve(root, process.env.NEXUS_BUILD ?? "build", "nexus");
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
const startMs = 60_000;

/** Starts `nexus serve` on a free port. */
export async function startServer(env = {}) {
  if (!existsSync(program)) throw new Error(`${program} is not there: make`);
  const home = mkdtempSync(join(tmpdir(), "nexus-console-"));
  const child = spawn(program, ["serve", "--home", home, "--listen", "127.0.0.1:0", "--ready-fd", "3"],
    { stdio: ["ignore", "pipe", "pipe", "pipe"], env: { ...process.env, NEXUS_MODEL_EMBEDDING: "none", ...env } });
  let log = "";
  for (const s of [child.stdout, child.stderr]) s.on("data", (b) => (log = (log + b).slice(-20_000)));
  const url = await new Promise((ok, bad) => {
    const timer = setTimeout(() => bad(new Error(`the server did not start:\n${log}`)), startMs);
    let text = "";
    child.stdio[3].on("data", (b) => {
      text += b;
      if (text.endsWith("\n")) {
        clearTimeout(timer);
        ok(text.trim());
      }
    });
    child.once("exit", (code) => bad(new Error(`the server ended with ${code}:\n${log}`)));
  });
  return {
    url,
    async post(path, body, headers = {}) {
      const r = await fetch(url + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
      return { status: r.status, body: await r.json() };
    },
    async get(path) {
      return (await fetch(url + path)).json();
    },
    async close() {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await ended;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A browser whose profile is new and gone afterwards. */
export async function startBrowser() {
  const executablePath = browsers.find(existsSync);
  if (!executablePath) throw new Error("there is no Chromium: scripts/setup --test installs it");
  return chromium.launch({ executablePath, headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
}

/** A page of the console; `errors` gathers what the browser complains about, `outside` requests to other hosts. */
export async function openPage(browser, server, { lang = "en", theme = "light", path = "", width = 1280 } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 860 } });
  await context.addInitScript(([l, t]) => {
    localStorage.setItem("nexus.lang", l);
    localStorage.setItem("nexus.theme", t);
  }, [lang, theme]);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const errors = [], outside = [];
  page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("request", (r) => new URL(r.url()).origin !== server.url && !r.url().startsWith("blob:") && outside.push(r.url()));
  await page.goto(`${server.url}/${path}`);
  return { page, errors, outside, close: () => context.close() };
}

/** Waits until check() gives something true, and gives it back. */
export async function until(check, what, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await check();
    if (v) return v;
    if (Date.now() > end) throw new Error(`not in ${ms} ms: ${what}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** Repeats what asserts something until it holds: a page is drawn a moment after what changed it. */
export async function soon(check, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (e) {
      if (Date.now() > end) throw e;
    }
    await new Promise((r) => setTimeout(r, 50));
  }
}

export const documents = [
  { id: "gauge", title: "Tide gauge of Aden", text: "The tide gauge of Aden was designed by Salma Haddad in 1921. It stands at the old harbour. The gauge was restored in 1984." },
  { id: "haddad", title: "Salma Haddad", text: "Salma Haddad was an engineer born in Tripoli. She studied in Cairo and built harbours." },
  { id: "miqyas", title: "مقياس المد في عدن", text: "صممت سلمى حداد مقياس المد في عدن سنة 1921. وُلدت سلمى حداد في طرابلس ودرست في القاهرة." },
];

/** A plan of four steps, two of them side by side, that takes as long as it is told. */
export const slowPlan = (seconds) => ({
  input: "Count, then wait",
  plan: { steps: [
    { id: "first", tool: "math.eval", input: { expression: "6 * 7" } },
    { id: "left", tool: "code.run", input: { language: "python", code: `import time; time.sleep(${seconds}); print("left")` }, depends_on: ["first"] },
    { id: "right", tool: "math.eval", input: { expression: "2 ^ 10" }, depends_on: ["first"] },
    { id: "last", tool: "math.eval", input: { expression: "1 + 1" }, depends_on: ["left", "right"] },
  ] },
});
