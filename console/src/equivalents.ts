import { apiKey } from "./api";

/*
 * Lines for a terminal. A word is quoted so that a shell takes it as it is; one with control or invisible characters is
 * written in the $'…' form, where they can be seen.
 */
const plain = /^[A-Za-z0-9_./:@%+=,-]+$/;
// eslint-disable-next-line no-control-regex
const unseen = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

const escapeCode = (c: string): string =>
  c === "\n" ? "\\n" : c === "\t" ? "\\t" : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;

export function quote(word: string): string {
  if (plain.test(word)) return word;
  unseen.lastIndex = 0;
  if (!unseen.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  return `$'${word.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replace(unseen, escapeCode)}'`;
}

/** JSON in which invisible characters are escaped, so that the shell line shows them without $'…'. */
const visibleJson = (v: unknown): string =>
  JSON.stringify(v).replace(unseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

export interface CurlOptions { method?: string; body?: unknown; args?: string[] }

export function curl(path: string, o: CurlOptions = {}): string {
  const parts = ["curl", "-sS", ...(o.args ?? [])];
  if (o.method) parts.push("-X", o.method);
  parts.push(quote(location.origin + path));
  if (apiKey.get()) parts.push('-H "Authorization: Bearer $NEXUS_KEY"');
  if (o.body === undefined) return parts.join(" ");
  return `${parts.join(" ")} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quote(visibleJson(o.body))}`;
}

const standardOrigin = "http://127.0.0.1:8600";

export function cli(words: string[], options: [name: string, value: string | number | null | undefined][] = []): string {
  const [verb = "", ...rest] = words;
  const parts = ["nexus", ...verb.split(" ")];
  for (const [name, value] of options)
    if (value !== null && value !== undefined && value !== "") parts.push(`--${name}`, quote(String(value)));
  if (location.origin !== standardOrigin) parts.push("--url", quote(location.origin));
  return [...parts, ...rest.map(quote)].join(" ");
}

export const both = (c: string, n: string): { label: string; text: string }[] => [
  { label: "curl", text: c }, { label: "nexus", text: n },
];
