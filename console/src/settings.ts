import { remembered, store } from "./store";

export type Lang = "en" | "ar";
export type Theme = "auto" | "light" | "dark";

const keptLang = remembered("local", "nexus.lang");
const keptTheme = remembered("local", "nexus.theme");

function firstLang(): Lang {
  const kept = keptLang.get();
  if (kept === "en" || kept === "ar") return kept;
  const wanted = navigator.languages.find((l) => /^(ar|en)\b/i.test(l));
  return wanted?.toLowerCase().startsWith("ar") ? "ar" : "en";
}

function firstTheme(): Theme {
  const kept = keptTheme.get();
  return kept === "light" || kept === "dark" ? kept : "auto";
}

export const lang = store<Lang>(firstLang());
export const theme = store<Theme>(firstTheme());

function show(): void {
  const root = document.documentElement;
  root.lang = lang.get();
  root.dir = lang.get() === "ar" ? "rtl" : "ltr";
  if (theme.get() === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme.get();
}
show();

lang.watch((l) => {
  keptLang.set(l);
  show();
});
theme.watch((t) => {
  keptTheme.set(t === "auto" ? null : t);
  show();
});
