/*
 * The indexes are rebuilt from the store at start, by a long job that gives way after every slice. Documents may arrive,
 * change and go meanwhile: a partition knows documents by their rows (partition.h).
 */
#include "knowledge/knowledge_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define PAGE_DOCS 64
#define SLICE_US 20000

struct page {
	struct nx_arena *arena;
	struct nx_prepared_doc docs[PAGE_DOCS];
	struct nx_partition *partitions[PAGE_DOCS];
	size_t n;
};

/* Chunks of one partition that have no vector yet, to be embedded after the load. */
struct nx_backlog {
	struct nx_arena *arena;
	struct nx_partition *p;
	struct nx_embed_item *items;
	size_t n, cap;
	struct nx_embedding embedding;
	struct nx_backlog *next;
};

static int read_doc(struct nx_knowledge *k, struct nx_rows *rows, struct page *pg, struct nx_error **err)
{
	struct nx_prepared_doc *d = &pg->docs[pg->n];
	*d = (struct nx_prepared_doc){.key = nx_rows_int(rows, 0),
				      .uid = nx_rows_id(rows, 1),
				      .name = nx_rows_textdup(rows, 4, pg->arena),
				      .title = nx_rows_textdup(rows, 5, pg->arena),
				      .indexes = (unsigned)nx_rows_int(rows, 7)};
	if (!nx_rows_is_null(rows, 6))
		d->metadata = nx_rows_textdup(rows, 6, pg->arena);
	if (!d->name.p || !d->title.p || (!nx_rows_is_null(rows, 6) && !d->metadata.p))
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	int r = nx_knowledge_partition(k, nx_rows_int(rows, 2), nx_rows_text(rows, 3), &pg->partitions[pg->n], err);
	pg->n += r == 0;
	return r;
}

static int read_page(struct nx_knowledge *k, struct nx_db *db, struct page *pg, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db,
			    "SELECT id, uid, tenant_id, space, name, title, metadata, indexes FROM documents"
			    " WHERE visible = 1 AND id > $1 ORDER BY id LIMIT $2",
			    NX_PARAMS(nx_v_int(k->loaded), nx_v_int(PAGE_DOCS)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) > 0)
		r = read_doc(k, rows, pg, err);
	return r;
}

static int read_chunk(struct nx_rows *rows, struct nx_arena *a, struct nx_prepared_chunk *c, struct nx_error **err)
{
	*c = (struct nx_prepared_chunk){.key = nx_rows_int(rows, 0),
					.uid = nx_rows_id(rows, 1),
					.title = nx_rows_textdup(rows, 2, a),
					.text = nx_rows_textdup(rows, 3, a)};
	return c->title.p && c->text.p ? 0 : nx_error_set(err, NX_ENOMEM, "no memory to load documents");
}

static int read_chunks(struct nx_db *db, struct nx_prepared_doc *d, struct nx_arena *a, struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int64_t n = 0;
	int r = nx_db_get_int(db, "SELECT count(*) FROM chunks WHERE document_id = $1", NX_PARAMS(nx_v_int(d->key)), &n,
			      err);
	if (r < 0)
		return r;
	d->chunks = nx_arena_array(a, struct nx_prepared_chunk, (size_t)n + 1);
	if (!d->chunks)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	r = nx_db_query(db, "SELECT id, uid, title, text FROM chunks WHERE document_id = $1 ORDER BY idx LIMIT $2",
			NX_PARAMS(nx_v_int(d->key), nx_v_int(n)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) > 0)
		r = read_chunk(rows, a, &d->chunks[d->nchunks++], err);
	return r;
}

static int load_doc(struct nx_db *db, struct nx_partition *p, struct nx_prepared_doc *d, struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	int r = read_chunks(db, d, a, err);
	if (r == 0)
		r = nx_partition_add_hidden(p, d, err);
	if (r == 0)
		nx_partition_show(p, &d, 1);
	return r;
}

/* 1: there is more; 0: all is loaded. */
static int load_page(struct nx_knowledge *k, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(k->store);
	nx_auto_free struct page *pg = calloc(1, sizeof(*pg));
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (!pg || !a)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	pg->arena = a;
	int r = read_page(k, db, pg, err);
	for (size_t i = 0; i < pg->n && r == 0; i++) {
		r = load_doc(db, pg->partitions[i], &pg->docs[i], err);
		k->loaded = pg->docs[i].key;
	}
	return r < 0 ? r : pg->n == PAGE_DOCS;
}

/* ---- entities, then relationships: rows in order, read again one by one ---- */

#define PAGE_ROWS 256

struct row_page {
	int64_t keys[PAGE_ROWS];
	struct nx_partition *partitions[PAGE_ROWS];
	size_t n;
};

static int read_row_page(struct nx_knowledge *k, struct nx_db *db, const char *sql, struct row_page *pg,
			 struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	int r = nx_db_query(db, sql, NX_PARAMS(nx_v_int(k->loaded), nx_v_int(PAGE_ROWS)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) > 0) {
		pg->keys[pg->n] = nx_rows_int(rows, 0);
		r = nx_knowledge_partition(k, nx_rows_int(rows, 1), nx_rows_text(rows, 2), &pg->partitions[pg->n], err);
		pg->n += r == 0;
	}
	return r;
}

static int load_graph_page(struct nx_knowledge *k, bool entities, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(k->store);
	struct row_page pg = {.n = 0};
	const char *sql =
		entities
			? "SELECT id, tenant_id, space FROM entities WHERE origin = 'client' AND id > $1 ORDER BY id LIMIT $2"
			: "SELECT id, tenant_id, space FROM relationships WHERE id > $1 ORDER BY id LIMIT $2";
	int r = read_row_page(k, db, sql, &pg, err);
	for (size_t i = 0; i < pg.n && r == 0; i++) {
		r = entities ? nx_graph_sync_entity(pg.partitions[i], db, pg.keys[i], err)
			     : nx_graph_sync_relationship(pg.partitions[i], db, pg.keys[i], err);
		k->loaded = pg.keys[i];
	}
	return r < 0 ? r : pg.n == PAGE_ROWS;
}

/* ---- vectors: from the snapshots, and what these do not have from the store ---- */

static struct nx_partition *partition_at(struct nx_knowledge *k, size_t i)
{
	pthread_mutex_lock(&k->lock);
	struct nx_partition *p = i < k->npartitions ? k->partitions[i] : NULL;
	pthread_mutex_unlock(&k->lock);
	return p;
}

static void open_snapshots(struct nx_knowledge *k)
{
	struct nx_partition *p;
	for (size_t i = 0; (p = partition_at(k, i)) != NULL; i++) {
		nx_auto_error struct nx_error *err = NULL;
		nx_auto_arena struct nx_arena *a = nx_arena_new(0);
		char *path = a ? nx_knowledge_snapshot_path(k, p, a) : NULL;
		if (path && nx_partition_open_vectors(p, &k->vectors, path, &err) < 0 &&
		    nx_error_code(err) != NX_ENOTFOUND)
			nx_log_warn("knowledge", "a snapshot of vectors is of no use: they are linked anew",
				    NX_LERR(err));
	}
}

static struct nx_backlog *backlog_of(struct nx_knowledge *k, struct nx_partition *p)
{
	for (struct nx_backlog *b = k->backlog; b; b = b->next)
		if (b->p == p)
			return b;
	struct nx_arena *a = nx_arena_new(0);
	struct nx_backlog *b = a ? nx_arena_new_of(a, struct nx_backlog) : NULL;
	if (!b) {
		nx_arena_free(a);
		return NULL;
	}
	*b = (struct nx_backlog){.arena = a, .p = p, .next = k->backlog};
	k->backlog = b;
	return b;
}

static int remember_unembedded(struct nx_knowledge *k, struct nx_partition *p, const struct nx_embed_item *c,
			       struct nx_error **err)
{
	struct nx_backlog *b = backlog_of(k, p);
	if (b && b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 64;
		struct nx_embed_item *v = nx_arena_realloc(b->arena, b->items, b->cap * sizeof(*v), cap * sizeof(*v));
		b->items = v ? v : b->items;
		b->cap = v ? cap : b->cap;
	}
	if (!b || b->n == b->cap)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	struct nx_embed_item it = {c->key, nx_str_dup(b->arena, c->title), nx_str_dup(b->arena, c->text)};
	if (!it.title.p || !it.text.p)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	b->items[b->n++] = it;
	return 0;
}

/* From the store, or into the backlog. */
static int load_vector(struct nx_knowledge *k, struct nx_db *db, struct nx_partition *p, int64_t key,
		       struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	if (nx_partition_has_vector(p, key))
		return 0;
	int r = nx_db_query(db,
			    "SELECT c.title, c.text, e.vector FROM chunks c LEFT JOIN embeddings e"
			    " ON e.owner_kind = 'chunk' AND e.owner_id = c.id AND e.model = $2 WHERE c.id = $1",
			    NX_PARAMS(nx_v_int(key), nx_v_textz(nx_embed_model(k->models))), &rows, err);
	if (r < 0 || (r = nx_rows_next(rows, err)) <= 0)
		return r; /* it may be gone */
	nx_str vector = nx_rows_blob(rows, 2);
	if (vector.n != k->vectors.dims * sizeof(float))
		return remember_unembedded(
			k, p, &(struct nx_embed_item){key, nx_rows_text(rows, 0), nx_rows_text(rows, 1)}, err);
	nx_auto_free float *v = malloc(vector.n);
	if (!v)
		return nx_error_set(err, NX_ENOMEM, "no memory to load vectors");
	memcpy(v, vector.p, vector.n); /* a blob need not be aligned */
	return nx_partition_add_vector(p, &k->vectors, key, v, err);
}

static int load_vector_page(struct nx_knowledge *k, struct nx_error **err)
{
	struct nx_db *db = nx_store_reader(k->store);
	struct row_page pg = {.n = 0};
	if (k->loaded == 0)
		open_snapshots(k);
	int r = read_row_page(k, db,
			      "SELECT c.id, d.tenant_id, d.space FROM chunks c JOIN documents d ON d.id = c.document_id"
			      " WHERE c.id > $1 AND d.visible = 1 AND d.indexes & 4 ORDER BY c.id LIMIT $2",
			      &pg, err);
	for (size_t i = 0; i < pg.n && r == 0; i++) {
		r = load_vector(k, db, pg.partitions[i], pg.keys[i], err);
		k->loaded = pg.keys[i];
	}
	return r < 0 ? r : pg.n == PAGE_ROWS;
}

/* 1: there is more; 0: everything is loaded. */
static int load_some(struct nx_knowledge *k, struct nx_error **err)
{
	int r = k->load_phase == 0     ? load_page(k, err)
		: k->load_phase <= 2   ? load_graph_page(k, k->load_phase == 1, err)
		: k->vectors.dims == 0 ? 0
				       : load_vector_page(k, err);
	if (r != 0)
		return r;
	k->loaded = 0;
	return ++k->load_phase <= 3;
}

/* ---- what has no vector yet ---- */

static void embed_next(struct nx_knowledge *k);

static void embedded(struct nx_embedding *e, struct nx_error *err)
{
	struct nx_knowledge *k = e->k;
	struct nx_backlog *b = e->ctx;
	if (err)
		nx_log_warn("knowledge", "chunks without a vector stay so until the next start", NX_LERR(err));
	k->backlog = b->next;
	nx_arena_free(b->arena);
	embed_next(k);
}

static void embed_next(struct nx_knowledge *k)
{
	struct nx_backlog *b = k->backlog;
	if (!b) {
		nx_knowledge_leave(k);
		return;
	}
	b->embedding =
		(struct nx_embedding){.k = k, .p = b->p, .items = b->items, .n = b->n, .done = embedded, .ctx = b};
	nx_embedding_start(&b->embedding);
}

static void run(struct nx_job *j)
{
	struct nx_knowledge *k = nx_container_of(j, struct nx_knowledge, load_job);
	nx_auto_error struct nx_error *err = NULL;
	int64_t start = nx_time_mono_us();
	int r;
	do {
		r = load_some(k, &err);
	} while (r > 0 && nx_time_mono_us() - start < SLICE_US);
	if (r > 0 && nx_knowledge_is_stopping(k)) {
		nx_knowledge_leave(k);
		return;
	}
	if (r > 0) {
		nx_workers_post(k->workers, &k->load_job);
		return;
	}
	if (r < 0) {
		nx_log_error("knowledge", "the indexes could not be rebuilt from the store", NX_LERR(err));
		atomic_store_explicit(&k->load_failed, true, memory_order_relaxed);
	}
	atomic_store_explicit(&k->loading, false, memory_order_release);
	nx_knowledge_purge(k);
	nx_knowledge_tend(k);
	embed_next(k);
}

void nx_knowledge_load(struct nx_knowledge *k)
{
	nx_knowledge_enter(k);
	atomic_store_explicit(&k->loading, true, memory_order_relaxed);
	k->load_job = (struct nx_job){.run = run, .is_long = true};
	nx_workers_post(k->workers, &k->load_job);
}
