import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "./api";
import { follow, type ServerEvent } from "./sse";
import { isFinal, type Step, type StepState, type Task, type TaskEvent, type TaskState } from "./types";

/** A task with what its stream told: the events, and the text of a model that is still speaking. */
export interface LiveTask {
  task: Task | null;
  events: TaskEvent[];
  partial: string;
  connected: boolean;
  problem: unknown;
}

const start: LiveTask = { task: null, events: [], partial: "", connected: false, problem: null };

function stepOf(steps: Step[], id: string, d: Record<string, unknown>): [Step[], number] {
  const i = steps.findIndex((s) => s.id === id);
  if (i >= 0) return [steps.slice(), i];
  const made: Step = { id, agent: null, tool: null, why: "", state: "pending", attempts: 0 };
  return [[...steps, { ...made, agent: d.agent as string | null, tool: d.tool as string | null }], steps.length];
}

function applyStep(t: Task, e: TaskEvent): Task {
  const d = e.data;
  if (typeof d.step !== "string") return t;
  const [steps, i] = stepOf(t.plan?.steps ?? [], d.step, d);
  const s = { ...(steps[i] as Step) };
  if (typeof d.state === "string") s.state = d.state as StepState;
  if (typeof d.attempts === "number") s.attempts = d.attempts;
  if (typeof d.agent === "string") s.agent = d.agent;
  if (e.type === "step.started") {
    s.started_at = s.started_at ?? e.at;
    s.finished_at = null;
  }
  if (isFinal(s.state)) {
    s.finished_at = s.finished_at ?? e.at;
    if (d.output !== undefined) s.output = d.output;
    if (d.error !== undefined) s.error = d.error as Step["error"];
  }
  steps[i] = s;
  return { ...t, state: t.state === "queued" || t.state === "accepted" || t.state === "planning" ? "running" : t.state,
    started_at: t.started_at ?? e.at, plan: { steps } };
}

/** The task after an event. Events repeat what a snapshot said without harm. */
export function applyEvent(t: Task, e: TaskEvent): Task {
  const d = e.data;
  if (e.type.startsWith("step.")) return applyStep(t, e);
  if (e.type === "task.cancel_requested") return { ...t, cancel_requested_at: e.at };
  if (!e.type.startsWith("task.") || typeof d.state !== "string") return t;
  const state = d.state as TaskState;
  return { ...t, state,
    ...(d.result !== undefined && { result: d.result as Task["result"] }),
    ...(d.error !== undefined && { error: d.error as Task["error"] }),
    ...(d.usage !== undefined && { usage: d.usage as Task["usage"] }),
    ...(isFinal(state) && { finished_at: t.finished_at ?? e.at, waiting: null }) };
}

interface Reading { live: LiveTask; upTo: number }

function takeOne(r: Reading, e: ServerEvent): Reading {
  let data: unknown;
  try {
    data = JSON.parse(e.data);
  } catch {
    return r;
  }
  if (e.event === "snapshot") {
    const s = data as { seq: number; task?: Task };
    return s.task ? { live: { ...r.live, task: s.task, problem: null }, upTo: s.seq } : r;
  }
  const event = data as TaskEvent;
  if (e.event === "reset" || typeof event.type !== "string") return r;
  if (event.type === "message.delta") {
    const text = event.data.text;
    return typeof text === "string" ? { ...r, live: { ...r.live, partial: r.live.partial + text } } : r;
  }
  const { task, events } = r.live;
  const last = events[events.length - 1]?.seq ?? 0;
  if (event.seq && event.seq <= last) return r;
  // What is older than the snapshot is in it already.
  const newer = !event.seq || event.seq > r.upTo;
  events.push(event); // shown as a copy
  return { ...r, live: { ...r.live, task: task && newer ? applyEvent(task, event) : task } };
}

const maxBatchMs = 60;

/** Follows one task from its first event to its last. Events that come together are shown together. */
export function useTask(id: string | null, onChange?: (t: Task) => void): LiveTask {
  const [live, setLive] = useState<LiveTask>(start);
  const changed = useRef(onChange);
  changed.current = onChange;
  useEffect(() => {
    setLive(start);
    if (!id) return;
    const stop = new AbortController();
    let state: Reading = { live: { ...start, events: [] }, upTo: 0 };
    let timer = 0;
    const show = (): void => {
      timer = 0;
      if (stop.signal.aborted) return;
      setLive({ ...state.live, events: state.live.events.slice() });
      if (state.live.task) changed.current?.(state.live.task);
    };
    const later = (): void => {
      if (!timer) timer = window.setTimeout(show, maxBatchMs);
    };
    const update = (l: Partial<LiveTask>): void => {
      state = { ...state, live: { ...state.live, ...l } };
      later();
    };
    void follow(`/v1/tasks/${id}/events`, {
      signal: stop.signal,
      after: 0,
      on(e) {
        state = takeOne(state, e);
        later();
      },
      status: (connected) => update({ connected }),
      failed(problem) {
        update({ problem });
        return problem instanceof Problem && problem.status >= 400 && problem.status < 500;
      },
      over: () => isFinal(state.live.task?.state ?? "") && state.live.events.some((e) => e.type === `task.${state.live.task?.state}`),
    });
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [id]);
  return live;
}
