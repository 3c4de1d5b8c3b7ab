import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { json } from "../api";
import { both, cli, curl } from "../equivalents";
import { useTongue } from "../i18n";
import { remembered } from "../store";
import type { Layer, Memory, Recalled } from "../types";
import { Confirm, Equivalents, ErrorBox, Field, Loading, Tabs, When } from "../ui/basic";
import { dirOf, Inline, Shown } from "../ui/text";

const layers: Layer[] = ["working", "episodic", "semantic", "procedural"];
const lastUser = remembered("session", "nexus.user");
interface Asked { user_id: string; query: string; limit: number }

function MemoryList({ items, onDelete }: { items: Memory[]; onDelete: (m: Memory) => void }): JSX.Element {
  const { t, number, word } = useTongue();
  if (items.length === 0) return <p class="empty">{t("mem.nothing")}</p>;
  return (
    <ol class="memories">
      {items.map((m) => (
        <li key={m.id} class="card memory">
          <p class="prose" dir="auto"><Shown text={m.text} /></p>
          <div class="row between meta">
            <span>{m.layer !== "turn" && <span class="badge">{word("mem", m.layer)}</span>}
              {m.tainted && <span class="badge" title={t("tainted.help")}>{t("tainted")}</span>}
              {m.score !== undefined && <>{t("know.score")} {number(m.score, { maximumSignificantDigits: 3 })} · </>}
              {m.occurred_at && <When iso={m.occurred_at} />}{m.why && <> · <Inline text={m.why} /></>}</span>
            <button type="button" class="quiet" onClick={() => onDelete(m)}>{t("delete")}</button>
          </div>
        </li>
      ))}
    </ol>
  );
}

function Recall({ user, setUser }: { user: string; setUser: (u: string) => void }): JSX.Element {
  const { t, number } = useTongue();
  const [query, setQuery] = useState("");
  const [done, setDone] = useState<{ asked: Asked; found: Recalled } | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [tab, setTab] = useState("ranked");
  const [deleting, setDeleting] = useState<Memory | null>(null);
  const recall = async (asked: Asked): Promise<void> => {
    setBusy(true);
    lastUser.set(asked.user_id);
    try {
      setDone({ asked, found: await json<Recalled>("/v1/memory/recall", { body: asked }) });
      setProblem(null);
    } catch (e) {
      setProblem(e);
    }
    setBusy(false);
  };
  const remove = async (sure: boolean): Promise<void> => {
    const m = deleting;
    setDeleting(null);
    if (!sure || !m) return;
    try {
      await json(`/v1/memory/${m.id}`, { method: "DELETE" });
      if (done) await recall(done.asked);
    } catch (e) {
      setProblem(e);
    }
  };
  const f = done?.found;
  const tabs = f ? [
    { id: "ranked", text: `${t("mem.ranked")} ${number(f.ranked.length)}`, content: () => <MemoryList items={f.ranked} onDelete={setDeleting} /> },
    ...layers.map((l) => ({ id: l as string, text: `${t(`mem.${l}`)} ${number(f[l].length)}`, content: () => <MemoryList items={f[l]} onDelete={setDeleting} /> })),
  ] : [];
  return (
    <section aria-label={t("mem.go")}>
      <form class="filters" onSubmit={(e) => { e.preventDefault(); void recall({ user_id: user.trim(), query: query.trim(), limit: 20 }); }}>
        <Field label={t("mem.user")}>{(id) => <input id={id} dir={dirOf(user)} value={user} maxLength={128} required onInput={(e) => setUser(e.currentTarget.value)} />}</Field>
        <Field label={t("mem.query")} class="grow">{(id) => <input id={id} type="search" dir={dirOf(query)} value={query} placeholder={t("mem.placeholder")} onInput={(e) => setQuery(e.currentTarget.value)} />}</Field>
        <button type="submit" class="primary" disabled={!user.trim() || !query.trim() || busy}>{t("mem.go")}</button>
      </form>
      <ErrorBox error={problem} />
      {busy && !done && <Loading />}
      {done && <Tabs label={t("mem.layers")} tabs={tabs} value={tab} on={setTab} />}
      {deleting && <Confirm title={t("mem.delete.sure")} text={t("mem.delete.text")} yes={t("delete")} no={t("cancel")} on={(sure) => void remove(sure)} />}
      {done && <Equivalents lines={both(curl("/v1/memory/recall", { body: done.asked }), cli(["recall", done.asked.query], [["user", done.asked.user_id], ["limit", done.asked.limit]]))} />}
    </section>
  );
}

interface Kept { body: { user_id: string; role: string; text: string; importance: number }; layer: string }

function Remember({ user }: { user: string }): JSX.Element {
  const { t, word, number } = useTongue();
  const [text, setText] = useState("");
  const [importance, setImportance] = useState(0.5);
  const [kept, setKept] = useState<Kept | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const keep = async (e: Event): Promise<void> => {
    e.preventDefault();
    const body = { user_id: user.trim(), role: "user", text: text.trim(), importance };
    try {
      setKept({ body, layer: (await json<Memory>("/v1/memory", { body })).layer });
      setProblem(null);
      setText("");
    } catch (err) {
      setProblem(err);
    }
  };
  return (
    <form class="card" aria-labelledby="remember-title" onSubmit={(e) => void keep(e)}>
      <h2 id="remember-title">{t("mem.remember")}</h2>
      <Field label={t("mem.text")}>{(id) => <textarea id={id} dir={dirOf(text)} rows={2} value={text} onInput={(e) => setText(e.currentTarget.value)} />}</Field>
      <div class="row between">
        <Field label={t("mem.importance")} help={number(importance)}>{(id) => <input id={id} type="range" min="0" max="1" step="0.1" value={importance} onInput={(e) => setImportance(Number(e.currentTarget.value))} />}</Field>
        <button type="submit" disabled={!text.trim() || !user.trim()}>{t("mem.store")}</button>
      </div>
      <p role="status" class="done">{kept && t("mem.stored", { layer: word("mem", kept.layer) })}</p>
      <ErrorBox error={problem} />
      {kept && <Equivalents lines={both(curl("/v1/memory", { body: kept.body }), cli(["remember", kept.body.text], [["user", kept.body.user_id], ["importance", kept.body.importance]]))} />}
    </form>
  );
}

export function MemoryScreen(): JSX.Element {
  const { t } = useTongue();
  const [user, setUser] = useState(lastUser.get() ?? "me");
  return <div class="memory-screen"><h1>{t("mem.title")}</h1><Recall user={user} setUser={setUser} /><Remember user={user} /></div>;
}
