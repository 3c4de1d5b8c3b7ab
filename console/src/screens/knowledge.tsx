import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { json } from "../api";
import { both, cli, curl, quote } from "../equivalents";
import { useTongue } from "../i18n";
import { go, href } from "../router";
import type { Hit, Ingested, Page, SearchResult, StoredDocument } from "../types";
import { Confirm, Equivalents, ErrorBox, Field, Icon, Loading, Select } from "../ui/basic";
import { dirOf, Id, Inline, Paragraphs, Shown } from "../ui/text";

const modes = ["hybrid", "text", "vector", "graph"] as const;
type Mode = (typeof modes)[number];
const kinds = ["chunk", "entity", "both"] as const;
type Kinds = (typeof kinds)[number];

interface Query { query: string; mode: Mode; kinds: Kinds }
const bodyOf = (q: Query): object => ({ query: q.query, limit: 10, mode: q.mode, explain: true,
  kinds: q.kinds === "both" ? ["chunk", "entity"] : [q.kinds] });

function ScoreParts({ hit, best }: { hit: Hit; best: Record<string, number> }): JSX.Element {
  const { t, number } = useTongue();
  const figure = (n: number): string => number(n, { maximumSignificantDigits: 3 });
  return (
    <dl class="scores">
      <div><dt>{t("know.score")}</dt><dd>{figure(hit.score)}</dd></div>
      {(["text", "vector", "graph"] as const).map((k) => {
        const v = hit.scores?.[k];
        if (v === null || v === undefined) return null;
        const size = Math.max(2, Math.min(100, (v / (best[k] || 1)) * 100));
        return <div key={k}><dt>{t(`know.score.${k}`)}</dt><dd><span class="meter" aria-hidden="true"><span style={{ inlineSize: `${size}%` }} /></span>{figure(v)}</dd></div>;
      })}
    </dl>
  );
}

function HitCard({ hit, best }: { hit: Hit; best: Record<string, number> }): JSX.Element {
  const { t } = useTongue();
  const name = hit.title || (typeof hit.entity?.properties?.name === "string" ? hit.entity.properties.name : "") || hit.entity?.id || "";
  return (
    <li class="card hit">
      <h2>{hit.document_id ? <a href={href("knowledge", hit.document_id)}><Inline text={name || hit.document || hit.document_id} /></a> : <Inline text={name} />}
        {hit.kind === "entity" && hit.entity?.type && <span class="badge"><Id text={hit.entity.type} /></span>}</h2>
      {hit.text && <p class="prose" dir="auto"><Shown text={hit.text} /></p>}
      {!!hit.path?.length && (
        <p class="path"><span class="meta">{t("know.path")}</span> {hit.path.map((p, i) => <span key={i} class="path-part"><Inline text={p} /></span>)}</p>
      )}
      <ScoreParts hit={hit} best={best} />
    </li>
  );
}

function Search(): JSX.Element {
  const { t, ms } = useTongue();
  const [q, setQ] = useState<Query>({ query: "", mode: "hybrid", kinds: "chunk" });
  const [done, setDone] = useState<{ asked: Query; found: SearchResult } | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const running = useRef<AbortController | null>(null);
  const search = async (asked: Query): Promise<void> => {
    if (!asked.query.trim()) return;
    running.current?.abort();
    const stop = (running.current = new AbortController());
    setBusy(true);
    try {
      const found = await json<SearchResult>("/v1/knowledge/search", { body: bodyOf(asked), signal: stop.signal });
      setDone({ asked, found });
      setProblem(null);
    } catch (e) {
      if (!stop.signal.aborted) setProblem(e);
    }
    if (running.current === stop) setBusy(false);
  };
  const change = (part: Partial<Query>): void => {
    const next = { ...q, ...part };
    setQ(next);
    if (done && part.query === undefined) void search(next);
  };
  const best: Record<string, number> = {};
  for (const h of done?.found.hits ?? []) for (const [k, v] of Object.entries(h.scores ?? {})) best[k] = Math.max(best[k] ?? 0, v ?? 0);
  return (
    <section aria-label={t("know.query")}>
      <form class="filters search" onSubmit={(e) => { e.preventDefault(); void search(q); }}>
        <Field label={t("know.query")} class="grow">{(id) => <input id={id} type="search" dir={dirOf(q.query)} value={q.query} placeholder={t("know.placeholder")} onInput={(e) => change({ query: e.currentTarget.value })} />}</Field>
        <Select label={t("know.mode")} value={q.mode} on={(mode) => change({ mode })} options={modes.map((value) => ({ value, text: t(`know.mode.${value}`) }))} />
        <Select label={t("know.kinds")} value={q.kinds} on={(k) => change({ kinds: k })} options={kinds.map((value) => ({ value, text: t(`know.kind.${value}`) }))} />
        <button type="submit" class="primary" disabled={!q.query.trim() || busy}>{t("know.go")}</button>
      </form>
      <ErrorBox error={problem} />
      {busy && !done && <Loading />}
      {done && (
        <>
          <p class="meta" role="status">{t("know.hits", { n: done.found.hits.length })} {t("know.took", { time: ms(done.found.took_ms) })}</p>
          <ol class="hits">{done.found.hits.map((h) => <HitCard key={`${h.kind}${h.chunk_id ?? h.entity?.id ?? ""}`} hit={h} best={best} />)}</ol>
          <Equivalents lines={both(curl("/v1/knowledge/search", { body: bodyOf(done.asked) }), cli(["search", done.asked.query], [["mode", done.asked.mode], ["limit", 10]]) + " --explain")} />
        </>
      )}
    </section>
  );
}

function Upload({ onDone }: { onDone: () => void }): JSX.Element {
  const { t } = useTongue();
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const [names, setNames] = useState<string[]>([]);
  const [result, setResult] = useState<Ingested | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const input = useRef<HTMLInputElement>(null);
  const send = async (files: FileList | null): Promise<void> => {
    if (!files?.length) return;
    const form = new FormData();
    for (const f of files) form.append("files", f, f.name);
    setNames(Array.from(files, (f) => f.name));
    setBusy(true);
    setProblem(null);
    setResult(null);
    try {
      setResult(await json<Ingested>("/v1/knowledge/documents", { form }));
      onDone();
    } catch (e) {
      setProblem(e);
    }
    setBusy(false);
    if (input.current) input.current.value = "";
  };
  return (
    <section class="card upload" data-over={over} aria-labelledby="upload-title"
      onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
      onDrop={(e) => { e.preventDefault(); setOver(false); void send(e.dataTransfer?.files ?? null); }}>
      <h2 id="upload-title">{t("know.upload")}</h2>
      <p class="meta">{t("know.upload.help")}</p>
      <div class="row">
        <label class="button file"><Icon name="upload" />{t("know.upload.pick")}
          <input ref={input} class="visually-hidden" type="file" multiple accept=".txt,.md,.html,.htm,.pdf,.docx,.csv,.tsv,.json,.jsonl,.py,.js,.ts,.c,.h,.go,.rs,.java,.sh,.sql" disabled={busy} onChange={(e) => void send(e.currentTarget.files)} /></label>
        <span class="meta">{t("know.upload.drop")}</span>
      </div>
      <div role="status">
        {busy && <p class="loading"><span class="spinner" aria-hidden="true" />{t("know.uploading")}</p>}
        {result && <p class="done">{t("know.added", { inserted: result.inserted, updated: result.updated, unchanged: result.unchanged, chunks: result.chunks })}</p>}
      </div>
      <ErrorBox error={problem} />
      {names.length > 0 && <Equivalents lines={both(curl("/v1/knowledge/documents", { args: names.flatMap((n) => ["-F", quote(`files=@${n}`)]) }), cli(["ingest", ...names]))} />}
    </section>
  );
}

function Documents({ again }: { again: number }): JSX.Element {
  const { t } = useTongue();
  const [items, setItems] = useState<StoredDocument[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const load = useCallback(async (from: string | null) => {
    try {
      const p = await json<Page<StoredDocument>>(`/v1/knowledge/documents?limit=50${from ? `&cursor=${encodeURIComponent(from)}` : ""}`);
      setItems((old) => (from ? [...old, ...p.items] : p.items));
      setCursor(p.next_cursor);
      setProblem(null);
    } catch (e) {
      setProblem(e);
    }
  }, []);
  useEffect(() => void load(null), [load, again]);
  return (
    <section aria-labelledby="documents-title">
      <h2 id="documents-title">{t("know.documents")}</h2>
      <ErrorBox error={problem} />
      {items.length === 0 && !problem ? <p class="empty">{t("empty")}</p> : (
        <ul class="documents">{items.map((d) => <li key={d.id}><a href={href("knowledge", d.id)}><Inline text={d.title || d.name} /></a> <span class="meta"><Id text={d.name} /></span></li>)}</ul>
      )}
      {cursor && <button type="button" onClick={() => void load(cursor)}>{t("more")}</button>}
    </section>
  );
}

const textShown = 20_000;

function DocumentView({ id }: { id: string }): JSX.Element {
  const { t } = useTongue();
  const [doc, setDoc] = useState<StoredDocument | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [asking, setAsking] = useState(false);
  const [length, setLength] = useState(textShown);
  const path = `/v1/knowledge/documents/${encodeURIComponent(id)}`;
  useEffect(() => {
    setDoc(null);
    json<StoredDocument>(path).then(setDoc, setProblem);
  }, [path]);
  const remove = async (sure: boolean): Promise<void> => {
    setAsking(false);
    if (!sure) return;
    try {
      await json(path, { method: "DELETE" });
      go("knowledge");
    } catch (e) {
      setProblem(e);
    }
  };
  const text = doc?.text ?? "";
  return (
    <div>
      <p class="crumbs"><a href={href("knowledge")}>{t("know.title")}</a> <span class="crumb-arrow" aria-hidden="true" /> <Id text={doc?.name ?? id} /></p>
      <ErrorBox error={problem} />
      {!doc && !problem && <Loading />}
      {doc && (
        <>
          <div class="row between top"><h1 dir="auto"><Shown text={doc.title || doc.name} /></h1>
            <button type="button" class="danger-quiet" onClick={() => setAsking(true)}>{t("delete")}</button></div>
          <p class="meta"><Id text={doc.id} /> · <Id text={doc.mime} /></p>
          <Paragraphs class="card prose document" text={text.slice(0, length)} />
          {text.length > length && <button type="button" onClick={() => setLength(length + textShown)}>{t("more")}</button>}
          {asking && <Confirm title={t("know.delete.sure")} text={t("know.delete.text")} yes={t("delete")} no={t("cancel")} on={(sure) => void remove(sure)} />}
          <Equivalents lines={[{ label: "curl", text: curl(path) }, { label: "curl (delete)", text: curl(path, { method: "DELETE" }) }]} />
        </>
      )}
    </div>
  );
}

export function Knowledge({ id }: { id: string | null }): JSX.Element {
  const { t } = useTongue();
  const [again, setAgain] = useState(0);
  if (id) return <DocumentView id={id} />;
  return (
    <div class="knowledge">
      <h1>{t("know.title")}</h1>
      <Search />
      <div class="columns"><Documents again={again} /><Upload onDone={() => setAgain((n) => n + 1)} /></div>
    </div>
  );
}
