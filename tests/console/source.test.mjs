/** Rules for the console's sources and for what is built from them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { root } from "./harness.mjs";

const console_ = join(root, "console");
const require = createRequire(import.meta.url);

function files(folder, ending) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((f) => {
    const path = join(folder, f.name);
    return f.isDirectory() ? files(path, ending) : ending.test(f.name) ? [path] : [];
  });
}
const sources = files(join(console_, "src"), /\.(ts|tsx|css)$/);
/** Lines that match, as "file:line: text". */
const linesWith = (pattern, ending) => sources.filter((f) => ending.test(f)).flatMap((f) =>
  readFileSync(f, "utf8").split("\n").flatMap((l, i) => (pattern.test(l) ? [`${relative(root, f)}:${i + 1}: ${l.trim()}`] : [])));

test("types are right", () => {
  try {
    execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "--noEmit", "-p", console_], { encoding: "utf8" });
  } catch (e) {
    assert.fail(e.stdout);
  }
});

test("styles know no left and no right", () => {
  const property = /(?:^|[\s;{])(?:(?:margin|padding|border|scroll-margin|scroll-padding)-(?:left|right|top|bottom)|left|right|top|bottom|width|height|(?:min|max)-(?:width|height)|overflow-[xy]-(?:left|right)|border-(?:top|bottom)-(?:left|right)-radius)\s*:/;
  const value = /(?:float|clear|text-align|caption-side|resize)\s*:\s*(?:left|right)\b/;
  const fourSides = /(?:margin|padding|inset|border-width)\s*:\s*[^\s;]+\s+([^\s;]+)\s+[^\s;]+\s+(?!\1[;\s])[^\s;]+\s*;/;
  const media = /@media \(max-width/;
  const bad = linesWith(property, /\.css$/).filter((l) => !media.test(l) || property.test(l.replace(media, "")));
  assert.deepEqual([...bad, ...linesWith(value, /\.css$/), ...linesWith(fourSides, /\.css$/)], []);
  const inCode = /\b(?:margin|padding|border)(?:Left|Right)\b|style=\{\{[^}]*\b(?:left|right|top|bottom|width|height)\s*:/;
  assert.deepEqual(linesWith(inCode, /\.tsx$/), []);
});

test("letters are neither spaced nor slanted: Arabic has no such thing", () => {
  assert.deepEqual(linesWith(/letter-spacing|font-style\s*:\s*(?:italic|oblique)|<(?:i|em)\b/, /\.(css|tsx)$/), []);
});

test("text never becomes markup", () => {
  assert.deepEqual(linesWith(/dangerouslySetInnerHTML|\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, /\.tsx?$/), []);
});

test("no sentence is written outside the dictionaries", () => {
  const bare = />\s*[A-Z][a-z]+ [a-z]+[^<{]*</;
  assert.deepEqual(linesWith(bare, /\.tsx$/), []);
  const used = sources.filter((f) => /\.tsx?$/.test(f) && !f.includes("/i18n/")).map((f) => readFileSync(f, "utf8")).join("\n");
  const keys = [...readFileSync(join(console_, "src/i18n/en.ts"), "utf8").matchAll(/^ {2}"?([\w.]+)"?:/gm)].map((m) => m[1]);
  const groups = /^(?:state|exec|risk|index|effects|priority|nav|theme|know\.(?:mode|kind|score)|mem|agents|box\.policy|ask\.example)\./;
  assert.deepEqual(keys.filter((k) => !groups.test(k) && !used.includes(`"${k}"`)), [], "words that nothing says");
});

test("what is built is small, carries no inline script or style and asks no other host", () => {
  const dist = join(console_, "dist");
  assert.ok(existsSync(join(dist, "index.html")), "console/dist is not there: make");
  const page = readFileSync(join(dist, "index.html"), "utf8");
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)[^>]*>|<style|\bstyle=|\bon\w+=/);
  const size = (ending) => files(dist, ending).reduce((n, f) => n + gzipSync(readFileSync(f), { level: 9 }).length, 0);
  assert.ok(size(/\.js$/) < 100_000, `${size(/\.js$/)} bytes of JavaScript`);
  assert.ok(size(/\.css$/) < 20_000, `${size(/\.css$/)} bytes of styles`);
  for (const f of files(dist, /\.(js|css|html)$/)) {
    const hosts = [...readFileSync(f, "utf8").matchAll(/\bhttps?:\/\/([\w.-]+)/g)].map((m) => m[1]).filter((h) => !["www.w3.org", "127.0.0.1"].includes(h));
    assert.deepEqual(hosts, [], f);
    assert.doesNotMatch(readFileSync(f, "utf8"), /url\(["']?data:/);
  }
});

test("the lock files name no host", () => {
  for (const f of ["console/package-lock.json", "tests/console/package-lock.json"]) {
    const lock = JSON.parse(readFileSync(join(root, f), "utf8"));
    assert.deepEqual(Object.values(lock.packages).filter((p) => p.resolved), []);
    assert.deepEqual(Object.entries(lock.packages).filter(([k, p]) => k && !p.link && !p.integrity).map(([k]) => k), []);
  }
});
