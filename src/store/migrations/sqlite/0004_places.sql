-- Where the source of a chunk stands: {"page":[3,4]}, and the like; NULL: unknown.
ALTER TABLE chunks ADD COLUMN place TEXT;
