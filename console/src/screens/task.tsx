import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { json } from "../api";
import { both, cli, curl } from "../equivalents";
import { useTongue } from "../i18n";
import { href } from "../router";
import { useTask } from "../taskstate";
import { isFinal, type LogLine, type Page, type Span, type Step, type Task as TaskShape, type TaskEvent, type Trace } from "../types";
import { Answer, Artifacts, taskProblem } from "../ui/answer";
import { Confirm, Copy, Equivalents, ErrorBox, Loading, State, Tabs, When, pretty } from "../ui/basic";
import { PlanGraph } from "../ui/graph";
import { preciseTime, stepRows, Timeline, type Row } from "../ui/steps";
import { Code, Id, Inline, Paragraphs, Shown } from "../ui/text";

function StepDetails({ step }: { step: Step }): JSX.Element {
  const { t } = useTongue();
  return (
    <details class="step-details">
      <summary><State state={step.state} /> <Id text={step.id} /> <span class="meta"><Id text={step.agent ?? step.tool ?? ""} /></span>
        {step.tainted && <span class="badge" title={t("tainted.help")}>{t("tainted")}</span>}</summary>
      <dl class="facts">
        {step.why && <><dt>{t("task.why")}</dt><dd dir="auto"><Shown text={step.why} /></dd></>}
        {!!step.depends_on?.length && <><dt>{t("task.depends")}</dt><dd>{step.depends_on.map((d) => <span key={d}><Id text={d} />{" "}</span>)}</dd></>}
        {step.attempts > 1 && <><dt>{t("task.attempts", { n: step.attempts })}</dt><dd /></>}
      </dl>
      {step.error && <p class="step-error" dir="auto"><Shown text={step.error.message ?? ""} /></p>}
      {step.output !== undefined && step.output !== null && <Code text={pretty(step.output)} label={`${t("task.output")} ${step.id}`} />}
    </details>
  );
}

const eventsShown = 200;

function Events({ events }: { events: TaskEvent[] }): JSX.Element {
  const { t, time } = useTongue();
  const [count, setCount] = useState(eventsShown);
  const hiddenCount = Math.max(0, events.length - count);
  return (
    <>
      {hiddenCount > 0 && <button type="button" class="quiet" onClick={() => setCount(count + 500)}>{t("task.earlier", { n: hiddenCount })}</button>}
      <ol class="events">
        {events.slice(hiddenCount).map((e) => (
          <li key={e.seq ?? e.at}>
            <details>
              <summary><span class="meta seq" dir="ltr">{e.seq}</span> <time class="meta" dateTime={e.at}>{time(e.at)}</time> <Id text={e.type} />{" "}
                {typeof e.data.step === "string" && <span class="meta"><Id text={e.data.step} /></span>}</summary>
              <Code text={pretty(e.data)} label={e.type} />
            </details>
          </li>
        ))}
      </ol>
    </>
  );
}

/** What is fetched when its tab is opened, and again when the task has changed its state. */
function useFetched<T>(path: string, again: string): { value: T | null; problem: unknown } {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    json<T>(path, { signal: stop.signal }).then((v) => { setValue(v); setProblem(null); }, (e: unknown) => { if (!stop.signal.aborted) setProblem(e); });
    return () => stop.abort();
  }, [path, again]);
  return { value, problem };
}

function Logs({ id, state }: { id: string; state: string }): JSX.Element {
  const { t, time } = useTongue();
  const { value, problem } = useFetched<Page<LogLine>>(`/v1/tasks/${id}/logs?limit=200`, state);
  const [rest, setRest] = useState<Page<LogLine>[]>([]);
  useEffect(() => setRest([]), [value]);
  const pages = value ? [value, ...rest] : [];
  const lines = pages.flatMap((p) => p.items);
  const next = pages[pages.length - 1]?.next_cursor;
  const more = async (): Promise<void> => {
    if (next) setRest([...rest, await json<Page<LogLine>>(`/v1/tasks/${id}/logs?limit=200&cursor=${encodeURIComponent(next)}`)]);
  };
  if (problem) return <ErrorBox error={problem} />;
  if (!value) return <Loading />;
  return lines.length === 0 ? <p class="empty">{t("task.nologs")}</p> : (
    <>
      <ol class="logs" dir="ltr">
        {lines.map((l, i) => (
          <li key={i} class={`log-${l.level}`}>
            <time class="meta" dateTime={l.time}>{time(l.time)}</time> <b>{l.level}</b> <span class="meta">{l.component}</span> <bdi dir="auto"><Shown text={l.message} /></bdi>
            {Object.keys(l.fields).length > 0 && <code class="meta"> <Shown text={JSON.stringify(l.fields)} /></code>}
          </li>
        ))}
      </ol>
      {next && <button type="button" onClick={() => void more()}>{t("more")}</button>}
    </>
  );
}

function spanRows(spans: Span[]): Row[] {
  const byId = new Map(spans.map((s) => [s.span_id, s]));
  const depth = (s: Span): number => {
    let n = 0;
    for (let p = s.parent_id ? byId.get(s.parent_id) : undefined; p && n < 12; p = p.parent_id ? byId.get(p.parent_id) : undefined) n++;
    return n;
  };
  return spans.map((s) => ({
    id: s.span_id, depth: depth(s), from: preciseTime(s.start), to: preciseTime(s.end), state: s.error ? "failed" : "succeeded",
    label: `${s.name} ${String(s.attributes["gen_ai.agent.name"] ?? s.attributes["gen_ai.tool.name"] ?? "")}`.trim(),
  }));
}

function TraceView({ id, state }: { id: string; state: string }): JSX.Element {
  const { t } = useTongue();
  const { value, problem } = useFetched<Trace>(`/v1/tasks/${id}/trace`, state);
  const rows = useMemo(() => spanRows(value?.spans ?? []), [value]);
  if (problem) return <ErrorBox error={problem} />;
  if (!value) return <Loading />;
  return rows.length === 0 ? <p class="empty">{t("task.notrace")}</p> : (
    <>
      <Timeline rows={rows} label={t("task.trace")} />
      <p class="meta">{t("task.trace")} <Id text={value.trace_id} /></p>
    </>
  );
}

function Facts({ task }: { task: TaskShape }): JSX.Element {
  const { t, ms, number, dateTime } = useTongue();
  const u = task.usage;
  return (
    <dl class="facts wide">
      <dt>{t("task.id")}</dt><dd class="row"><Id text={task.id} /><Copy text={task.id} label={t("task.id")} /></dd>
      <dt>{t("task.created")}</dt><dd><time dateTime={task.created_at}>{dateTime(task.created_at)}</time> · <When iso={task.created_at} /></dd>
      {u && isFinal(task.state) && <><dt>{t("task.took")}</dt><dd>{ms(u.wall_ms)}{u.cpu_ms > 0 && <> · {t("task.cpu")} {ms(u.cpu_ms)}</>}</dd></>}
      {u && u.input_tokens + u.output_tokens > 0 && <><dt>{t("task.tokens")}</dt><dd>{number(u.input_tokens)} + {number(u.output_tokens)}</dd></>}
      {!isFinal(task.state) && task.schedule?.estimated_completion && <><dt>{t("task.expected")}</dt><dd>{dateTime(task.schedule.estimated_completion)}</dd></>}
      {task.user_id && <><dt>{t("task.user")}</dt><dd><Inline text={task.user_id} /></dd></>}
      {task.session_id && <><dt>{t("task.session")}</dt><dd><Inline text={task.session_id} /></dd></>}
      {task.priority && task.priority !== "medium" && <><dt>{t("task.priority")}</dt><dd>{task.priority}</dd></>}
      {task.analysis?.intent && <><dt>{t("task.intent")}</dt><dd><Id text={task.analysis.intent} /></dd></>}
    </dl>
  );
}

export function TaskScreen({ id }: { id: string }): JSX.Element {
  const { t } = useTongue();
  const { task, events, partial, problem } = useTask(id);
  const [tab, setTab] = useState("timeline");
  const [asking, setAsking] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  if (!task) return <><h1>{t("task.title")}</h1>{problem ? <ErrorBox error={problem} /> : <Loading />}</>;
  const steps = task.plan?.steps ?? [];
  const done = isFinal(task.state);
  const cancel = async (sure: boolean): Promise<void> => {
    setAsking(false);
    if (!sure) return;
    try {
      await json<TaskShape>(`/v1/tasks/${id}/cancel`, { method: "POST", body: {} });
      setRefused(null);
    } catch (e) {
      setRefused(e);
    }
  };
  const tabs = [
    { id: "timeline", text: t("task.timeline"), content: () => steps.length === 0 ? <p class="empty">{t("task.nosteps")}</p> : (
      <><Timeline rows={stepRows(steps)} label={t("task.timeline")} />{steps.map((s) => <StepDetails key={s.id} step={s} />)}</>) },
    { id: "plan", text: t("task.plan"), content: () => steps.length === 0 ? <p class="empty">{t("task.nosteps")}</p> : <PlanGraph steps={steps} /> },
    { id: "events", text: t("task.events"), content: () => <Events events={events} /> },
    { id: "logs", text: t("task.logs"), content: () => <Logs id={id} state={task.state} /> },
    { id: "trace", text: t("task.trace"), content: () => <TraceView id={id} state={task.state} /> },
    { id: "raw", text: t("task.raw"), content: () => <Code text={pretty(task)} label={t("task.raw")} /> },
  ];
  return (
    <div class="task">
      <p class="crumbs"><a href={href("tasks")}>{t("tasks.title")}</a> <span class="crumb-arrow" aria-hidden="true" /> <Id text={task.id.slice(0, 13)} /></p>
      <div class="row between top">
        <h1 class="visually-hidden">{t("task.title")}</h1>
        <Paragraphs class="question" text={task.input} />
        <div class="row">
          <State state={task.state} stopping={!done && !!task.cancel_requested_at} />
          {done ? <a class="button" href={href("ask", null, { input: task.input })}>{t("task.again")}</a>
            : <button type="button" class="danger-quiet" disabled={!!task.cancel_requested_at} onClick={() => setAsking(true)}>{t("task.cancel")}</button>}
        </div>
      </div>
      {!done && task.cancel_requested_at && <p class="notice" role="status">{t("task.cancelling")}</p>}
      {task.waiting?.reason && <p class="notice">{t("task.waiting", { reason: task.waiting.reason })}</p>}
      <ErrorBox error={refused} />
      {asking && <Confirm title={t("task.cancel.sure")} text={t("task.cancel.text")} yes={t("task.cancel")} no={t("task.cancel.keep")} on={(sure) => void cancel(sure)} />}
      <Facts task={task} />
      {task.error && done && <section class="card"><h2>{t("task.error")}</h2><ErrorBox error={taskProblem(task)} /></section>}
      {(task.result || partial) && (
        <section class="card">
          <h2>{t("task.result")}</h2>
          {task.result ? <Answer text={task.result.text} citations={task.result.citations} /> : <Paragraphs class="prose" text={partial} />}
          {!!task.result?.artifacts.length && <><h3>{t("task.artifacts")}</h3><Artifacts items={task.result.artifacts} /></>}
        </section>
      )}
      <Tabs label={t("task.title")} tabs={tabs} value={tab} on={setTab} />
      <Equivalents lines={[...both(curl(`/v1/tasks/${id}`), cli(["task show", id])),
        ...(done ? [] : [{ label: "curl (cancel)", text: curl(`/v1/tasks/${id}/cancel`, { method: "POST" }) }, { label: "nexus (cancel)", text: cli(["task cancel", id]) }])]} />
    </div>
  );
}
