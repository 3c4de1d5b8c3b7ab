import { lang, type Lang } from "../settings";
import { useStore } from "../store";
import { ar } from "./ar";
import { en, type Key, type Message } from "./en";

export type { Key };

const words: Record<Lang, Record<Key, Message>> = { en, ar };
// Digits are Latin in both languages, so that a figure here is the same string as in a terminal or a log.
const locales: Record<Lang, string> = { en: "en", ar: "ar-u-nu-latn" };

export interface Tongue {
  lang: Lang;
  rtl: boolean;
  t(key: Key, values?: Record<string, string | number>): string;
  /** The word for a value of the server's; the value itself when the console does not know it. */
  word(group: string, value: string): string;
  number(n: number, o?: Intl.NumberFormatOptions): string;
  percent(n: number): string;
  ms(ms: number): string;
  bytes(n: number): string;
  dateTime(iso: string): string;
  time(iso: string): string;
  ago(iso: string, now: number): string;
}

function make(l: Lang): Tongue {
  const locale = locales[l];
  const dict = words[l];
  const plural = new Intl.PluralRules(locale);
  const formats = new Map<string, Intl.NumberFormat>();
  const number = (n: number, o: Intl.NumberFormatOptions = {}): string => {
    const key = JSON.stringify(o);
    let f = formats.get(key);
    if (!f) formats.set(key, (f = new Intl.NumberFormat(locale, o)));
    return f.format(n);
  };
  const unit = (n: number, u: string, digits = 0): string =>
    number(n, { style: "unit", unit: u, unitDisplay: "short", maximumFractionDigits: digits });
  const whole = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit",
    fractionalSecondDigits: 3, hourCycle: "h23" });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

  return {
    lang: l,
    rtl: l === "ar",
    t(key, values = {}) {
      const m: Message = dict[key];
      const n = values.n;
      const form = typeof m === "string" ? m : m[n === 0 && m.zero ? "zero" : plural.select(Number(n))] ?? m.other;
      return form.replace(/\{(\w+)\}/g, (_, name: string) => {
        const v = values[name];
        return typeof v === "number" ? number(v) : v ?? "";
      });
    },
    word(group, value) {
      const key = `${group}.${value}`;
      const m = Object.hasOwn(dict, key) ? dict[key as Key] : value;
      return typeof m === "string" ? m : m.other;
    },
    number,
    percent: (n) => number(n, { style: "percent", maximumFractionDigits: 1 }),
    ms(ms) {
      if (ms < 10) return unit(ms, "millisecond", ms < 1 ? 2 : 1);
      if (ms < 1000) return unit(ms, "millisecond");
      if (ms < 60_000) return unit(ms / 1000, "second", 2);
      const s = Math.round(ms / 1000);
      return s < 3600 ? `${unit(Math.floor(s / 60), "minute")} ${unit(s % 60, "second")}`
        : `${unit(Math.floor(s / 3600), "hour")} ${unit(Math.floor(s / 60) % 60, "minute")}`;
    },
    bytes(n) {
      const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
      let i = 0;
      while (n >= 1000 && i < 3) {
        n /= 1000;
        i++;
      }
      return unit(n, units[i] as string, n < 10 && i > 0 ? 1 : 0);
    },
    dateTime: (iso) => whole.format(new Date(iso)),
    time: (iso) => clock.format(new Date(iso)),
    ago(iso, now) {
      const s = Math.round((Date.parse(iso) - now) / 1000);
      const steps: [Intl.RelativeTimeFormatUnit, number][] = [["second", 60], ["minute", 3600], ["hour", 86_400]];
      let size = 1;
      for (const [u, below] of steps) {
        if (Math.abs(s) < below) return relative.format(Math.trunc(s / size), u);
        size = below;
      }
      return relative.format(Math.trunc(s / 86_400), "day");
    },
  };
}

const tongues: Record<Lang, Tongue> = { en: make("en"), ar: make("ar") };

/** The language of the page now. */
export function useTongue(): Tongue {
  return tongues[useStore(lang)];
}
