import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, json } from "../api";
import { both, cli, curl } from "../equivalents";
import { useTongue } from "../i18n";
import { operations, parseMetrics, total, type Sample } from "../metrics";
import { sleep } from "../sse";
import type { Model, Page, Readiness } from "../types";
import { Equivalents, ErrorBox, Loading } from "../ui/basic";
import { Id, Inline } from "../ui/text";

const everyMs = 2000;
const kept = 60;

interface Point { at: number; rss: number | null; cpu: number | null }
interface Picture { ready: Readiness | null; version: string; samples: Sample[] | null; points: Point[]; problem: unknown }

async function look(before: Picture, signal: AbortSignal): Promise<Picture> {
  try {
    const [ready, health] = await Promise.all([json<Readiness>("/readyz", { signal }), json<{ version: string }>("/healthz", { signal })]);
    const samples = await call("/metrics", { signal }).then(async (r) => parseMetrics(await r.text()), () => null);
    const point = samples && { at: performance.now(), rss: total(samples, "nexus_process_resident_memory_bytes"), cpu: total(samples, "nexus_process_cpu_seconds_total") };
    return { ready, version: health.version, samples, points: point ? [...before.points, point].slice(-kept) : before.points, problem: null };
  } catch (problem) {
    return { ...before, problem };
  }
}

/** A small curve. Time runs in the direction of the page. */
function Curve({ values, label }: { values: number[]; label: string }): JSX.Element | null {
  const { rtl } = useTongue();
  if (values.length < 2) return <div class="curve" />;
  const slots = Math.max(values.length, 15);
  const top = Math.max(...values) * 1.1 || 1, low = Math.min(...values) * 0.9;
  const at = (v: number, i: number): string => `${((i + slots - values.length) / (slots - 1) * 100).toFixed(2)} ${(30 - (v - low) / (top - low || 1) * 28).toFixed(2)}`;
  return (
    <svg class="curve" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label={label} style={{ transform: rtl ? "scaleX(-1)" : "none" }}>
      <path d={`M${values.map(at).join("L")}`} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

function Figure({ label, children, curve }: { label: string; children: ComponentChildren; curve?: JSX.Element | null }): JSX.Element {
  return <div class="figure"><dt>{label}</dt><dd>{children}{curve}</dd></div>;
}

function Figures({ picture }: { picture: Picture }): JSX.Element {
  const { t, number, bytes, ms, percent } = useTongue();
  const { samples, points, ready, version } = picture;
  const get = (name: string): number | null => (samples ? total(samples, name) : null);
  const rss = points.flatMap((p) => p.rss ?? []);
  const cpu = points.slice(1).flatMap((p, i) => {
    const b = points[i] as Point;
    return p.cpu === null || b.cpu === null ? [] : [Math.max(0, (p.cpu - b.cpu) / ((p.at - b.at) / 1000))];
  });
  const delays = samples?.filter((s) => s.name === "nexus_loop_delay_seconds").map((s) => s.value) ?? [];
  const count = (v: number | null): string => (v === null ? "–" : number(v));
  return (
    <dl class="figures">
      <Figure label={t("health.memory")} curve={<Curve values={rss} label={`${t("health.memory")}, ${t("health.since")}`} />}>{rss.length ? bytes(rss[rss.length - 1] as number) : "–"}</Figure>
      <Figure label={t("health.cpu")} curve={<Curve values={cpu} label={`${t("health.cpu")}, ${t("health.since")}`} />}>{cpu.length ? percent(cpu[cpu.length - 1] as number) : "–"}</Figure>
      <Figure label={t("health.pending")}>{count(ready?.tasks_pending ?? null)}</Figure>
      <Figure label={t("health.tasks")}>{count(get("nexus_tasks_total") ?? (samples ? 0 : null))}</Figure>
      <Figure label={t("health.documents")}>{count(ready?.documents ?? null)}</Figure>
      <Figure label={t("health.chunks")}>{count(ready?.chunks ?? null)}</Figure>
      <Figure label={t("health.connections")}>{count(get("nexus_open_connections"))}</Figure>
      <Figure label={t("health.streams")}>{count(get("nexus_event_streams"))}</Figure>
      <Figure label={t("health.commits")}>{count(get("nexus_store_commits_total"))}</Figure>
      <Figure label={t("health.delay")}>{delays.length ? ms(Math.max(...delays) * 1000) : "–"}</Figure>
      <Figure label={t("health.version")}><Id text={version} /></Figure>
    </dl>
  );
}

function Operations({ samples }: { samples: Sample[] }): JSX.Element | null {
  const { t, number, ms } = useTongue();
  const rows = operations(samples);
  if (rows.length === 0) return null;
  const time = (s: number | null): string => (s === null ? "–" : ms(s * 1000));
  return (
    <section>
      <h2 id="operations">{t("health.requests")}</h2>
      <div class="table-box" role="group" tabIndex={0}><table aria-labelledby="operations">
        <thead><tr><th scope="col">{t("health.operation")}</th><th scope="col" class="col-number">{t("health.count")}</th>
          <th scope="col" class="col-number">{t("health.p50")}</th><th scope="col" class="col-number">{t("health.p99")}</th></tr></thead>
        <tbody>{rows.map((r) => <tr key={r.operation}><th scope="row"><Id text={r.operation} /></th><td class="col-number">{number(r.count)}</td><td class="col-number">{time(r.p50)}</td><td class="col-number">{time(r.p99)}</td></tr>)}</tbody>
      </table></div>
    </section>
  );
}

function Models(): JSX.Element | null {
  const { t } = useTongue();
  const [models, setModels] = useState<Model[]>([]);
  useEffect(() => void json<Page<Model>>("/v1/models").then((p) => setModels(p.items), () => undefined), []);
  if (models.length === 0) return null;
  return (
    <section>
      <h2 id="models">{t("health.models")}</h2>
      <div class="table-box" role="group" tabIndex={0}><table aria-labelledby="models">
        <thead><tr><th scope="col">{t("health.model")}</th><th scope="col">{t("health.kind")}</th><th scope="col">{t("health.provider")}</th><th scope="col">{t("health.state")}</th></tr></thead>
        <tbody>{models.map((m) => <tr key={m.id}><th scope="row"><Id text={m.id} /></th><td><Id text={m.kind} /></td><td><Id text={m.provider} /></td><td><Inline text={m.state} /></td></tr>)}</tbody>
      </table></div>
    </section>
  );
}

export function Health(): JSX.Element {
  const { t, word } = useTongue();
  const [picture, setPicture] = useState<Picture>({ ready: null, version: "", samples: null, points: [], problem: null });
  useEffect(() => {
    const stop = new AbortController();
    void (async () => {
      let now: Picture = { ready: null, version: "", samples: null, points: [], problem: null };
      while (!stop.signal.aborted) {
        if (!document.hidden) now = await look(now, stop.signal);
        if (!stop.signal.aborted) setPicture(now);
        await sleep(everyMs, stop.signal);
      }
    })();
    return () => stop.abort();
  }, []);
  const { ready, samples, problem } = picture;
  return (
    <div class="health">
      <div class="row between"><h1>{t("health.title")}</h1>
        {ready && !problem && <span class={`state state-${ready.ready ? "succeeded" : "running"}`} data-ready={ready.ready}><span class="dot" aria-hidden="true" />{t(ready.ready ? "health.ready" : "health.recovering")}</span>}</div>
      <ErrorBox error={problem} />
      {!ready && !problem && <Loading />}
      {ready && (
        <>
          <h2>{t("health.indexes")}</h2>
          <ul class="indexes">
            {Object.entries(ready.indexes).map(([name, state]) => (
              <li key={name} class="index"><span>{word("index", name)}</span><span class={`state state-${state === "ready" ? "succeeded" : state === "loading" ? "running" : "skipped"}`}><span class="dot" aria-hidden="true" />{word("index", state)}</span></li>
            ))}
          </ul>
          <Figures picture={picture} />
          {samples ? <Operations samples={samples} /> : <p class="notice">{t("health.nometrics")}</p>}
          <Models />
        </>
      )}
      <Equivalents lines={both(curl("/readyz"), cli(["doctor"]).replace(/ --url \S+/, ""))} />
    </div>
  );
}
