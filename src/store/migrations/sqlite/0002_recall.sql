-- Recall reads rows of turn_terms alone: the length and the session of a word's turn stand beside the word, the figures of
-- a user's turns are kept instead of counted, and a fact carries the words it is found by.
ALTER TABLE turn_terms ADD COLUMN length INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turn_terms ADD COLUMN session_id INTEGER;
UPDATE turn_terms SET (length, session_id) = (SELECT length, session_id FROM turns WHERE turns.id = turn_terms.turn_id);

CREATE TABLE turn_figures (
  tenant_id INTEGER NOT NULL, user_id TEXT NOT NULL, turns INTEGER NOT NULL, length INTEGER NOT NULL,
  PRIMARY KEY(tenant_id, user_id)) STRICT, WITHOUT ROWID;
INSERT INTO turn_figures SELECT tenant_id, user_id, count(*), sum(length) FROM turns GROUP BY tenant_id, user_id;
DROP INDEX turns_figures;

ALTER TABLE memories ADD COLUMN words TEXT;
DROP INDEX memories_user;
CREATE INDEX memories_user ON memories(tenant_id, user_id, layer, id, session_id, turn_id, importance);
