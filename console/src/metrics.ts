/** Prometheus' text format 0.0.4, as far as it is needed to show figures. */
export interface Sample { name: string; labels: Record<string, string>; value: number }

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Sample[] {
  const out: Sample[] = [];
  for (const l of text.split("\n")) {
    const m = l.startsWith("#") ? null : line.exec(l);
    if (!m) continue;
    const labels: Record<string, string> = {};
    for (const [, k = "", v = ""] of (m[2] ?? "").matchAll(label)) labels[k] = v.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
    const value = m[3] === "+Inf" ? Infinity : m[3] === "-Inf" ? -Infinity : Number(m[3]);
    out.push({ name: m[1] as string, labels, value });
  }
  return out;
}

export const total = (samples: Sample[], name: string): number | null => {
  const found = samples.filter((s) => s.name === name);
  return found.length ? found.reduce((sum, s) => sum + s.value, 0) : null;
};

/** A quantile of a cumulative histogram, interpolated in its bucket; seconds. Null when it has no observations. */
export function quantile(buckets: { le: number; count: number }[], q: number): number | null {
  const sorted = [...buckets].sort((a, b) => a.le - b.le);
  const all = sorted[sorted.length - 1]?.count ?? 0;
  if (all === 0) return null;
  let below = 0, from = 0;
  for (const b of sorted) {
    if (b.count >= q * all) {
      if (!Number.isFinite(b.le)) return from;
      return b.count === below ? b.le : from + (b.le - from) * ((q * all - below) / (b.count - below));
    }
    below = b.count;
    from = b.le;
  }
  return from;
}

export interface OperationFigures { operation: string; count: number; p50: number | null; p99: number | null }

export function operations(samples: Sample[]): OperationFigures[] {
  const buckets = new Map<string, Map<number, number>>();
  for (const s of samples) {
    if (s.name !== "nexus_request_duration_seconds_bucket" || !s.labels.operation) continue;
    const le = s.labels.le === "+Inf" ? Infinity : Number(s.labels.le);
    const mine = buckets.get(s.labels.operation) ?? new Map<number, number>();
    mine.set(le, (mine.get(le) ?? 0) + s.value);
    buckets.set(s.labels.operation, mine);
  }
  return [...buckets].map(([operation, b]) => {
    const list = [...b].map(([le, count]) => ({ le, count }));
    return { operation, count: b.get(Infinity) ?? 0, p50: quantile(list, 0.5), p99: quantile(list, 0.99) };
  }).sort((a, b) => b.count - a.count);
}
