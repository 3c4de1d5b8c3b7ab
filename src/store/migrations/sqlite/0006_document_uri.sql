-- Documents by where they came from: a folder that is followed looks for those of a file, or of all below it.
CREATE INDEX documents_uri ON documents(tenant_id, space, uri) WHERE visible = 1 AND uri IS NOT NULL;
