-- Tables of the first version. int64 microseconds UTC, 16-byte ids, integer keys inside, JSON as TEXT.
CREATE TABLE tenants (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
  next_seq INTEGER NOT NULL DEFAULT 1) STRICT;

CREATE TABLE api_keys (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL REFERENCES tenants(id),
  name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, prefix TEXT NOT NULL, scopes TEXT NOT NULL, user_id TEXT,
  created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER, last_used_at INTEGER) STRICT;
CREATE INDEX api_keys_tenant ON api_keys(tenant_id, id);

CREATE TABLE sessions (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL REFERENCES tenants(id),
  user_id TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  metadata TEXT, UNIQUE(tenant_id, user_id, name)) STRICT;

CREATE TABLE turns (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL REFERENCES tenants(id),
  session_id INTEGER REFERENCES sessions(id), user_id TEXT NOT NULL, agent_id TEXT, role TEXT NOT NULL, text TEXT NOT NULL,
  occurred_at INTEGER NOT NULL, created_at INTEGER NOT NULL, importance REAL NOT NULL DEFAULT 0.5,
  tainted INTEGER NOT NULL DEFAULT 0, task_uid BLOB, metadata TEXT, length INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX turns_user ON turns(tenant_id, user_id, occurred_at);
CREATE INDEX turns_figures ON turns(tenant_id, user_id, length);
CREATE INDEX turns_session ON turns(session_id, id);
CREATE TABLE turn_terms (
  tenant_id INTEGER NOT NULL, user_id TEXT NOT NULL, term TEXT NOT NULL, turn_id INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
  count INTEGER NOT NULL, PRIMARY KEY(tenant_id, user_id, term, turn_id)) STRICT, WITHOUT ROWID;
CREATE INDEX turn_terms_turn ON turn_terms(turn_id);

CREATE TABLE tasks (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL REFERENCES tenants(id),
  user_id TEXT, session_id INTEGER REFERENCES sessions(id), state TEXT NOT NULL, priority INTEGER NOT NULL,
  input TEXT NOT NULL, request TEXT NOT NULL, analysis TEXT, plan TEXT, schedule TEXT, result TEXT, error TEXT,
  waiting TEXT, usage TEXT, trace_id BLOB NOT NULL, key_id INTEGER, tainted INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER, deadline_at INTEGER,
  cancel_requested_at INTEGER, last_seq INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX tasks_tenant ON tasks(tenant_id, id);
CREATE INDEX tasks_state ON tasks(tenant_id, state, id);
CREATE INDEX tasks_open ON tasks(id) WHERE finished_at IS NULL;

CREATE TABLE steps (
  task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE, idx INTEGER NOT NULL, tenant_id INTEGER NOT NULL,
  uid BLOB NOT NULL UNIQUE, name TEXT NOT NULL, agent TEXT, tool TEXT, why TEXT, state TEXT NOT NULL, effects TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, not_before INTEGER, output TEXT, error TEXT, usage TEXT, tainted INTEGER NOT NULL DEFAULT 0,
  started_at INTEGER, finished_at INTEGER, PRIMARY KEY(task_id, idx)) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  tenant_id INTEGER NOT NULL, seq INTEGER NOT NULL, task_id INTEGER REFERENCES tasks(id) ON DELETE CASCADE,
  type TEXT NOT NULL, data TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY(tenant_id, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX events_task ON events(task_id, seq);

CREATE TABLE approvals (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, task_id INTEGER NOT NULL REFERENCES tasks(id),
  step_idx INTEGER NOT NULL, call TEXT NOT NULL, asked_at INTEGER NOT NULL, deadline_at INTEGER, decided_at INTEGER,
  decision TEXT, decided_by TEXT, comment TEXT, input TEXT) STRICT;

CREATE TABLE schedules (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, name TEXT NOT NULL, cron TEXT NOT NULL,
  timezone TEXT NOT NULL, request TEXT NOT NULL, paused INTEGER NOT NULL DEFAULT 0, next_at INTEGER, last_at INTEGER,
  created_at INTEGER NOT NULL, UNIQUE(tenant_id, name)) STRICT;

CREATE TABLE webhooks_outbox (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, task_id INTEGER, url TEXT NOT NULL, body TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, not_before INTEGER NOT NULL, created_at INTEGER NOT NULL, done_at INTEGER) STRICT;

CREATE TABLE idempotency_keys (
  tenant_id INTEGER NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, key TEXT NOT NULL, body_hash BLOB NOT NULL,
  object BLOB, status INTEGER, answer TEXT, boot TEXT NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY(tenant_id, method, path, key)) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency_keys(created_at);

CREATE TABLE usage_ledger (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, task_id INTEGER, step_idx INTEGER, kind TEXT NOT NULL, name TEXT,
  input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0, usd_micros INTEGER NOT NULL DEFAULT 0,
  cpu_us INTEGER NOT NULL DEFAULT 0, wall_us INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL) STRICT;
CREATE INDEX usage_tenant ON usage_ledger(tenant_id, created_at);

CREATE TABLE limits (
  tenant_id INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY(tenant_id, name)) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL,
  origin TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE(tenant_id, name)) STRICT;

CREATE TABLE agent_stats (
  tenant_id INTEGER NOT NULL, agent TEXT NOT NULL, capability TEXT NOT NULL, runs INTEGER NOT NULL DEFAULT 0,
  successes INTEGER NOT NULL DEFAULT 0, wall_us INTEGER NOT NULL DEFAULT 0, cpu_us INTEGER NOT NULL DEFAULT 0,
  max_memory INTEGER NOT NULL DEFAULT 0, errors INTEGER NOT NULL DEFAULT 0, rating_sum INTEGER NOT NULL DEFAULT 0,
  ratings INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL, PRIMARY KEY(tenant_id, agent, capability)) STRICT, WITHOUT ROWID;

CREATE TABLE tools (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, created_at INTEGER NOT NULL,
  UNIQUE(tenant_id, name)) STRICT;

CREATE TABLE feedback (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, task_id INTEGER NOT NULL REFERENCES tasks(id), rating INTEGER NOT NULL,
  comment TEXT, created_at INTEGER NOT NULL) STRICT;

-- A document's space: '' is the tenant's shared one, else a user's own (memory keeps its facts there).
-- Rows of documents, chunks and entities are never numbered twice: the indexes in memory know them by their number.
-- visible: 0 staged, 1 visible, 2 replaced or deleted, waiting for the purge.
CREATE TABLE documents (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, space TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL, title TEXT NOT NULL, mime TEXT NOT NULL, uri TEXT, metadata TEXT, text TEXT NOT NULL, hash BLOB NOT NULL,
  indexes INTEGER NOT NULL, visible INTEGER NOT NULL DEFAULT 0, tainted INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX documents_name ON documents(tenant_id, space, name) WHERE visible = 1;
CREATE INDEX documents_list ON documents(tenant_id, space, id) WHERE visible = 1;
CREATE INDEX documents_staged ON documents(id) WHERE visible = 0;
CREATE INDEX documents_dead ON documents(id) WHERE visible = 2;

CREATE TABLE chunks (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
  idx INTEGER NOT NULL, title TEXT NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL, text TEXT NOT NULL,
  language TEXT NOT NULL, UNIQUE(document_id, idx)) STRICT;

-- origin: 'client', or 'found' in a text (name is then "name:" and the folded form).
CREATE TABLE entities (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, space TEXT NOT NULL DEFAULT '', name TEXT NOT NULL,
  type TEXT NOT NULL, properties TEXT NOT NULL, confidence REAL NOT NULL DEFAULT 1.0, origin TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE(tenant_id, space, name)) STRICT;

CREATE TABLE entity_names (
  entity_id INTEGER NOT NULL REFERENCES entities(id) ON DELETE CASCADE, tenant_id INTEGER NOT NULL, folded TEXT NOT NULL,
  surface TEXT NOT NULL, language TEXT, PRIMARY KEY(entity_id, folded)) STRICT, WITHOUT ROWID;
CREATE INDEX entity_names_folded ON entity_names(tenant_id, folded);

CREATE TABLE relationships (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, space TEXT NOT NULL DEFAULT '', name TEXT NOT NULL,
  source_id INTEGER NOT NULL REFERENCES entities(id) ON DELETE CASCADE, target_id INTEGER NOT NULL REFERENCES entities(id) ON DELETE CASCADE,
  type TEXT NOT NULL, properties TEXT NOT NULL, weight REAL NOT NULL DEFAULT 1.0, confidence REAL NOT NULL DEFAULT 1.0,
  valid_from INTEGER, valid_to INTEGER, provenance TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  UNIQUE(tenant_id, space, name)) STRICT;
CREATE INDEX relationships_source ON relationships(source_id);
CREATE INDEX relationships_target ON relationships(target_id);

CREATE TABLE mentions (
  chunk_id INTEGER NOT NULL REFERENCES chunks(id) ON DELETE CASCADE, entity_id INTEGER NOT NULL REFERENCES entities(id) ON DELETE CASCADE,
  tenant_id INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY(chunk_id, entity_id)) STRICT, WITHOUT ROWID;
CREATE INDEX mentions_entity ON mentions(entity_id);

CREATE TABLE schema_types (
  tenant_id INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, PRIMARY KEY(tenant_id, kind, name)) STRICT, WITHOUT ROWID;

CREATE TABLE embeddings (
  owner_kind TEXT NOT NULL, owner_id INTEGER NOT NULL, model TEXT NOT NULL, tenant_id INTEGER NOT NULL, vector BLOB NOT NULL,
  PRIMARY KEY(owner_kind, owner_id, model)) STRICT, WITHOUT ROWID;

CREATE TABLE memories (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, user_id TEXT NOT NULL, session_id INTEGER,
  turn_id INTEGER REFERENCES turns(id) ON DELETE CASCADE, layer TEXT NOT NULL, text TEXT NOT NULL, importance REAL NOT NULL,
  attention REAL NOT NULL DEFAULT 1.0, accesses INTEGER NOT NULL DEFAULT 1, pinned INTEGER NOT NULL DEFAULT 0,
  valid_from INTEGER, valid_to INTEGER, created_at INTEGER NOT NULL, accessed_at INTEGER NOT NULL, sources TEXT, metadata TEXT,
  fact_key TEXT, fact_value TEXT) STRICT;
CREATE INDEX memories_user ON memories(tenant_id, user_id, layer, id);
CREATE INDEX memories_session ON memories(session_id, layer);
CREATE INDEX memories_turn ON memories(turn_id);
CREATE INDEX memories_fact ON memories(tenant_id, user_id, fact_key) WHERE fact_key IS NOT NULL;

CREATE TABLE procedures (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, user_id TEXT, intent TEXT NOT NULL, pattern TEXT NOT NULL,
  plan TEXT NOT NULL, uses INTEGER NOT NULL DEFAULT 0, successes INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  UNIQUE(tenant_id, user_id, intent, pattern)) STRICT;

CREATE TABLE forget_log (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, user_id TEXT, what TEXT NOT NULL, count INTEGER NOT NULL, created_at INTEGER NOT NULL) STRICT;

CREATE TABLE executions (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, task_id INTEGER, step_idx INTEGER, session_id INTEGER,
  language TEXT NOT NULL, code_hash BLOB NOT NULL, request TEXT NOT NULL, status TEXT NOT NULL, answer TEXT, created_at INTEGER NOT NULL, finished_at INTEGER) STRICT;
CREATE INDEX executions_tenant ON executions(tenant_id, id);

CREATE TABLE sandbox_sessions (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, language TEXT NOT NULL, state TEXT NOT NULL, spec TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER) STRICT;

CREATE TABLE images (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL) STRICT;

CREATE TABLE artifacts (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, execution_id INTEGER REFERENCES executions(id), task_id INTEGER,
  path TEXT NOT NULL, size INTEGER NOT NULL, sha256 BLOB NOT NULL, mime TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;

CREATE TABLE spans (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, trace_id BLOB NOT NULL, span_id INTEGER NOT NULL, parent_id INTEGER, task_uid BLOB,
  step_uid BLOB, name TEXT NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, error TEXT, attrs TEXT NOT NULL) STRICT;
CREATE INDEX spans_task ON spans(tenant_id, task_uid, start_us);

CREATE TABLE logs (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, task_uid BLOB, trace_id BLOB, time_us INTEGER NOT NULL, level TEXT NOT NULL,
  component TEXT NOT NULL, message TEXT NOT NULL, fields TEXT NOT NULL) STRICT;
CREATE INDEX logs_task ON logs(tenant_id, task_uid, id);

CREATE TABLE alerts (
  id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, tenant_id INTEGER NOT NULL, rule TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL,
  value REAL, message TEXT NOT NULL, raised_at INTEGER NOT NULL, resolved_at INTEGER) STRICT;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, key_id INTEGER, action TEXT NOT NULL, object TEXT, detail TEXT, created_at INTEGER NOT NULL) STRICT;

CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

INSERT INTO tenants(id, uid, name, created_at) VALUES (1, randomblob(16), 'default', CAST(unixepoch('subsec') * 1000000 AS INTEGER));
