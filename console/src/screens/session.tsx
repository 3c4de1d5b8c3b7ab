import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, json, Problem } from "../api";
import { cli } from "../equivalents";
import { useTongue } from "../i18n";
import { follow } from "../sse";
import { store, useStore } from "../store";
import type { Page, Process } from "../types";
import { Equivalents, ErrorBox, Field } from "../ui/basic";
import { plain } from "../ui/terminal";
import { Code, Id } from "../ui/text";

const maxShown = 200_000;
/* The session stays while one looks at other screens. */
const current = store<string>("");

const pathOf = (session: string, ...more: string[]): string => ["/v1/sandbox/sessions", session, ...more].join("/");
const isGone = (e: unknown): boolean => e instanceof Problem && e.status === 404;

/** The output of one process as it comes, and a line for what is typed to it. */
function Screen({ process, exited, fail }: { process: Process; exited: () => void; fail: (e: unknown) => void }): JSX.Element {
  const { t } = useTongue();
  const [text, setText] = useState("");
  const [typed, setTyped] = useState("");
  const path = pathOf(process.session_id, "processes", process.id);
  useEffect(() => {
    const stop = new AbortController();
    let over = false;
    setText("");
    void follow(`${path}/stream`, { signal: stop.signal, after: null, over: () => over, failed: isGone, on: (e) => {
      if (e.event === "output") setText((s) => (s + (JSON.parse(e.data) as { text: string }).text).slice(-maxShown));
      if (e.event !== "exit") return;
      over = true;
      exited();
    } });
    return () => stop.abort();
  }, [path]);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const pre = box.current?.querySelector("pre");
    if (pre) pre.scrollTop = pre.scrollHeight;
  }, [text]);
  const send = (s: string): void => void call(`${path}/input`, { body: { text: s } }).catch(fail);
  return (
    <div class="screen" ref={box}>
      <Code text={process.terminal ? plain(text) : text} label={t("box.stdout")} />
      {process.state === "running" && (
        <form class="row" onSubmit={(e) => { e.preventDefault(); send(`${typed}\n`); setTyped(""); }}>
          <Field label={t("ses.input")}>{(id) => <input id={id} dir="ltr" autocomplete="off" spellcheck={false} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />}</Field>
          <button type="submit">{t("ses.send")}</button>
          {process.terminal && <button type="button" onClick={() => send("\u0003")}>{t("ses.interrupt")}</button>}
        </form>
      )}
    </div>
  );
}

/** What was asked for: a text for the shell as it was written. */
const nameOf = ({ command: c }: Process): string => (c.length === 3 && c[0] === "/bin/sh" && c[1] === "-c" ? c[2] : c.join(" ")) ?? "";

function Row({ process: p, shown, show, stop }: { process: Process; shown: boolean; show: () => void; stop: () => void }): JSX.Element {
  const { t, word } = useTongue();
  const end = typeof p.exit_code === "number" ? t("box.exit", { n: p.exit_code }) : t("box.signal", { n: p.signal ?? 0 });
  return (
    <li class="row between">
      <button type="button" aria-pressed={shown} onClick={show}><Id text={nameOf(p) || t("ses.shell")} /></button>
      <span class="row"><span class="meta">{p.state === "running" ? word("exec", "running") : end}</span>
        {p.state === "running" && <button type="button" class="danger-quiet" onClick={stop}>{t("box.stop")}</button>}</span>
    </li>
  );
}

/** A session of the sandbox: what runs in its background, and terminals in it. */
export function Session({ language }: { language: string }): JSX.Element {
  const { t } = useTongue();
  const session = useStore(current);
  const [processes, setProcesses] = useState<Process[]>([]);
  const [shown, setShown] = useState("");
  const [command, setCommand] = useState("");
  const [problem, setProblem] = useState<unknown>(null);
  const fail = (e: unknown): void => {
    if (isGone(e)) current.set("");
    else setProblem(e);
  };
  const load = (): void => {
    const id = current.get(); // it may have ended since this was drawn
    if (id) void json<Page<Process>>(pathOf(id, "processes")).then((p) => setProcesses(p.items), fail);
  };
  useEffect(load, [session]);
  const act = (work: () => Promise<void>): void => {
    setProblem(null);
    void work().then(load, fail);
  };
  const begin = (): void => act(async () => {
    const body = { language: language === "javascript" ? language : "python" };
    current.set((await json<{ id: string }>("/v1/sandbox/sessions", { body })).id);
  });
  const end = (): void => act(async () => {
    await call(pathOf(session), { method: "DELETE" });
    current.set("");
    setProcesses([]);
  });
  const launch = (what: string, body: unknown): void => act(async () => {
    setShown((await json<Process>(pathOf(session, what), { body })).id);
    setCommand("");
  });
  const one = processes.find((p) => p.id === shown);
  return (
    <section class="card session" aria-labelledby="session">
      <h2 id="session">{t("ses.title")}</h2>
      <p class="meta">{t("ses.help")}</p>
      <ErrorBox error={problem} />
      {!session ? <button type="button" onClick={begin}>{t("ses.begin")}</button> : (
        <>
          <div class="row between"><Id text={session} /><span class="row">
            <button type="button" onClick={() => launch("terminal", {})}>{t("ses.terminal")}</button>
            <button type="button" class="danger-quiet" onClick={end}>{t("ses.end")}</button></span></div>
          <form class="row" onSubmit={(e) => { e.preventDefault(); if (command.trim()) launch("processes", { command }); }}>
            <Field label={t("ses.command")}>{(id) => <input id={id} dir="ltr" autocomplete="off" spellcheck={false} value={command} onInput={(e) => setCommand(e.currentTarget.value)} />}</Field>
            <button type="submit" disabled={!command.trim()}>{t("ses.start")}</button>
          </form>
          {processes.length > 0 && (
            <ul>{processes.map((p) => (
              <Row key={p.id} process={p} shown={p.id === shown} show={() => setShown(p.id)}
                stop={() => act(async () => void await call(pathOf(session, "processes", p.id), { method: "DELETE" }))} />
            ))}</ul>
          )}
          {one && <Screen key={one.id} process={one} exited={load} fail={fail} />}
          <Equivalents lines={[{ label: "nexus", text: cli(["sandbox", "session", "shell", session], []) }]} />
        </>
      )}
    </section>
  );
}
