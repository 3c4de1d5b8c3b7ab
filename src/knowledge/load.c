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

static int read_chunk(struct nx_rows *rows, struct nx_arena *a, struct nx_prepared_chunk *c, size_t dims,
		      struct nx_error **err)
{
	*c = (struct nx_prepared_chunk){.key = nx_rows_int(rows, 0),
					.uid = nx_rows_id(rows, 1),
					.title = nx_rows_textdup(rows, 2, a),
					.text = nx_rows_textdup(rows, 3, a)};
	if (!c->title.p || !c->text.p)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	nx_str vector = nx_rows_blob(rows, 4);
	if (dims && vector.n == dims * sizeof(float)) {
		c->vector = nx_arena_memdup(a, vector.p, vector.n);
		if (!c->vector)
			return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	}
	return 0;
}

static int read_chunks(struct nx_knowledge *k, struct nx_db *db, struct nx_prepared_doc *d, struct nx_arena *a,
		       struct nx_error **err)
{
	size_t dims = nx_knowledge_has_vectors(k) ? nx_embed_dims(k->models) : 0;
	const char *model = dims ? nx_embed_model(k->models) : "";
	nx_auto_rows struct nx_rows *rows = NULL;
	int64_t n = 0;
	int r = nx_db_get_int(db, "SELECT count(*) FROM chunks WHERE document_id = $1", NX_PARAMS(nx_v_int(d->key)), &n,
			      err);
	if (r < 0)
		return r;
	d->chunks = nx_arena_array(a, struct nx_prepared_chunk, (size_t)n + 1);
	if (!d->chunks)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	r = nx_db_query(db,
			"SELECT c.id, c.uid, c.title, c.text, e.vector FROM chunks c LEFT JOIN embeddings e"
			" ON e.owner_kind = 'chunk' AND e.owner_id = c.id AND e.model = $3"
			" WHERE c.document_id = $1 ORDER BY c.idx LIMIT $2",
			NX_PARAMS(nx_v_int(d->key), nx_v_int(n), nx_v_textz(model)), &rows, err);
	while (r == 0 && (r = nx_rows_next(rows, err)) > 0)
		r = read_chunk(rows, a, &d->chunks[d->nchunks++], dims, err);
	return r;
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

static int remember_unembedded(struct nx_knowledge *k, struct nx_partition *p, const struct nx_prepared_chunk *c,
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

static int load_vectors(struct nx_knowledge *k, struct nx_partition *p, const struct nx_prepared_doc *d,
			struct nx_error **err)
{
	int r = 0;
	if (!nx_knowledge_has_vectors(k) || !(d->indexes & NX_INDEX_VECTOR))
		return 0;
	uint32_t dims = (uint32_t)nx_embed_dims(k->models);
	for (size_t i = 0; i < d->nchunks && r == 0; i++) {
		const struct nx_prepared_chunk *c = &d->chunks[i];
		r = c->vector ? nx_partition_add_vector(p, c->key, c->vector, dims, err)
			      : remember_unembedded(k, p, c, err);
	}
	return r;
}

static int load_doc(struct nx_knowledge *k, struct nx_db *db, struct nx_partition *p, struct nx_prepared_doc *d,
		    struct nx_error **err)
{
	nx_auto_arena struct nx_arena *a = nx_arena_new(0);
	if (!a)
		return nx_error_set(err, NX_ENOMEM, "no memory to load documents");
	int r = read_chunks(k, db, d, a, err);
	if (r == 0)
		r = nx_partition_add_hidden(p, d, err);
	if (r == 0)
		r = load_vectors(k, p, d, err);
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
		r = load_doc(k, db, pg->partitions[i], &pg->docs[i], err);
		k->loaded = pg->docs[i].key;
	}
	return r < 0 ? r : pg->n == PAGE_DOCS;
}

/* ---- entities, then relationships: rows in order, read again one by one ---- */

#define PAGE_ROWS 256

struct graph_page {
	int64_t keys[PAGE_ROWS];
	struct nx_partition *partitions[PAGE_ROWS];
	size_t n;
};

static int read_graph_page(struct nx_knowledge *k, struct nx_db *db, bool entities, struct graph_page *pg,
			   struct nx_error **err)
{
	nx_auto_rows struct nx_rows *rows = NULL;
	const char *sql =
		entities
			? "SELECT id, tenant_id, space FROM entities WHERE origin = 'client' AND id > $1 ORDER BY id LIMIT $2"
			: "SELECT id, tenant_id, space FROM relationships WHERE id > $1 ORDER BY id LIMIT $2";
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
	struct graph_page pg = {.n = 0};
	int r = read_graph_page(k, db, entities, &pg, err);
	for (size_t i = 0; i < pg.n && r == 0; i++) {
		r = entities ? nx_graph_sync_entity(pg.partitions[i], db, pg.keys[i], err)
			     : nx_graph_sync_relationship(pg.partitions[i], db, pg.keys[i], err);
		k->loaded = pg.keys[i];
	}
	return r < 0 ? r : pg.n == PAGE_ROWS;
}

/* 1: there is more; 0: everything is loaded. */
static int load_some(struct nx_knowledge *k, struct nx_error **err)
{
	int r = k->load_phase == 0 ? load_page(k, err) : load_graph_page(k, k->load_phase == 1, err);
	if (r != 0)
		return r;
	k->loaded = 0;
	return ++k->load_phase <= 2;
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

/* Large indexes are linked into their graph after the load; until then they are scanned. */
static void link_run(struct nx_job *j)
{
	struct nx_knowledge *k = nx_container_of(j, struct nx_knowledge, load_job);
	bool more = false;
	for (size_t i = 0; !more; i++) {
		pthread_mutex_lock(&k->lock);
		struct nx_partition *p = i < k->npartitions ? k->partitions[i] : NULL;
		pthread_mutex_unlock(&k->lock);
		if (!p)
			break;
		more = nx_partition_link_vectors(p, SLICE_US);
	}
	if (more)
		nx_workers_post(k->workers, &k->load_job);
	else
		embed_next(k);
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
	k->load_job = (struct nx_job){.run = link_run, .is_long = true};
	nx_workers_post(k->workers, &k->load_job);
}

void nx_knowledge_load(struct nx_knowledge *k)
{
	nx_knowledge_enter(k);
	atomic_store_explicit(&k->loading, true, memory_order_relaxed);
	k->load_job = (struct nx_job){.run = run, .is_long = true};
	nx_workers_post(k->workers, &k->load_job);
}
