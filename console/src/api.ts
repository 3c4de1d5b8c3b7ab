import { remembered, store } from "./store";

/** An error as the server tells it (RFC 9457), or one of the way to it. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    detail: string,
    readonly hint?: string,
    readonly pointer?: string,
    readonly traceId?: string,
  ) {
    super(detail);
  }
}

const kept = remembered("session", "nexus.key");
/** The API key: kept for this tab alone, and gone when it is closed. */
export const apiKey = store<string>(kept.get() ?? "");
apiKey.watch((k) => kept.set(k || null));
/** Set when the server refused a request for want of a key. */
export const keyNeeded = store<boolean>(false);

export interface Call {
  method?: string;
  body?: unknown;
  form?: FormData;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

function randomKey(): string {
  const b = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}

async function problemOf(r: Response): Promise<Problem> {
  let p: Record<string, unknown> = {};
  try {
    p = (await r.json()) as Record<string, unknown>;
  } catch {
    /* not JSON: a proxy speaks, not the server */
  }
  const text = (k: string): string | undefined => (typeof p[k] === "string" ? (p[k] as string) : undefined);
  return new Problem(r.status, text("code") ?? `HTTP ${r.status}`, text("title") ?? r.statusText,
    text("detail") ?? r.statusText, text("hint"), text("pointer"), text("trace_id"));
}

/** The response of a request that succeeded; a Problem is thrown otherwise. */
export async function call(path: string, c: Call = {}): Promise<Response> {
  const method = c.method ?? (c.body !== undefined || c.form ? "POST" : "GET");
  const headers: Record<string, string> = { ...c.headers };
  if (apiKey.get()) headers.authorization = `Bearer ${apiKey.get()}`;
  if (c.body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["idempotency-key"] = randomKey();
  let r: Response;
  try {
    r = await fetch(path, { method, headers, signal: c.signal ?? null, cache: "no-store",
      body: c.form ?? (c.body === undefined ? null : JSON.stringify(c.body)) });
  } catch (e) {
    if (c.signal?.aborted) throw e;
    throw new Problem(0, "unreachable", "", "");
  }
  if (r.status === 401) keyNeeded.set(true);
  if (!r.ok && !(path === "/readyz" && r.status === 503)) throw await problemOf(r);
  if (apiKey.get() && path.startsWith("/v1/")) keyNeeded.set(false);
  return r;
}

export async function json<T>(path: string, c: Call = {}): Promise<T> {
  return (await (await call(path, c)).json()) as T;
}
