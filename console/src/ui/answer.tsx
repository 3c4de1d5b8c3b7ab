import type { ComponentChildren, JSX } from "preact";
import { useId, useRef } from "preact/hooks";
import { useTongue } from "../i18n";
import { href } from "../router";
import type { Artifact, Citation, Task } from "../types";
import { ErrorBox } from "./basic";
import { Id, Inline, Paragraphs, Shown } from "./text";
import { Problem, call } from "../api";
import { useState } from "preact/hooks";

/** The answer of a task: its text with [n] leading to the sources, and the sources with what they say. */
export function Answer({ text, citations }: { text: string; citations: Citation[] }): JSX.Element {
  const { t } = useTongue();
  const base = useId();
  const list = useRef<HTMLOListElement>(null);
  const open = (n: number): void => {
    const d = list.current?.children[n - 1]?.querySelector("details");
    if (!d) return;
    d.open = true;
    d.querySelector("summary")?.focus();
    d.scrollIntoView({ block: "nearest" });
  };
  const render = (line: string): ComponentChildren =>
    line.split(/(\[\d{1,3}\])/).map((part, i) => {
      const n = Number(/^\[(\d+)\]$/.exec(part)?.[1]);
      if (!n || n > citations.length) return <Shown key={i} text={part} />;
      return <button key={i} type="button" class="cite" onClick={() => open(n)} aria-label={t("ask.source", { n })}>{n}</button>;
    });
  return (
    <div class="answer">
      {text.trim() === "" ? <p class="meta">{t("ask.nothing")}</p> : <Paragraphs class="prose" text={text} render={render} />}
      {citations.length > 0 && (
        <section class="sources" aria-labelledby={`${base}-h`}>
          <h3 id={`${base}-h`}>{t("ask.sources", { n: citations.length })}</h3>
          <ol ref={list}>
            {citations.map((c, i) => (
              <li key={i}>
                <details>
                  <summary><span class="cite-n" aria-hidden="true">{i + 1}</span><Inline text={c.title || c.document || c.document_id || t("ask.source", { n: i + 1 })} /></summary>
                  {c.quote && <blockquote dir="auto"><Shown text={c.quote} /></blockquote>}
                  {c.document_id && <a class="meta" href={href("knowledge", c.document_id)}>{t("know.document")} <Id text={c.document_id} /></a>}
                </details>
              </li>
            ))}
          </ol>
        </section>
      )}
    </div>
  );
}

/** Files that a run left. They are fetched with the key, then saved; never shown as a page. */
export function Artifacts({ items }: { items: Artifact[] }): JSX.Element {
  const { bytes } = useTongue();
  const [problem, setProblem] = useState<unknown>(null);
  const save = async (a: Artifact): Promise<void> => {
    try {
      const url = URL.createObjectURL(await (await call(`/v1/sandbox/artifacts/${encodeURIComponent(a.id ?? "")}`)).blob());
      const link = document.createElement("a");
      link.href = url;
      link.download = a.path.split("/").pop() ?? "file";
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    } catch (e) {
      setProblem(e);
    }
  };
  return (
    <>
      <ErrorBox error={problem} />
      <ul class="plain">
        {items.map((a) => (
          <li key={a.path} class="row">
            {a.id ? <button type="button" class="link" onClick={() => void save(a)}><Id text={a.path} /></button> : <Id text={a.path} />}
            <span class="meta">{bytes(a.size)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

export const taskProblem = (task: Task): Problem | null =>
  task.error ? new Problem(200, task.error.code ?? "", "", task.error.message ?? "", task.error.hint) : null;
