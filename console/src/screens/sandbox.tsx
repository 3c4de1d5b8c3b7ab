import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { json, Problem } from "../api";
import { both, cli, curl, quote } from "../equivalents";
import { useTongue } from "../i18n";
import { readEvents } from "../sse";
import { store, useStore } from "../store";
import type { Execution, Finding, Language, Page, Scan } from "../types";
import { Artifacts } from "../ui/answer";
import { Equivalents, ErrorBox, Field, Icon, Select } from "../ui/basic";
import { Editor } from "../ui/editor";
import { Code, Id, Shown } from "../ui/text";
import { Session } from "./session";

const policies = ["strict", "standard", "off"] as const;
interface Draft { language: string; code: string; stdin: string; time: number; memory: number; cpu: number; policy: (typeof policies)[number] }

/* What was typed stays while one looks at other screens. */
const draft = store<Draft>({ language: "python", code: "print(sum(range(10)))\n", stdin: "", time: 30, memory: 512, cpu: 20, policy: "standard" });

const bodyOf = (d: Draft): Record<string, unknown> => ({
  language: d.language, code: d.code, policy: d.policy,
  ...(d.stdin && { stdin: d.stdin }),
  constraints: { max_execution_time_s: d.time, max_memory_mb: d.memory, max_cpu_percent: d.cpu },
});

function Findings({ scan }: { scan: Scan }): JSX.Element {
  const { t, word } = useTongue();
  return (
    <section>
      <h2>{t("box.scanner")}</h2>
      {scan.findings.length === 0 ? <p class="meta">{t("box.clean")}</p> : (
        <>
          <p>{t("box.risk")}: <span class={`risk risk-${scan.risk_level}`}>{word("risk", scan.risk_level)}</span></p>
          <ul class="findings">
            {scan.findings.map((f, i) => (
              <li key={i}><p><span class={`risk risk-${f.severity}`}>{word("risk", f.severity)}</span>{" "}
                <span class="meta">{t("box.line", { line: f.line, column: f.column })} · <Id text={f.rule} /></span></p>
                <p dir="auto"><Shown text={f.message} /></p>
                {f.advice && <p class="meta" dir="auto"><Shown text={f.advice} /></p>}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Enforced({ what }: { what: Record<string, unknown> }): JSX.Element {
  const { t } = useTongue();
  const rows = Object.entries(what).filter(([k]) => k !== "degraded");
  return (
    <section>
      <h2 id="enforced">{t("box.enforced")}</h2>
      {what.degraded === true && <p class="notice">{t("box.degraded")}</p>}
      <div class="table-box" role="group" tabIndex={0}><table aria-labelledby="enforced" class="narrow"><tbody>
        {rows.map(([k, v]) => <tr key={k}><th scope="row"><Id text={k} /></th><td><Id text={typeof v === "string" ? v : JSON.stringify(v)} /></td></tr>)}
      </tbody></table></div>
    </section>
  );
}

function Result({ run, stdout, stderr }: { run: Execution | null; stdout: string; stderr: string }): JSX.Element {
  const { t, word, ms, bytes } = useTongue();
  const status = run?.status ?? "running";
  const look = status === "ok" ? "succeeded" : status === "running" ? "running" : status === "cancelled" ? "cancelled" : "failed";
  const u = run?.usage;
  return (
    <section class="card result" data-status={status} aria-live="polite">
      <div class="row between">
        <span class={`state state-${look}`}><span class="dot" aria-hidden="true" />{word("exec", status)}</span>
        <span class="meta">{typeof run?.exit_code === "number" && t("box.exit", { n: run.exit_code })}{typeof run?.signal === "number" && <> · {t("box.signal", { n: run.signal })}</>}</span>
      </div>
      {stdout && <><h2>{t("box.stdout")}</h2><Code text={stdout} label={t("box.stdout")} /></>}
      {stderr && <><h2>{t("box.stderr")}</h2><Code text={stderr} label={t("box.stderr")} /></>}
      {run && !stdout && !stderr && status !== "blocked" && <p class="meta">{t("box.noout")}</p>}
      {run?.truncated && <p class="notice">{t("box.truncated")}</p>}
      {u && (
        <dl class="figures compact">
          <div class="figure"><dt>{t("box.wall")}</dt><dd>{ms(u.wall_ms)}</dd></div>
          <div class="figure"><dt>{t("box.cputime")}</dt><dd>{ms(u.cpu_ms)}</dd></div>
          <div class="figure"><dt>{t("box.rss")}</dt><dd>{bytes(u.max_rss_bytes)}</dd></div>
          <div class="figure"><dt>{t("box.queue")}</dt><dd>{ms(u.queue_ms)}</dd></div>
          <div class="figure"><dt>{t("box.start")}</dt><dd>{ms(u.start_ms)}</dd></div>
        </dl>
      )}
      {!!run?.artifacts?.length && <><h2>{t("box.files")}</h2><Artifacts items={run.artifacts} /></>}
      {run && <div class="columns">{run.enforced && <Enforced what={run.enforced} />}{run.scan && <Findings scan={run.scan} />}</div>}
    </section>
  );
}

interface Running { asked: Draft; run: Execution | null; stdout: string; stderr: string }
const maxShown = 1_000_000;

/** Runs a program and passes on what it prints as it comes. */
async function runCode(asked: Draft, signal: AbortSignal, show: (r: Running) => void): Promise<void> {
  let r: Running = { asked, run: null, stdout: "", stderr: "" };
  let timer = 0;
  const later = (): void => {
    if (!timer) timer = window.setTimeout(() => { timer = 0; show(r); }, 60);
  };
  show(r);
  try {
    await readEvents("/v1/sandbox/executions", { body: { ...bodyOf(asked), stream: true }, signal }, (e) => {
      const data = JSON.parse(e.data) as Record<string, unknown>;
      if (e.event === "stdout" || e.event === "stderr") r = { ...r, [e.event]: (r[e.event] + String(data.text)).slice(-maxShown) };
      else if (e.event === "result") {
        const run = data as unknown as Execution;
        r = { ...r, run, stdout: run.stdout ?? r.stdout, stderr: run.stderr ?? r.stderr };
      } else if (e.event === "error") {
        throw new Problem(Number(data.status), String(data.code), String(data.title), String(data.detail), data.hint as string | undefined);
      }
      later();
    });
  } finally {
    clearTimeout(timer);
    show(r);
  }
}

const scanAfterMs = 400;

/** What the scanner thinks of a program while it is written; nothing while it is being asked. */
function useFindings({ language, code, policy }: Draft): Finding[] {
  const [found, setFound] = useState<Finding[]>([]);
  useEffect(() => {
    setFound([]);
    if (!code.trim() || policy === "off") return;
    const stop = new AbortController();
    const timer = window.setTimeout(() => {
      json<Scan>("/v1/sandbox/scan", { body: { language, code, policy }, signal: stop.signal })
        .then((s) => setFound(s.findings), () => undefined); // what is wrong with the program is said when it is run
    }, scanAfterMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [language, code, policy]);
  return found;
}

export function Sandbox(): JSX.Element {
  const { t } = useTongue();
  const d = useStore(draft);
  const set = (part: Partial<Draft>): void => draft.set({ ...draft.get(), ...part });
  const [languages, setLanguages] = useState<Language[]>([]);
  const [result, setResult] = useState<Running | null>(null);
  const [scan, setScan] = useState<Scan | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [stop, setStop] = useState<AbortController | null>(null);
  const alive = useRef(new AbortController());
  const findings = useFindings(d);
  useEffect(() => {
    json<Page<Language>>("/v1/sandbox/languages").then((p) => setLanguages(p.items), setProblem);
    return () => alive.current.abort();
  }, []);
  const run = async (): Promise<void> => {
    const c = new AbortController();
    alive.current.signal.addEventListener("abort", () => c.abort());
    setStop(c);
    setProblem(null);
    setScan(null);
    try {
      await runCode(d, c.signal, setResult);
    } catch (e) {
      if (!c.signal.aborted) setProblem(e);
      else setResult((r) => r && { ...r, run: r.run ?? { id: "", status: "cancelled" } });
      if (!c.signal.aborted) setResult(null);
    }
    setStop(null);
  };
  const scanOnly = async (): Promise<void> => {
    setResult(null);
    setProblem(null);
    try {
      setScan(await json<Scan>("/v1/sandbox/scan", { body: { language: d.language, code: d.code, policy: d.policy } }));
    } catch (e) {
      setScan(null);
      setProblem(e);
    }
  };
  const options = (languages.length ? languages : [{ name: d.language, available: true, package: null }]).map((l) => ({
    value: l.name, disabled: !l.available, text: l.available ? l.name : t("box.missing", { name: l.name, package: l.package ?? "" }) }));
  const number = (label: string, value: number, on: (n: number) => void, max: number): JSX.Element => (
    <Field label={label} class="short">{(id) => <input id={id} type="number" min={1} max={max} value={value} onChange={(e) => on(Math.max(1, Number(e.currentTarget.value) || 1))} />}</Field>
  );
  const asked = result?.asked;
  return (
    <div class="sandbox">
      <h1>{t("box.title")}</h1>
      <form class="card" onSubmit={(e) => { e.preventDefault(); if (!stop) void run(); }}>
        <div class="fields">
          <Select label={t("box.language")} value={d.language} options={options} on={(language) => set({ language })} />
          <Select label={t("box.policy")} value={d.policy} on={(policy) => set({ policy })} options={policies.map((value) => ({ value, text: t(`box.policy.${value}`) }))} />
          {number(t("box.time"), d.time, (time) => set({ time }), 86400)}
          {number(t("box.memory"), d.memory, (memory) => set({ memory }), 1048576)}
          {number(t("box.cpu"), d.cpu, (cpu) => set({ cpu }), 10000)}
        </div>
        <Field label={t("box.code")}>{(id) => (
          <Editor id={id} code={d.code} findings={findings} on={(code) => set({ code })} onRun={() => { if (!stop) void run(); }} />)}</Field>
        <details class="options"><summary>{t("box.stdin")}</summary>
          <Field label={t("box.stdin")}>{(id) => <textarea id={id} class="code-input" dir="ltr" rows={3} spellcheck={false} value={d.stdin} onInput={(e) => set({ stdin: e.currentTarget.value })} />}</Field></details>
        <div class="row">
          {/* Keys: a button that became another under the click would submit the form. */}
          {stop ? <button key="stop" type="button" class="danger-quiet" onClick={() => stop.abort()}>{t("box.stop")}</button>
            : <button key="run" type="submit" class="primary" disabled={!d.code.trim()}><Icon name="play" />{t("box.run")}</button>}
          <button type="button" disabled={!!stop || !d.code.trim()} onClick={() => void scanOnly()}>{t("box.scan")}</button>
        </div>
      </form>
      <ErrorBox error={problem} />
      {result && <Result run={result.run} stdout={result.stdout} stderr={result.stderr} />}
      {scan && <div class="card"><Findings scan={scan} /></div>}
      {asked && <Equivalents lines={both(curl("/v1/sandbox/executions", { body: bodyOf(asked) }),
        `printf %s ${quote(asked.code)} | ${cli(["exec", "-"], [["language", asked.language], ["time", asked.time], ["memory", asked.memory], ["cpu", asked.cpu], ["policy", asked.policy]])}`)} />}
      <Session language={d.language} />
    </div>
  );
}
