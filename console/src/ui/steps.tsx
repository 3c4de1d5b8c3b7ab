import type { JSX } from "preact";
import { useTongue } from "../i18n";
import { isFinal, type Step } from "../types";
import { State, useNow } from "./basic";
import { Id, Shown } from "./text";

/** A row of a timeline. Times are milliseconds since the epoch; an end of null is still going on. */
export interface Row { id: string; label: string; depth: number; from: number | null; to: number | null; state: string }

const niceSteps = [1, 2, 5];

/** Three to six round marks over a span of milliseconds. */
export function ticks(span: number): number[] {
  const rough = Math.max(span, 0.001) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = (niceSteps.find((n) => n * power >= rough) ?? 10) * power;
  const out: number[] = [];
  for (let at = 0; at <= span * 1.0001 && out.length < 8; at += step) out.push(at);
  return out;
}

/**
 * Bars over time. Positions are inset-inline-start and inline-size, so that time runs from right to left on a page that
 * does. The bars are decoration for the eye: each row says its times in words.
 */
export function Timeline({ rows, label }: { rows: Row[]; label: string }): JSX.Element {
  const { ms, word, t } = useTongue();
  const started = rows.filter((r) => r.from !== null);
  const running = started.some((r) => r.to === null);
  const now = useNow(running ? 200 : null);
  const origin = Math.min(...started.map((r) => r.from as number));
  const end = Math.max(...started.map((r) => r.to ?? now));
  const span = Math.max(end - origin, 0.001);
  const percent = (at: number): string => `${Math.max(0, Math.min(100, ((at - origin) / span) * 100)).toFixed(3)}%`;
  return (
    <div class="timeline" role="table" aria-label={label}>
      <div class="timeline-axis" aria-hidden="true">
        {started.length > 0 && ticks(span).map((at) => (
          <span key={at} class="tick" style={{ insetInlineStart: percent(origin + at) }}>{ms(at)}</span>
        ))}
      </div>
      {rows.map((r) => {
        const took = r.from === null ? null : (r.to ?? now) - r.from;
        return (
          <div class={`timeline-row state-${r.state}`} role="row" key={r.id}>
            <span class="timeline-label" role="rowheader" style={{ paddingInlineStart: `${r.depth * 0.9}rem` }}><Id text={r.label} /></span>
            <span class="timeline-track" role="cell">
              <span class="visually-hidden">{word("state", r.state)}{r.from !== null && `, ${t("task.started")} ${ms(r.from - origin)}`}</span>
              {r.from !== null && (
                <span class="bar" data-step={r.id}
                  style={{ insetInlineStart: percent(r.from), inlineSize: `${(((r.to ?? now) - r.from) / span * 100).toFixed(3)}%` }} />
              )}
            </span>
            <span class="timeline-took" role="cell">{took === null ? "–" : ms(took)}</span>
          </div>
        );
      })}
    </div>
  );
}

const at = (iso: string | null | undefined): number | null => (iso ? preciseTime(iso) : null);

/** Milliseconds with their fraction: Date knows no microseconds, and steps take that few. */
export function preciseTime(iso: string): number {
  const micro = /\.\d{3}(\d{3})/.exec(iso)?.[1];
  return Date.parse(iso) + (micro ? Number(micro) / 1000 : 0);
}

export const stepRows = (steps: Step[]): Row[] => steps.map((s) => ({
  id: s.id, label: s.id, depth: 0, from: at(s.started_at), state: s.state,
  to: at(s.finished_at) ?? (isFinal(s.state) ? at(s.started_at) : null),
}));

/** The plan as it runs: one line a step. */
export function StepList({ steps }: { steps: Step[] }): JSX.Element {
  const { ms } = useTongue();
  const running = steps.some((s) => s.state === "running");
  const now = useNow(running ? 200 : null);
  return (
    <ol class="steps">
      {steps.map((s) => {
        const from = at(s.started_at);
        const took = from === null || s.state === "skipped" ? null : (at(s.finished_at) ?? now) - from;
        return (
          <li key={s.id} class={`step state-${s.state}`}>
            <State state={s.state} />
            <span class="step-name"><Id text={s.id} />{" "}<span class="meta"><Id text={s.agent ?? s.tool ?? ""} /></span></span>
            <span class="step-took">{took === null ? "" : ms(took)}</span>
            {s.error?.message && <p class="step-error" dir="auto"><Shown text={s.error.message} /></p>}
          </li>
        );
      })}
    </ol>
  );
}
