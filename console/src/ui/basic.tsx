import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Problem } from "../api";
import { useTongue } from "../i18n";
import { Code, Id, Shown } from "./text";

export function Icon({ name }: { name: keyof typeof shapes }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={shapes[name]} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
const shapes = {
  ask: "M4 4.5h12v8.5H9.5L6 16v-3H4z",
  tasks: "M4 5.5h1M4 10h1M4 14.5h1M8 5.5h8M8 10h8M8 14.5h8",
  knowledge: "M10 5.5C8.5 4.2 6.3 4 3.5 4v11c2.8 0 5 .2 6.5 1.5 1.5-1.3 3.7-1.5 6.5-1.500V4c-2.8 0-5 .2-6.5 1.500zM10 5.500v11",
  memory: "M5 4h10v12l-5-3-5 3z",
  sandbox: "M10 3l6.5 3.500v7L10 17l-6.5-3.500v-7zM3.5 6.500L10 10l6.5-3.500M10 10v7",
  agents: "M10 9a2.8 2.8 0 100-5.600A2.8 2.8 0 0010 9zM4 16.500c.6-3 3-4.5 6-4.500s5.4 1.5 6 4.5",
  health: "M3 10.500h3l2-5 3.5 9 2-4H17",
  copy: "M7.5 7.500h8v8h-8zM12.5 7.500v-3h-8v8h3",
  check: "M4.5 10.500l3.5 3.5 7.5-8",
  moon: "M15.5 12A6.5 6.5 0 018 4.500a6.5 6.5 0 107.5 7.500z",
  sun: "M10 13a3 3 0 100-6 3 3 0 000 6zM10 2.500v1.500M10 16v1.500M2.5 10H4M16 10h1.500M4.7 4.700l1 1M14.3 14.300l1 1M15.3 4.700l-1 1M5.7 14.300l-1 1",
  auto: "M10 3.500a6.5 6.5 0 100 13zM10 3.500a6.5 6.5 0 010 13",
  upload: "M10 13V4M6.5 7.500L10 4l3.5 3.500M4 13v3h12v-3",
  send: "M10 16V4.500M5.5 9L10 4.5 14.5 9",
  pause: "M7.5 5v10M12.5 5v10",
  play: "M7 5l8 5-8 5z",
} as const;

/** The state of a task or a step: by colour, by shape and in words. */
export function State({ state, stopping }: { state: string; stopping?: boolean }): JSX.Element {
  const { word, t } = useTongue();
  return <span class={`state state-${state}`}><span class="dot" aria-hidden="true" />{stopping ? t("state.stopping") : word("state", state)}</span>;
}

async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without a secure context there is only the old way.
  const box = document.createElement("textarea");
  box.value = text;
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

export function Copy({ text, label }: { text: string; label?: string }): JSX.Element {
  const { t } = useTongue();
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = (): void => void copyText(text).then(() => setDone(true), () => undefined);
  return (
    <button type="button" class="quiet copy" onClick={copy} aria-label={label ? `${t("copy")}: ${label}` : t("copy")}>
      <Icon name={done ? "check" : "copy"} /><span aria-live="polite">{done ? t("copied") : t("copy")}</span>
    </button>
  );
}

/** What went wrong, and what to do. */
export function ErrorBox({ error, retry }: { error: unknown; retry?: () => void }): JSX.Element | null {
  const { t } = useTongue();
  if (!error) return null;
  const p = error instanceof Problem ? error : null;
  return (
    <div class="error" role="alert">
      {p?.code === "unreachable" ? (
        <><p class="error-title">{t("error.unreachable")}</p><p>{t("error.unreachable.help")} <code dir="ltr">nexus serve</code></p></>
      ) : (
        <>
          <p class="error-title" dir="auto"><Shown text={p?.message || String(error instanceof Error ? error.message : error)} /></p>
          {p?.hint && <p dir="auto"><Shown text={p.hint} /></p>}
          {p && <p class="meta"><Id text={p.code} />{p.pointer && <> · <Id text={p.pointer} /></>}{p.traceId && <> · {t("error.trace")} <Id text={p.traceId} /></>}</p>}
        </>
      )}
      {retry && <button type="button" onClick={retry}>{t("retry")}</button>}
    </div>
  );
}

export function Loading(): JSX.Element {
  const { t } = useTongue();
  return <p class="loading" role="status"><span class="spinner" aria-hidden="true" />{t("loading")}</p>;
}

export function Field({ label, help, children, class: c }: {
  label: string; help?: string; class?: string; children: (id: string) => ComponentChildren;
}): JSX.Element {
  const id = useId();
  return (
    <div class={`field ${c ?? ""}`}>
      <label for={id}>{label}{help && <span class="help"> · {help}</span>}</label>
      {children(id)}
    </div>
  );
}

export function Select<T extends string>({ label, value, options, on, class: c }: {
  label: string; value: T; options: readonly { value: T; text: string; disabled?: boolean }[]; on: (v: T) => void; class?: string;
}): JSX.Element {
  return (
    <Field label={label} class={c}>
      {(id) => (
        <select id={id} value={value} onChange={(e) => on(e.currentTarget.value as T)}>
          {options.map((o) => <option key={o.value} value={o.value} disabled={o.disabled} selected={o.value === value}>{o.text}</option>)}
        </select>
      )}
    </Field>
  );
}

/** A modal question: Escape and the second button leave everything as it is. */
export function Confirm({ title, text, yes, no, on }: {
  title: string; text: string; yes: string; no: string; on: (sure: boolean) => void;
}): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const d = ref.current;
    const before = document.activeElement;
    d?.showModal();
    return () => {
      d?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={ref} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); on(false); }}
      onClose={() => ref.current && on(false) /* a browser closes it without asking when nothing was clicked before */}>
      <h2 id={id}>{title}</h2>
      <p>{text}</p>
      <div class="row end">
        <button type="button" onClick={() => on(false)}>{no}</button>
        <button type="button" class="danger" onClick={() => on(true)}>{yes}</button>
      </div>
    </dialog>
  );
}

export interface Tab { id: string; text: string; content: () => ComponentChildren }

/** Tabs by the ARIA pattern: arrows move, in the direction of the page. */
export function Tabs({ label, tabs, value, on }: { label: string; tabs: Tab[]; value: string; on: (id: string) => void }): JSX.Element {
  const { rtl } = useTongue();
  const base = useId();
  const list = useRef<HTMLDivElement>(null);
  const at = Math.max(0, tabs.findIndex((x) => x.id === value));
  const key = (e: KeyboardEvent): void => {
    const forward = rtl ? "ArrowLeft" : "ArrowRight";
    const back = rtl ? "ArrowRight" : "ArrowLeft";
    const to = e.key === forward ? (at + 1) % tabs.length : e.key === back ? (at + tabs.length - 1) % tabs.length
      : e.key === "Home" ? 0 : e.key === "End" ? tabs.length - 1 : -1;
    if (to < 0) return;
    e.preventDefault();
    on((tabs[to] as Tab).id);
    (list.current?.children[to] as HTMLElement | undefined)?.focus();
  };
  return (
    <>
      <div class="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={key}>
        {tabs.map((x, i) => (
          <button key={x.id} type="button" role="tab" id={`${base}-${x.id}`} aria-selected={i === at} aria-controls={`${base}-panel`}
            tabIndex={i === at ? 0 : -1} onClick={() => on(x.id)}>{x.text}</button>
        ))}
      </div>
      <div class="tab-panel" role="tabpanel" id={`${base}-panel`} aria-labelledby={`${base}-${(tabs[at] as Tab).id}`} tabIndex={0}>
        {(tabs[at] as Tab).content()}
      </div>
    </>
  );
}

/** What the console did, as lines that do the same elsewhere. */
export function Equivalents({ lines }: { lines: { label: string; text: string }[] }): JSX.Element {
  const { t } = useTongue();
  return (
    <details class="equivalents">
      <summary>{t("equivalents")}</summary>
      {lines.map((l) => (
        <div class="equivalent" key={l.label}>
          <div class="row between"><span class="meta" dir="ltr">{l.label}</span><Copy text={l.text} label={l.label} /></div>
          <Code text={l.text} label={l.label} />
        </div>
      ))}
      {lines.some((l) => l.text.includes("NEXUS_KEY")) && <p class="meta">{t("equivalents.key")}</p>}
    </details>
  );
}

/** The current time, as often as something on the page needs it. */
export function useNow(everyMs: number | null): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    if (everyMs === null) return;
    set(Date.now());
    const timer = setInterval(() => set(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function When({ iso }: { iso: string }): JSX.Element {
  const { ago, dateTime } = useTongue();
  const now = useNow(10_000);
  return <time dateTime={iso} title={dateTime(iso)}>{ago(iso, now)}</time>;
}

export const pretty = (v: unknown): string => JSON.stringify(v, null, 2) ?? "";
