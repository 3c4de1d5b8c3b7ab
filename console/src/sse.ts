import { call, type Call } from "./api";

/** One event of a server-sent stream. */
export interface ServerEvent { id: string | null; event: string; data: string }

/**
 * Decodes a text/event-stream (WHATWG HTML, "server-sent events"). The browser's EventSource is not used: it can send
 * neither an Authorization header nor a body.
 */
export class EventDecoder {
  private rest = "";
  private id: string | null = null;
  private event = "";
  private data: string[] = [];

  feed(text: string): ServerEvent[] {
    const out: ServerEvent[] = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.line(line, out);
    return out;
  }

  private line(line: string, out: ServerEvent[]): void {
    if (line === "") {
      if (this.data.length) out.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
      this.event = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment keeps the connection alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
  }
}

/** Reads one stream to its end. True when the server said that there is nothing more, ever (204). */
export async function readEvents(path: string, c: Call, on: (e: ServerEvent) => void, opened?: () => void): Promise<boolean> {
  const r = await call(path, { ...c, headers: { ...c.headers, accept: "text/event-stream" } });
  opened?.();
  if (r.status === 204 || !r.body) return true;
  const reader = r.body.getReader();
  const utf8 = new TextDecoder();
  const decoder = new EventDecoder();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    for (const e of decoder.feed(utf8.decode(value, { stream: true }))) on(e);
  }
}

export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const t = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(t);
      resolve();
    }, { once: true });
  });

export interface Follow {
  signal: AbortSignal;
  /** Events after this one are wanted; null: from now on. */
  after: number | null;
  on(e: ServerEvent): void;
  status?(connected: boolean): void;
  /** True when nothing more is expected. */
  over?(): boolean;
  /** True when trying again is of no use. */
  failed?(e: unknown): boolean;
}

/** Follows a resumable stream: reconnects with back-off and asks for what came after the last number it saw. */
export async function follow(path: string, f: Follow): Promise<void> {
  let last = f.after;
  let wait = 500;
  while (!f.signal.aborted && !f.over?.()) {
    try {
      const headers: Record<string, string> = last === null ? {} : { "last-event-id": String(last) };
      const done = await readEvents(path, { signal: f.signal, headers }, (e) => {
        wait = 500;
        if (e.id && /^\d+$/.test(e.id)) last = Number(e.id);
        f.on(e);
      }, () => f.status?.(true));
      if (done) return;
    } catch (e) {
      if (f.signal.aborted) return;
      if (f.failed?.(e)) return;
    }
    if (f.over?.()) return;
    f.status?.(false);
    await sleep(wait, f.signal);
    wait = Math.min(wait * 2, 8000);
  }
}
