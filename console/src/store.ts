import { useEffect, useState } from "preact/hooks";

/** A value that components watch. */
export interface Store<T> {
  get(): T;
  set(value: T): void;
  watch(fn: (value: T) => void): () => void;
}

export function store<T>(value: T): Store<T> {
  const watchers = new Set<(value: T) => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const fn of [...watchers]) fn(next);
    },
    watch(fn) {
      watchers.add(fn);
      return () => void watchers.delete(fn);
    },
  };
}

export function useStore<T>(s: Store<T>): T {
  const [value, set] = useState(s.get());
  useEffect(() => {
    set(() => s.get());
    return s.watch((v) => set(() => v));
  }, [s]);
  return value;
}

/** Storage that may be forbidden by the browser's settings: then nothing is kept. */
export function remembered(area: "local" | "session", key: string): { get(): string | null; set(v: string | null): void } {
  const storage = (): Storage => (area === "local" ? localStorage : sessionStorage);
  return {
    get() {
      try {
        return storage().getItem(key);
      } catch {
        return null;
      }
    },
    set(v) {
      try {
        if (v === null) storage().removeItem(key);
        else storage().setItem(key, v);
      } catch {
        /* not kept */
      }
    },
  };
}
