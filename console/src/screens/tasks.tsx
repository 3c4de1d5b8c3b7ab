import type { JSX } from "preact";
import { memo } from "preact/compat";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { json } from "../api";
import { both, cli, curl } from "../equivalents";
import { useTongue } from "../i18n";
import { onTaskEvent } from "../live";
import { go, href } from "../router";
import { isFinal, taskStates, type Page, type Task } from "../types";
import { Equivalents, ErrorBox, Field, Icon, Loading, Select, State, When } from "../ui/basic";
import { dirOf, Inline } from "../ui/text";

const pageSize = 50;
const refreshMs = 400;
/** What "failed only" means; the server lists one state at a time. */
const failedStates = ["failed", "timed_out", "over_budget"];

interface Listing { tasks: Task[]; cursors: Record<string, string | null>; }

const address = (state: string, cursor: string | null): string => {
  const q = new URLSearchParams({ limit: String(pageSize) });
  if (state) q.set("state", state);
  if (cursor) q.set("cursor", cursor);
  return `/v1/tasks?${q}`;
};

const newestFirst = (a: Task, b: Task): number => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0); // ids are UUIDv7: by time

function merge(old: Task[], fresh: Task[]): Task[] {
  const byId = new Map(old.map((t) => [t.id, t]));
  for (const t of fresh) {
    const before = byId.get(t.id);
    // An unchanged row stays the same object and is not drawn again.
    if (!before || before.state !== t.state || before.cancel_requested_at !== t.cancel_requested_at
      || before.plan?.steps.filter((s) => isFinal(s.state)).length !== t.plan?.steps.filter((s) => isFinal(s.state)).length) byId.set(t.id, t);
  }
  return [...byId.values()].sort(newestFirst);
}

/** The list for a filter: its pages, its refreshes while events come, and what waits while updates are paused. */
function useListing(states: string[], paused: boolean): {
  tasks: Task[]; loading: boolean; problem: unknown; waiting: number; hasMore: boolean; more(): void; refresh(): void;
} {
  const [listing, setListing] = useState<Listing>({ tasks: [], cursors: {} });
  const [loading, setLoading] = useState(true);
  const [problem, setProblem] = useState<unknown>(null);
  const [waiting, setWaiting] = useState(0);
  const key = states.join();
  const generation = useRef(0);
  const pausedNow = useRef(paused);
  pausedNow.current = paused;

  const load = useCallback(async (kind: "first" | "refresh" | "more", cursors: Record<string, string | null>) => {
    const mine = kind === "first" ? ++generation.current : generation.current;
    setLoading(kind !== "refresh");
    try {
      const asked = key.split(",").filter((s) => kind !== "more" || cursors[s]);
      const pages = await Promise.all(asked.map(async (s) =>
        [s, await json<Page<Task>>(address(s, kind === "more" ? cursors[s] ?? null : null))] as const));
      if (mine !== generation.current) return;
      if (kind === "refresh" && pausedNow.current) return setWaiting((n) => n + 1); // paused after it was asked for
      setProblem(null);
      setListing((old) => {
        const fresh = pages.flatMap(([, p]) => p.items);
        const next = { ...old.cursors };
        for (const [s, p] of pages) if (kind !== "refresh" || !(s in next)) next[s] = p.next_cursor;
        const wanted = new Set(asked);
        // A refresh knows the newest: a row that has left the filter's state goes.
        const kept = kind === "first" ? [] : kind === "more" || wanted.has("") ? old.tasks
          : old.tasks.filter((t) => fresh.length === 0 || t.id < (fresh[fresh.length - 1] as Task).id || fresh.some((f) => f.id === t.id));
        return { tasks: merge(kept, fresh), cursors: next };
      });
      if (kind !== "more") setWaiting(0);
    } catch (e) {
      if (mine === generation.current) setProblem(e);
    } finally {
      if (mine === generation.current) setLoading(false);
    }
  }, [key]);

  useEffect(() => void load("first", {}), [load]);
  useEffect(() => {
    let timer = 0;
    const off = onTaskEvent((e) => {
      if (e.type === "message.delta" || e.type === "stdout.delta") return;
      if (pausedNow.current) return setWaiting((n) => n + 1);
      // Many events make one request.
      if (!timer) timer = window.setTimeout(() => {
        timer = 0;
        if (pausedNow.current) setWaiting((n) => n + 1);
        else void load("refresh", {});
      }, refreshMs);
    });
    return () => {
      off();
      clearTimeout(timer);
    };
  }, [load]);
  return { tasks: listing.tasks, loading, problem, waiting, hasMore: Object.values(listing.cursors).some((c) => c !== null),
    more: () => void load("more", listing.cursors), refresh: () => void load("refresh", {}) };
}

const TaskRow = memo(function TaskRow({ task }: { task: Task }): JSX.Element {
  const { ms, number } = useTongue();
  const steps = task.plan?.steps ?? [];
  const finished = steps.filter((s) => isFinal(s.state)).length;
  return (
    <tr class="task-row">
      <td class="col-state"><State state={task.state} stopping={!isFinal(task.state) && !!task.cancel_requested_at} /></td>
      <td class="col-input"><a href={href("tasks", task.id)}><Inline class="clip" text={task.input.slice(0, 300)} /></a></td>
      <td class="col-number"><bdi dir="ltr">{number(finished)} / {number(steps.length)}</bdi></td>
      <td class="col-number">{task.usage && isFinal(task.state) ? ms(task.usage.wall_ms) : "–"}</td>
      <td class="col-time"><When iso={task.created_at} /></td>
    </tr>
  );
});

export function Tasks(): JSX.Element {
  const { t } = useTongue();
  const [state, setState] = useState("");
  const [failed, setFailed] = useState(false);
  const [text, setText] = useState("");
  const [paused, setPaused] = useState(false);
  const [id, setId] = useState("");
  const { tasks, loading, problem, waiting, hasMore, more, refresh } = useListing(failed ? failedStates : [state], paused);
  const shown = useMemo(() => {
    const wanted = text.trim().toLocaleLowerCase();
    return wanted ? tasks.filter((x) => x.input.toLocaleLowerCase().includes(wanted) || x.id.includes(wanted)) : tasks;
  }, [tasks, text]);
  const lookUp = (e: Event): void => {
    e.preventDefault();
    const wanted = id.trim();
    if (wanted) go("tasks", tasks.find((x) => x.id.startsWith(wanted))?.id ?? wanted);
  };
  const states = [{ value: "", text: t("tasks.all") }, ...taskStates.map((value) => ({ value, text: t(`state.${value}`) }))];
  return (
    <div class="tasks">
      <div class="row between">
        <h1>{t("tasks.title")}</h1>
        <div class="row">
          {paused && waiting > 0 && <span class="meta" role="status">{t("tasks.waiting", { n: waiting })}</span>}
          <button type="button" aria-pressed={paused} onClick={() => { if (paused) refresh(); setPaused(!paused); }}>
            <Icon name={paused ? "play" : "pause"} />{t(paused ? "tasks.resume" : "tasks.pause")}
          </button>
        </div>
      </div>
      <div class="filters">
        <Select label={t("tasks.state")} value={failed ? "" : state} options={states} on={(v) => { setState(v); setFailed(false); }} />
        <Field label={t("tasks.text")} help={t("tasks.text.help")} class="grow">{(i) => <input id={i} type="search" dir={dirOf(text)} value={text} onInput={(e) => setText(e.currentTarget.value)} />}</Field>
        <label class="check"><input type="checkbox" checked={failed} onChange={(e) => setFailed(e.currentTarget.checked)} />{t("tasks.failed")}</label>
        <form class="row lookup" onSubmit={lookUp}>
          <Field label={t("tasks.lookup")}>{(i) => <input id={i} dir="ltr" class="mono" value={id} spellcheck={false} autocomplete="off" onInput={(e) => setId(e.currentTarget.value)} />}</Field>
          <button type="submit" disabled={!id.trim()}>{t("tasks.lookup.go")}</button>
        </form>
      </div>
      <ErrorBox error={problem} retry={refresh} />
      {shown.length > 0 && (
        <div class="table-box" role="group" tabIndex={0}>
          <table>
            <caption class="visually-hidden">{t("tasks.title")}</caption>
            <thead><tr>
              <th scope="col">{t("tasks.state")}</th><th scope="col">{t("tasks.request")}</th><th scope="col" class="col-number">{t("tasks.steps")}</th>
              <th scope="col" class="col-number">{t("tasks.time")}</th><th scope="col">{t("tasks.created")}</th>
            </tr></thead>
            <tbody>{shown.map((x) => <TaskRow key={x.id} task={x} />)}</tbody>
          </table>
        </div>
      )}
      {loading && <Loading />}
      {!loading && !problem && shown.length === 0 && <p class="empty">{t(text || failed || state ? "tasks.empty" : "tasks.first")}</p>}
      <div class="row between">
        <span class="meta" role="status">{shown.length > 0 && t("tasks.shown", { n: shown.length })}</span>
        {hasMore && <button type="button" onClick={more} disabled={loading}>{t("more")}</button>}
      </div>
      <Equivalents lines={both(curl(address(failed ? "failed" : state, null)), cli(["task"], [["state", failed ? "failed" : state], ["limit", pageSize]]))} />
    </div>
  );
}
