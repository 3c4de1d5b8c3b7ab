/*
 * What an update keeps: a chunk whose title and text are those of one of the version before keeps its uid and its vectors.
 *
 *   match   on a worker, before anything is written: chunks of the visible version are set beside the new ones, by text; the
 *           vectors of those that are kept are read. It counts only while that version stays the visible one
 *   stage   the new row says which uid it will take (`keeps`), and gets copies of the vectors
 *   flip    old rows give their uids up, new rows take them, in two statements a document
 *   index   kept vectors go into the index as they are; only what is left is embedded
 */
#include "knowledge/ingest_internal.h"

#include "base/fault.h"
#include "knowledge/map.h"

struct before { /* chunks of the visible version */
	int64_t *keys;
	nx_id *uids;
	uint32_t *same; /* the next one with the same hash; NX_MAP_NONE: none */
	size_t n, cap;
	struct nx_map by_hash; /* → the first */
};

static uint64_t hash_of(nx_str title, nx_str text)
{
	return (nx_str_hash(title) * UINT64_C(0x9e3779b97f4a7c15) ^ nx_str_hash(text)) | 1; /* never 0 */
}

static bool grow(struct before *b, struct nx_arena *a)
{
	if (b->n < b->cap)
		return true;
	size_t cap = b->cap ? 2 * b->cap : 32;
	b->keys = nx_arena_realloc(a, b->keys, b->cap * sizeof(*b->keys), cap * sizeof(*b->keys));
	b->uids = nx_arena_realloc(a, b->uids, b->cap * sizeof(*b->uids), cap * sizeof(*b->uids));
	b->same = nx_arena_realloc(a, b->same, b->cap * sizeof(*b->same), cap * sizeof(*b->same));
	b->cap = cap;
	return b->keys && b->uids && b->same;
}

static int read_before(struct before *b, struct nx_db *db, int64_t doc, struct nx_arena *a, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db, "SELECT id, uid, title, text FROM chunks WHERE document_id = $1 ORDER BY idx",
			    NX_PARAMS(nx_v_int(doc)), &rows, err);
	while (r >= 0 && (r = nx_rows_next(rows, err)) > 0) {
		uint64_t hash = hash_of(nx_rows_text(rows, 2), nx_rows_text(rows, 3));
		if (!grow(b, a) || !nx_map_reserve(&b->by_hash, 1))
			return nx_error_set(err, NX_ENOMEM, "no memory for an update");
		b->keys[b->n] = nx_rows_int(rows, 0);
		b->uids[b->n] = nx_rows_id(rows, 1);
		b->same[b->n] = nx_map_get(&b->by_hash, hash);
		(void)nx_map_set(&b->by_hash, hash, (uint32_t)b->n);
		b->n++;
	}
	return r;
}

/* The hash finds it; the text itself decides. */
static int is_same(struct nx_db *db, int64_t key, const struct nx_prepared_chunk *c, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db, "SELECT title, text FROM chunks WHERE id = $1", NX_PARAMS(nx_v_int(key)), &rows, err);
	if (r < 0 || (r = nx_rows_next(rows, err)) <= 0)
		return r;
	return nx_str_eq(nx_rows_text(rows, 0), c->title) && nx_str_eq(nx_rows_text(rows, 1), c->text);
}

static int read_vector(struct nx_ingest_run *in, struct nx_db *db, struct nx_prepared_chunk *c, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	if (!nx_knowledge_has_vectors(in->k))
		return 0;
	int r = nx_db_query(db,
			    "SELECT vector FROM embeddings WHERE owner_kind = 'chunk' AND owner_id = $1 AND model = $2",
			    NX_PARAMS(nx_v_int(c->kept_key), nx_v_textz(nx_embed_model(in->k->models))), &rows, err);
	if (r < 0 || (r = nx_rows_next(rows, err)) <= 0)
		return r;
	nx_str v = nx_rows_blob(rows, 0);
	if (v.n != in->k->vectors.dims * sizeof(float))
		return 0;
	c->vector = nx_arena_memdup(in->arena, v.p, v.n);
	return c->vector ? 0 : nx_error_set(err, NX_ENOMEM, "no memory for a vector");
}

static int match_chunk(struct nx_ingest_run *in, struct nx_db *db, struct before *b, struct nx_prepared_chunk *c,
		       struct nx_error **err)
{
	uint32_t i = nx_map_get(&b->by_hash, hash_of(c->title, c->text));
	if (i == NX_MAP_NONE)
		return 0;
	int r = is_same(db, b->keys[i], c, err);
	if (r <= 0)
		return r;
	/* The next of the same takes the next one before. */
	uint64_t hash = hash_of(c->title, c->text);
	if (!nx_map_set(&b->by_hash, hash, b->same[i]))
		return nx_error_set(err, NX_ENOMEM, "no memory for an update");
	c->kept_key = b->keys[i];
	c->kept_uid = b->uids[i];
	return read_vector(in, db, c, err);
}

/* 1: there is a visible version, and it is another one. */
static int find_before(struct nx_ingest_run *in, struct nx_db *db, struct nx_prepared_doc *d, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(
		db, "SELECT id, hash FROM documents WHERE tenant_id = $1 AND space = $2 AND name = $3 AND visible = 1",
		NX_PARAMS(nx_v_int(in->tenant), nx_v_text(in->space), nx_v_text(d->name)), &rows, err);
	if (r < 0 || (r = nx_rows_next(rows, err)) <= 0)
		return r;
	nx_str hash = nx_rows_blob(rows, 1);
	d->kept_from = nx_rows_int(rows, 0);
	return !(hash.n == sizeof(d->hash) && memcmp(hash.p, d->hash, hash.n) == 0);
}

int nx_ingest_match(struct nx_ingest_run *in, struct nx_prepared_doc *d, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(in->k->store);
	struct before b = {0};
	int r = find_before(in, db, d, err);
	if (r <= 0)
		return r;
	r = read_before(&b, db, d->kept_from, in->arena, err);
	for (size_t i = 0; i < d->nchunks && r == 0 && b.n; i++)
		r = match_chunk(in, db, &b, &d->chunks[i], err);
	nx_map_done(&b.by_hash);
	return r;
}

void nx_ingest_unmatch(struct nx_prepared_doc *d)
{
	for (size_t i = 0; i < d->nchunks; i++) {
		d->chunks[i].kept_key = 0;
		d->chunks[i].vector = NULL;
	}
	d->kept_from = 0;
}

int nx_ingest_copy_vectors(struct nx_db *db, const struct nx_prepared_chunk *c, struct nx_error **err)
{
	if (c->kept_key == 0)
		return 0;
	if (NX_FAULT(ingest_keep))
		return nx_error_set(err, NX_EIO, "copy the vectors of a passage");
	return nx_db_exec(db,
			  "INSERT INTO embeddings(owner_kind, owner_id, model, tenant_id, vector)"
			  " SELECT 'chunk', $1, model, tenant_id, vector FROM embeddings"
			  " WHERE owner_kind = 'chunk' AND owner_id = $2",
			  NX_PARAMS(nx_v_int(c->key), nx_v_int(c->kept_key)), err);
}

int nx_ingest_take_uids(struct nx_db *db, struct nx_prepared_doc *d, int64_t old, const nx_id *dead,
			struct nx_error **err)
{
	bool counts = d->kept_from == old;
	int r = 0;
	if (counts) /* longer than a uid, so that it is nobody's */
		r = nx_db_exec(db, "UPDATE chunks SET uid = CAST(uid || $2 AS BLOB) WHERE document_id = $1",
			       NX_PARAMS(nx_v_int(old), nx_v_id(dead)), err);
	if (r == 0 && counts)
		r = nx_db_exec(
			db, "UPDATE chunks SET uid = keeps, keeps = NULL WHERE document_id = $1 AND keeps IS NOT NULL",
			NX_PARAMS(nx_v_int(d->key)), err);
	for (size_t i = 0; i < d->nchunks && counts && r == 0; i++)
		if (d->chunks[i].kept_key)
			d->chunks[i].uid = d->chunks[i].kept_uid;
	return r;
}

int nx_ingest_index_kept(struct nx_ingest_run *in, struct nx_error **err)
{
	int r = 0;
	for (size_t i = 0; i < in->nchanged && r == 0; i++) {
		const struct nx_prepared_doc *d = in->changed[i];
		for (size_t j = 0; j < d->nchunks && r == 0; j++)
			if (d->chunks[j].vector)
				r = nx_partition_add_vector(in->p, &in->k->vectors, d->chunks[j].key,
							    d->chunks[j].vector, err);
		nx_job_yield();
	}
	return r;
}
