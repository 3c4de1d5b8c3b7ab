/** The shapes of the interface that the console reads; /openapi.json has all of them. */

export type TaskState =
  | "accepted" | "planning" | "queued" | "running" | "waiting"
  | "succeeded" | "failed" | "cancelled" | "timed_out" | "over_budget";
export type StepState =
  | "pending" | "ready" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "cancelled" | "timed_out";

export const taskStates: TaskState[] = [
  "accepted", "planning", "queued", "running", "waiting", "succeeded", "failed", "cancelled", "timed_out", "over_budget",
];
const finals: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled", "timed_out", "over_budget", "skipped"]);
/** True of states, of tasks and of steps, that nothing follows. */
export const isFinal = (state: string): boolean => finals.has(state);

export interface Citation { document_id?: string; chunk_id?: string; title?: string; quote?: string; document?: string }
export interface Artifact { id?: string; path: string; size: number; sha256?: string; mime?: string }
export interface Failure { code?: string; message?: string; hint?: string }
export interface Step {
  id: string;
  agent: string | null;
  tool: string | null;
  why: string;
  state: StepState;
  depends_on?: string[];
  attempts: number;
  started_at?: string | null;
  finished_at?: string | null;
  output?: unknown;
  error?: Failure | null;
  tainted?: boolean;
}
export interface Usage {
  input_tokens: number; output_tokens: number; usd_micros: number; steps: number; wall_ms: number; cpu_ms: number;
  max_memory_bytes?: number;
}
export interface Task {
  id: string;
  state: TaskState;
  input: string;
  user_id?: string | null;
  session_id?: string | null;
  priority?: string;
  waiting?: { reason?: string; step?: string; since?: string; deadline?: string } | null;
  result?: { text: string; citations: Citation[]; artifacts: Artifact[] } | null;
  analysis?: {
    intent?: string; complexity?: string; capabilities?: string[];
    estimate?: { steps?: number; wall_ms?: number; tokens?: number }; safety?: { risk?: string };
  } | null;
  plan?: { steps: Step[] };
  schedule?: { start?: string; estimated_completion?: string } | null;
  usage?: Usage | null;
  error?: Failure | null;
  trace_id?: string | null;
  created_at: string;
  started_at?: string | null;
  finished_at?: string | null;
  cancel_requested_at?: string | null;
}
export interface TaskEvent { seq?: number; task_id: string; type: string; at: string; data: Record<string, unknown> }

export interface Page<T> { items: T[]; next_cursor: string | null }
export interface LogLine {
  time: string; level: "debug" | "info" | "warn" | "error"; component: string; message: string;
  trace_id: string | null; fields: Record<string, unknown>;
}
export interface Span {
  span_id: string; parent_id: string | null; name: string; step_id: string | null; start: string; end: string;
  duration_ms: number; error: string | null; attributes: Record<string, unknown>;
}
export interface Trace { task_id: string; trace_id: string; spans: Span[] }

export interface Hit {
  kind: string; document_id?: string; document?: string; chunk_id?: string; title?: string; text?: string;
  entity?: { id?: string; type?: string; properties?: Record<string, unknown> } | null;
  score: number; scores?: { text?: number | null; vector?: number | null; graph?: number | null }; path?: string[];
}
export interface SearchResult { hits: Hit[]; took_ms: number }
export interface StoredDocument { id: string; name: string; title: string; mime: string; text?: string; uri?: string | null }
export interface Ingested {
  inserted: number; updated: number; unchanged: number; ids: string[]; chunks: number;
  errors?: { index: number; path: string; message: string }[];
}

export interface Memory {
  id: string; layer: string; role?: string; text: string; score?: number; importance?: number; occurred_at?: string;
  why?: string; sources?: string[]; tainted?: boolean;
}
export type Layer = "working" | "episodic" | "semantic" | "procedural";
export type Recalled = Record<Layer, Memory[]> & { ranked: Memory[] };

export interface Language {
  name: string; available: boolean; version: string | null; program: string | null; package: string | null;
}
export interface Process {
  id: string; session_id: string; command: string[]; terminal: { rows: number; columns: number } | null; state: string;
  exit_code: number | null; signal: number | null;
}
export interface Finding {
  rule: string; severity: string; line: number; column: number; message: string; advice?: string; code?: string;
}
export interface Scan { is_safe: boolean; risk_level: string; findings: Finding[]; scanned?: boolean }
export interface Execution {
  id: string; status: string; exit_code?: number | null; signal?: number | null; stdout?: string; stderr?: string;
  truncated?: boolean;
  usage?: { wall_ms: number; cpu_ms: number; max_rss_bytes: number; queue_ms: number; start_ms: number };
  enforced?: Record<string, unknown>; scan?: Scan; artifacts?: Artifact[];
}

export interface AgentStats {
  capability: string; runs: number; errors: number; success_rate: number; response_ms: number; cpu_ms: number;
  memory_bytes: number;
}
export interface Agent {
  name: string; description: string; origin: string;
  spec: { capabilities?: string[]; tools?: string[]; instructions?: string };
  stats: AgentStats[];
}
export interface Tool { name: string; description: string; capability?: string; effects: string; input_schema: unknown }
export interface Model { id: string; kind: string; provider: string; state: string; dimensions?: number; context?: number }

export interface Readiness {
  ready: boolean; indexes: Record<string, string>; tasks_pending: number; documents: number; chunks: number;
  keys_required: boolean;
}
