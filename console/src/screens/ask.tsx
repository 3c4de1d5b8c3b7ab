import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { json } from "../api";
import { both, cli, curl } from "../equivalents";
import { useTongue, type Key } from "../i18n";
import { href, route } from "../router";
import { store, useStore } from "../store";
import { useTask } from "../taskstate";
import { isFinal, type Task } from "../types";
import { Answer, Artifacts, taskProblem } from "../ui/answer";
import { Equivalents, ErrorBox, Field, Icon, Select, State } from "../ui/basic";
import { StepList } from "../ui/steps";
import { dirOf, Paragraphs } from "../ui/text";

interface Asked { input: string; user: string; session: string; priority: string }
interface Entry { key: number; asked: Asked; id: string | null; problem: unknown }

/* What was asked on this page stays while one looks at other screens. */
const entries = store<Entry[]>([]);
const maxEntries = 20;
let nextKey = 1;

const bodyOf = (a: Asked): Record<string, string> => ({
  input: a.input,
  ...(a.user && { user_id: a.user }),
  ...(a.session && { session_id: a.session }),
  ...(a.priority !== "medium" && { priority: a.priority }),
});

async function submit(asked: Asked): Promise<void> {
  const key = nextKey++;
  const change = (e: Partial<Entry>): void => entries.set(entries.get().map((x) => (x.key === key ? { ...x, ...e } : x)));
  entries.set([{ key, asked, id: null, problem: null }, ...entries.get()].slice(0, maxEntries));
  try {
    change({ id: (await json<Task>("/v1/tasks", { body: bodyOf(asked) })).id });
  } catch (problem) {
    change({ problem });
  }
}

function Run({ entry }: { entry: Entry }): JSX.Element {
  const { t } = useTongue();
  const { asked, id } = entry;
  const { task, partial, problem } = useTask(id);
  const done = task !== null && isFinal(task.state);
  const steps = task?.plan?.steps ?? [];
  const failure = task && done ? taskProblem(task) : null;
  return (
    <article class="card run" data-task={id ?? ""} aria-busy={!done && !entry.problem}>
      <header class="run-head">
        <Paragraphs class="question" text={asked.input} />
        {task && <State state={task.state} stopping={!done && !!task.cancel_requested_at} />}
      </header>
      <ErrorBox error={entry.problem ?? (task ? null : problem)} />
      {steps.length > 0 && <section aria-label={t("ask.plan")}><h2>{t("ask.plan")}</h2><StepList steps={steps} /></section>}
      <section aria-label={t("ask.answer")} aria-live="polite">
        {(task?.result || partial) && <h2>{t("ask.answer")}</h2>}
        {task?.result ? <Answer text={task.result.text} citations={task.result.citations} /> : partial ? <Paragraphs class="prose" text={partial} />
          : !done && !entry.problem && <p class="loading"><span class="spinner" aria-hidden="true" />{t("ask.working")}</p>}
        {task?.result && task.result.artifacts.length > 0 && <Artifacts items={task.result.artifacts} />}
        <ErrorBox error={failure} />
      </section>
      <footer>
        {id && <a href={href("tasks", id)}>{t("ask.open")}</a>}
        <Equivalents lines={both(curl("/v1/tasks", { body: { ...bodyOf(asked), wait: true } }),
          cli(["ask", asked.input], [["user", asked.user], ["session", asked.session]]))} />
      </footer>
    </article>
  );
}

const examples: Key[] = ["ask.example.1", "ask.example.2", "ask.example.3"];

export function Ask(): JSX.Element {
  const { t } = useTongue();
  const { query } = useStore(route);
  const list = useStore(entries);
  const [input, setInput] = useState(query.get("input") ?? "");
  const [user, setUser] = useState("");
  const [session, setSession] = useState("");
  const [priority, setPriority] = useState("medium");
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);
  const send = (): void => {
    const text = input.trim();
    if (!text) return;
    void submit({ input: text, user: user.trim(), session: session.trim(), priority });
    setInput("");
    box.current?.focus();
  };
  const key = (e: KeyboardEvent): void => {
    // A key that ends the composition of a character is no end of the question.
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    send();
  };
  return (
    <div class="ask">
      <h1>{t("ask.title")}</h1>
      <form class="card ask-form" onSubmit={(e) => { e.preventDefault(); send(); }}>
        <label class="visually-hidden" for="question">{t("ask.label")}</label>
        <textarea id="question" ref={box} dir={dirOf(input)} rows={3} value={input} placeholder={t("ask.placeholder")} aria-describedby="ask-hint"
          onInput={(e) => setInput(e.currentTarget.value)} onKeyDown={key} />
        <details class="options">
          <summary>{t("options")}</summary>
          <div class="fields">
            <Field label={t("ask.user")}>{(id) => <input id={id} dir={dirOf(user)} value={user} maxLength={128} onInput={(e) => setUser(e.currentTarget.value)} />}</Field>
            <Field label={t("ask.session")}>{(id) => <input id={id} dir={dirOf(session)} value={session} maxLength={128} onInput={(e) => setSession(e.currentTarget.value)} />}</Field>
            <Select label={t("ask.priority")} value={priority} on={setPriority}
              options={(["low", "medium", "high", "critical"] as const).map((value) => ({ value, text: t(`priority.${value}`) }))} />
          </div>
        </details>
        <div class="row between">
          <span id="ask-hint" class="meta">{t("ask.hint")}</span>
          <button type="submit" class="primary" disabled={!input.trim()}><Icon name="send" />{t("ask.send")}</button>
        </div>
      </form>
      {list.length === 0 && (
        <section class="examples" aria-label={t("ask.examples")}>
          <h2>{t("ask.examples")}</h2>
          <div class="row wrap">
            {examples.map((k) => <button key={k} type="button" class="chip" dir="auto" onClick={() => { setInput(t(k)); box.current?.focus(); }}>{t(k)}</button>)}
          </div>
        </section>
      )}
      <div class="runs">{list.map((e) => <Run key={e.key} entry={e} />)}</div>
      {list.length > 0 && <button type="button" class="quiet" onClick={() => entries.set([])}>{t("ask.clear")}</button>}
    </div>
  );
}
