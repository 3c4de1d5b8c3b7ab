import { apiKey, Problem } from "./api";
import { follow, type ServerEvent } from "./sse";
import { store } from "./store";
import type { TaskEvent } from "./types";

/**
 * The events of all tasks, by one stream that all tabs of the browser share: a browser opens six connections to a server,
 * and a stream in each tab would use them up. The tab that holds the lock reads the stream and passes events on; when it
 * is closed another takes the lock and resumes behind the last event that it saw. Tabs with different keys share nothing.
 */
export const connected = store<boolean>(false);

const listeners = new Set<(e: TaskEvent) => void>();
let lastSeq: number | null = null;
let stop: AbortController | null = null;

/** Calls fn for each event from now on, until the function it returns is called. */
export function onTaskEvent(fn: (e: TaskEvent) => void): () => void {
  listeners.add(fn);
  return () => void listeners.delete(fn);
}

type Shared = { kind: "event"; id: string | null; data: string } | { kind: "status"; connected: boolean } | { kind: "hello" };

function take(id: string | null, data: string): void {
  if (id && /^\d+$/.test(id)) lastSeq = Number(id);
  let e: TaskEvent;
  try {
    e = JSON.parse(data) as TaskEvent;
  } catch {
    return;
  }
  if (typeof e.type === "string" && typeof e.task_id === "string") for (const fn of listeners) fn(e);
}

async function channelName(): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(apiKey.get()));
  return `nexus-live-${Array.from(new Uint8Array(bytes).slice(0, 8), (b) => b.toString(16).padStart(2, "0")).join("")}`;
}

function read(signal: AbortSignal, pass: (m: Shared) => void): Promise<void> {
  return follow("/v1/events", {
    signal,
    after: lastSeq,
    on(e: ServerEvent) {
      take(e.id, e.data);
      pass({ kind: "event", id: e.id, data: e.data });
    },
    status(up) {
      connected.set(up);
      pass({ kind: "status", connected: up });
    },
    // A refusal lasts until another key starts this anew.
    failed: (e) => e instanceof Problem && (e.status === 401 || e.status === 403),
  });
}

async function share(signal: AbortSignal): Promise<void> {
  const name = await channelName();
  const channel = new BroadcastChannel(name);
  let leading = false;
  channel.onmessage = (m: MessageEvent<Shared>) => {
    if (m.data.kind === "event") take(m.data.id, m.data.data);
    else if (m.data.kind === "status") connected.set(m.data.connected);
    else if (leading) channel.postMessage({ kind: "status", connected: connected.get() } satisfies Shared);
  };
  channel.postMessage({ kind: "hello" } satisfies Shared);
  try {
    await navigator.locks.request(name, { signal }, async () => {
      leading = true;
      await read(signal, (m) => channel.postMessage(m));
    });
  } catch {
    /* aborted */
  } finally {
    channel.close();
  }
}

/** Starts reading, or starts anew with another key. */
export function startLive(): void {
  stop?.abort();
  stop = new AbortController();
  lastSeq = null;
  // Locks and digests exist in secure contexts alone: over plain HTTP from another host each tab reads for itself.
  if (isSecureContext && "locks" in navigator) void share(stop.signal);
  else void read(stop.signal, () => undefined);
}
