-- How a sandbox session ended, and whose a snapshot is.
ALTER TABLE sandbox_sessions ADD COLUMN ended_at INTEGER;
ALTER TABLE sandbox_sessions ADD COLUMN end_reason TEXT;
CREATE INDEX sandbox_sessions_tenant ON sandbox_sessions(tenant_id, id);
ALTER TABLE artifacts ADD COLUMN session_id INTEGER REFERENCES sandbox_sessions(id);
CREATE INDEX artifacts_session ON artifacts(session_id) WHERE session_id IS NOT NULL;
