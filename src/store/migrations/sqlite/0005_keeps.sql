-- The uid that a staged chunk takes from the one of the same text when its document replaces another.
ALTER TABLE chunks ADD COLUMN keeps BLOB;
