// Renders /openapi.json. Text from the document is set as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return node;
}

function refName(schema) {
  return schema && schema.$ref ? schema.$ref.split("/").pop() : null;
}

function typeText(schema) {
  if (!schema) return document.createTextNode("");
  const name = refName(schema);
  if (name) return el("a", { href: "#schema-" + name }, name);
  const span = el("span", {});
  const types = [].concat(schema.type || (schema.enum ? "string" : schema.oneOf || schema.anyOf ? "one of several" : "any value"));
  if (types.includes("array") && schema.items) span.append("array of ", typeText(schema.items));
  else span.append(types.join(" or "));
  if (schema.enum) span.append(" (" + schema.enum.map((v) => JSON.stringify(v)).join(", ") + ")");
  if (schema.default !== undefined) span.append(", default " + JSON.stringify(schema.default));
  if (schema.minimum !== undefined || schema.maximum !== undefined)
    span.append(", " + (schema.minimum ?? "…") + " to " + (schema.maximum ?? "…"));
  return span;
}

function rows(head, list) {
  if (!list.length) return null;
  const body = el("tbody", {}, ...list.map((cells) => el("tr", {}, ...cells.map((c) => el("td", {}, c)))));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col" }, h)))), body);
}

function schemaTable(schema) {
  const required = new Set(schema.required || []);
  return rows(["Member", "Type", "Meaning"], Object.entries(schema.properties || {}).map(([name, s]) => [
    el("code", {}, name + (required.has(name) ? " *" : "")), typeText(s), s.description || ""]));
}

function curl(method, path, op) {
  let text = "curl";
  if (method !== "get") text += " -X " + method.toUpperCase();
  text += " " + location.origin + path;
  if (op.security && op.security.length) text += " \\\n  -H 'Authorization: Bearer nxk_…'";
  if (op.requestBody) text += " \\\n  -H 'Content-Type: application/json' -d '{…}'";
  return text;
}

function operation(method, path, op) {
  const scopes = (op.security || []).flatMap((s) => Object.values(s).flat());
  const art = el("article", { id: op.operationId },
    el("h3", {}, el("span", { className: "method " + method }, method.toUpperCase()), el("code", {}, path)),
    el("p", {}, op.summary || ""), op.description ? el("p", {}, op.description) : null,
    el("p", { className: "tags" }, scopes.length ? "scope " + scopes.join(", ") : "needs no key"),
    el("pre", {}, curl(method, path, op)));
  const params = rows(["Parameter", "In", "Type", "Meaning"], (op.parameters || []).map((p) => [
    el("code", {}, p.name + (p.required ? " *" : "")), p.in, typeText(p.schema), p.description || ""]));
  if (params) art.append(el("h4", {}, "Parameters"), params);
  for (const [mime, c] of Object.entries(op.requestBody?.content || {}))
    art.append(el("h4", {}, "Body, " + mime), typeText(c.schema));
  art.append(el("h4", {}, "Answers"), rows(["Status", "Meaning", "Body"], Object.entries(op.responses).map(([status, r]) => {
    if (refName(r)) return ["error", "a problem document", el("a", { href: "#schema-Problem" }, "Problem")];
    const [mime, c] = Object.entries(r.content || {})[0] || ["", null];
    return [status, r.description, c ? (refName(c.schema) ? typeText(c.schema) : mime) : ""];
  })));
  return art;
}

function render(doc) {
  const body = document.getElementById("body"), toc = document.getElementById("toc");
  document.getElementById("title").textContent = doc.info.title + " " + doc.info.version + ": API reference";
  document.getElementById("about").textContent = doc.info.description;
  body.replaceChildren();
  const groups = new Map();
  for (const [path, item] of Object.entries(doc.paths))
    for (const method of METHODS)
      if (item[method]) {
        const tag = item[method].tags[0];
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push([method, path, item[method]]);
      }
  for (const [tag, ops] of groups) {
    body.append(el("h2", { id: "tag-" + tag }, tag));
    toc.append(el("h2", {}, tag));
    for (const [method, path, op] of ops) {
      body.append(operation(method, path, op));
      toc.append(el("a", { href: "#" + op.operationId }, op.summary || path));
    }
  }
  body.append(el("h2", {}, "Objects"));
  for (const [name, s] of Object.entries(doc.components.schemas))
    body.append(el("article", { id: "schema-" + name }, el("h3", {}, name), el("p", {}, s.description || ""), schemaTable(s)));
  body.append(el("h2", {}, "Errors"));
  for (const e of doc["x-error-codes"] || [])
    body.append(el("article", { id: e.code }, el("h3", {}, el("code", {}, e.code), " " + e.title),
      el("p", { className: "tags" }, "HTTP " + e.status), el("p", {}, e.why || ""), el("p", {}, e.how || "")));
  toc.append(el("h2", {}, "more"), el("a", { href: "#schema-Problem" }, "Objects and errors"));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function find(word) {
  for (const a of document.querySelectorAll("#toc a, article")) {
    const hit = !word || a.textContent.toLowerCase().includes(word);
    a.hidden = !hit;
  }
}

document.getElementById("find").addEventListener("input", (e) => find(e.target.value.trim().toLowerCase()));
fetch("/openapi.json").then((r) => r.json()).then(render).catch((e) => {
  document.getElementById("body").textContent = "The description could not be read: " + e.message;
});
