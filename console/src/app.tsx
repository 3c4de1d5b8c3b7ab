import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { apiKey, keyNeeded } from "./api";
import { useTongue, type Key } from "./i18n";
import { connected, startLive } from "./live";
import { href, route } from "./router";
import { Agents } from "./screens/agents";
import { Ask } from "./screens/ask";
import { Health } from "./screens/health";
import { Knowledge } from "./screens/knowledge";
import { MemoryScreen } from "./screens/memory";
import { Sandbox } from "./screens/sandbox";
import { TaskScreen } from "./screens/task";
import { Tasks } from "./screens/tasks";
import { lang, theme, type Theme } from "./settings";
import { useStore } from "./store";
import { Field, Icon } from "./ui/basic";

const screens = ["ask", "tasks", "knowledge", "memory", "sandbox", "agents", "health"] as const;

function Screen(): JSX.Element {
  const { t } = useTongue();
  const { name, id } = useStore(route);
  switch (name) {
    case "ask": return <Ask />;
    case "tasks": return id ? <TaskScreen key={id} id={id} /> : <Tasks />;
    case "knowledge": return <Knowledge id={id} />;
    case "memory": return <MemoryScreen />;
    case "sandbox": return <Sandbox />;
    case "agents": return <Agents />;
    case "health": return <Health />;
    default: return <h1>{t("notfound")}</h1>;
  }
}

function KeyForm(): JSX.Element | null {
  const { t } = useTongue();
  const needed = useStore(keyNeeded);
  const key = useStore(apiKey);
  const [value, setValue] = useState("");
  if (!needed) return null;
  const use = (e: Event): void => {
    e.preventDefault();
    keyNeeded.set(false);
    apiKey.set(value.trim());
  };
  return (
    <form class="card key-form" onSubmit={use}>
      <h2>{t("key.title")}</h2>
      {key && <p class="error-title" role="alert">{t("key.refused")}</p>}
      <Field label={t("key.label")} help={t("key.help")}>
        {(id) => <input id={id} type="password" dir="ltr" class="mono" autocomplete="off" value={value} onInput={(e) => setValue(e.currentTarget.value)} />}
      </Field>
      <button type="submit" class="primary" disabled={!value.trim()}>{t("key.use")}</button>
    </form>
  );
}

const nextTheme: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const themeIcon = { auto: "auto", light: "sun", dark: "moon" } as const;

function Settings(): JSX.Element {
  const { t } = useTongue();
  const now = useStore(theme);
  const key = useStore(apiKey);
  const up = useStore(connected);
  const l = useStore(lang);
  const other = l === "ar" ? "en" : "ar";
  return (
    <div class="settings">
      <span class={`live ${up ? "on" : "off"}`} role="status"><span class="dot" aria-hidden="true" />{t(up ? "live.on" : "live.off")}</span>
      {key && <button type="button" class="quiet" onClick={() => apiKey.set("")}>{t("key.forget")}</button>}
      <button type="button" class="quiet" onClick={() => theme.set(nextTheme[now])} aria-label={`${t("theme")}: ${t(`theme.${now}`)}`}><Icon name={themeIcon[now]} />{t(`theme.${now}`)}</button>
      <button type="button" class="quiet" lang={other} onClick={() => lang.set(other)}>{t("other.language")}</button>
      <a class="quiet" href="/docs">{t("nav.docs")}</a>
    </div>
  );
}

export function App(): JSX.Element {
  const { t } = useTongue();
  const { name, id } = useStore(route);
  const key = useStore(apiKey);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => startLive(), [key]);
  // Before the screen is painted: later it would take the focus from who has begun to work on it.
  useLayoutEffect(() => {
    document.title = `${t(`nav.${screens.includes(name as never) ? name : "ask"}` as Key)} · NEXUS`;
    // After a change of screens readers go on from the top of the new one.
    if (!first.current) main.current?.focus({ preventScroll: true });
    if (!first.current) main.current?.scrollTo(0, 0);
    first.current = false;
  }, [name, id]);
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>{t("skip")}</a>
      <header class="side">
        <a class="brand" href={href("ask")}><img src="/favicon.svg" alt="" width="28" height="28" /><span translate={false}>{t("brand")}</span></a>
        <nav aria-label={t("nav")}>
          {screens.map((s) => <a key={s} href={href(s)} aria-current={name === s ? "page" : undefined}><Icon name={s} />{t(`nav.${s}`)}</a>)}
        </nav>
        <Settings />
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <KeyForm />
        <Screen key={key} />
      </main>
    </div>
  );
}
